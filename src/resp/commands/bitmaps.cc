// Bitmap commands: strings as arrays of bits and of small integers.
//
// Writes emit only the bytes that change. The highest bit is limited by proto-max-bulk-len.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "store/types/bits.h"

namespace holdfast {
namespace {

constexpr std::string_view kBadOffset = "ERR bit offset is not an integer or out of range";

// A bit offset; with `field_bits` the form "#n" too, which counts in fields.
bool read_offset(CommandContext& c, size_t i, unsigned field_bits, uint64_t* offset) {
  std::string_view text = c.args[i];
  const bool counted = field_bits != 0 && text.starts_with('#');
  if (counted) text.remove_prefix(1);
  int64_t value;
  if (parse_int64(text, &value) && value >= 0 &&
      !__builtin_mul_overflow(value, counted ? field_bits : 1, &value) &&
      static_cast<uint64_t>(value) >> 3 < c.options().resp_max_bulk_bytes) {
    *offset = static_cast<uint64_t>(value);
    return true;
  }
  c.fail(kBadOffset);
  return false;
}

// The string value of a key; false when it is of another type (replied).
bool read_value(CommandContext& c, const Object* object, IntScratch* scratch,
                std::string_view* value) {
  if (!c.expect_type(object, ObjectType::kString)) return false;
  *value = object == nullptr ? std::string_view() : object->string(*scratch);
  return true;
}

void setbit_command(CommandContext& c) {
  uint64_t offset;
  if (!read_offset(c, 2, 0, &offset)) return;
  if (c.args[3] != "0" && c.args[3] != "1") {
    c.fail("ERR bit is not an integer or out of range");
    return;
  }
  const KeyRef key = c.key(1);
  IntScratch scratch;
  std::string_view value;
  if (!read_value(c, c.find_write(key), &scratch, &value)) return;
  const bool old = bit_at(value, offset), wanted = c.args[3] == "1";
  if (old != wanted || offset >> 3 >= value.size()) {
    const auto mask = static_cast<char>(1 << (7 - (offset & 7)));
    const char byte = offset >> 3 < value.size() ? value[offset >> 3] : '\0';
    const auto changed = static_cast<char>(wanted ? byte | mask : byte & ~mask);
    c.write_range(key, offset >> 3, {&changed, 1});
    c.notify_string("setbit", key);
  }
  c.reply.integer(old ? 1 : 0);
}

void getbit_command(CommandContext& c) {
  uint64_t offset;
  if (!read_offset(c, 2, 0, &offset)) return;
  IntScratch scratch;
  std::string_view value;
  if (!read_value(c, c.find_read(c.key(1)), &scratch, &value)) return;
  c.reply.integer(bit_at(value, offset) ? 1 : 0);
}

struct BitRange {
  int64_t start = 0;
  int64_t end = -1;
  bool in_bits = false;
  bool has_end = false;
};

bool read_unit(CommandContext& c, size_t i, BitRange* range) {
  range->in_bits = c.is(i, "BIT");
  if (range->in_bits || c.is(i, "BYTE")) return true;
  c.fail();
  return false;
}

// Bits from..to of a value of `bytes` bytes; false when the range is empty.
bool resolve_range(const BitRange& range, uint64_t bytes, uint64_t* from, uint64_t* to) {
  const auto size = static_cast<int64_t>(range.in_bits ? bytes * 8 : bytes);
  int64_t start = range.start, end = range.end;
  if (start < 0) start = std::max<int64_t>(0, start + size);
  if (end < 0) end = std::max<int64_t>(0, end + size);
  end = std::min(end, size - 1);
  if (start > end) return false;
  const int64_t unit = range.in_bits ? 1 : 8;
  *from = static_cast<uint64_t>(start * unit);
  *to = static_cast<uint64_t>(end * unit + unit - 1);
  return true;
}

void bitcount_command(CommandContext& c) {
  // An absent key is answered before the range is looked at, as Redis 7.0 does.
  const Object* object = c.find_read(c.key(1));
  IntScratch scratch;
  std::string_view value;
  if (!read_value(c, object, &scratch, &value)) return;
  if (object == nullptr) {
    c.reply.integer(0);
    return;
  }
  BitRange range;
  if (c.argc() == 3 || c.argc() > 5) {
    c.fail();  // a start needs an end
    return;
  }
  if (c.argc() > 3) {
    if (!c.integer(2, &range.start) || !c.integer(3, &range.end)) return;
    // Redis answers an empty range before it looks at the unit.
    if (range.start < 0 && range.end < 0 && range.start > range.end) {
      c.reply.integer(0);
      return;
    }
    if (c.argc() == 5 && !read_unit(c, 4, &range)) return;
  }
  uint64_t from, to;
  const bool any = resolve_range(range, value.size(), &from, &to);
  c.reply.integer(any ? static_cast<int64_t>(count_ones(value, from, to)) : 0);
}

void bitpos_command(CommandContext& c) {
  int64_t bit;
  if (!c.integer(2, &bit)) return;
  if (bit != 0 && bit != 1) {
    c.fail("ERR The bit argument must be 1 or 0.");
    return;
  }
  const Object* object = c.find_read(c.key(1));
  IntScratch scratch;
  std::string_view value;
  if (!read_value(c, object, &scratch, &value)) return;
  if (object == nullptr) {
    c.reply.integer(bit == 1 ? -1 : 0);
    return;
  }
  BitRange range;
  range.has_end = c.argc() > 4;
  if (c.argc() > 6) {
    c.fail();
    return;
  }
  if (c.argc() > 3 && !c.integer(3, &range.start)) return;
  if (c.argc() > 5 && !read_unit(c, 5, &range)) return;
  if (c.argc() > 4 && !c.integer(4, &range.end)) return;
  uint64_t from, to;
  if (!resolve_range(range, value.size(), &from, &to)) {
    c.reply.integer(-1);
    return;
  }
  int64_t found = find_bit(value, bit == 1, from, to);
  // Without an end the string counts as followed by zeros.
  if (found < 0 && bit == 0 && !range.has_end) found = static_cast<int64_t>(value.size() * 8);
  c.reply.integer(found);
}

bool read_operation(CommandContext& c, BitOp* op) {
  constexpr std::string_view kNames[] = {"AND", "OR", "XOR", "NOT"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (!c.is(1, kNames[i])) continue;
    *op = static_cast<BitOp>(i);
    if (*op != BitOp::kNot || c.argc() == 4) return true;
    c.fail("ERR BITOP NOT must be called with a single source key.");
    return false;
  }
  c.fail();
  return false;
}

void bitop_command(CommandContext& c) {
  BitOp op;
  if (!read_operation(c, &op)) return;
  const size_t count = c.argc() - 3;
  std::vector<std::string_view> operands(count);
  std::vector<IntScratch> scratch(count);
  for (size_t i = 0; i < count; ++i) {
    if (!read_value(c, c.find_read(c.key(i + 3)), &scratch[i], &operands[i])) return;
  }
  const std::string result = combine_bits(op, operands);
  const KeyRef key = c.key(2);
  const bool exists = (result.empty() || c.notifies()) && c.find_write(key) != nullptr;
  if (!result.empty()) {
    c.put_string(key, result, 0);
    c.notify_string("set", key);
  } else if (exists) {
    c.erase(key);
    c.notify_generic("del", key);
  }
  c.reply.integer(static_cast<int64_t>(result.size()));
}

struct FieldOp {
  enum Kind : uint8_t { kGet, kSet, kIncrBy };
  Kind kind;
  BitField field;
  uint64_t offset;
  int64_t value;
  Overflow overflow;
};

bool read_field_type(CommandContext& c, size_t i, BitField* field) {
  const std::string_view text = c.args[i];
  int64_t bits;
  field->is_signed = text.starts_with('i');
  if ((field->is_signed || text.starts_with('u')) && parse_int64(text.substr(1), &bits) &&
      bits >= 1 && bits <= (field->is_signed ? 64 : 63)) {
    field->bits = static_cast<unsigned>(bits);
    return true;
  }
  c.fail(
      "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.");
  return false;
}

bool read_overflow(CommandContext& c, size_t i, Overflow* overflow) {
  if (c.is(i, "WRAP")) {
    *overflow = Overflow::kWrap;
  } else if (c.is(i, "SAT")) {
    *overflow = Overflow::kSaturate;
  } else if (c.is(i, "FAIL")) {
    *overflow = Overflow::kFail;
  } else {
    c.fail("ERR Invalid OVERFLOW type specified");
    return false;
  }
  return true;
}

// GET type offset | SET type offset value | INCRBY type offset by | OVERFLOW policy ...
bool read_field_ops(CommandContext& c, std::vector<FieldOp>* ops) {
  Overflow overflow = Overflow::kWrap;
  for (size_t i = 2; i < c.argc();) {
    const size_t left = c.argc() - i - 1;
    if (c.is(i, "OVERFLOW") && left >= 1) {
      if (!read_overflow(c, i + 1, &overflow)) return false;
      i += 2;
      continue;
    }
    FieldOp op{};
    size_t needs = 0;
    if (c.is(i, "GET")) op.kind = FieldOp::kGet, needs = 2;
    if (c.is(i, "SET")) op.kind = FieldOp::kSet, needs = 3;
    if (c.is(i, "INCRBY")) op.kind = FieldOp::kIncrBy, needs = 3;
    if (needs == 0 || left < needs) {
      c.fail();
      return false;
    }
    if (!read_field_type(c, i + 1, &op.field) ||
        !read_offset(c, i + 2, op.field.bits, &op.offset)) {
      return false;
    }
    if (op.kind != FieldOp::kGet && !c.integer(i + 3, &op.value)) return false;
    op.overflow = overflow;
    ops->push_back(op);
    i += needs + 1;
  }
  return true;
}

// The string value of a key at this moment; views of it end with the next effect.
std::string_view value_now(CommandContext& c, const KeyRef& key, IntScratch* scratch) {
  const Object* object = c.find_write(key);
  return object == nullptr ? std::string_view() : object->string(*scratch);
}

// Runs one write; the reply is the old value (SET), the new one (INCRBY), or nil on overflow.
enum class FieldWrite : uint8_t { kRefused, kSame, kChanged };
FieldWrite run_field_write(CommandContext& c, const KeyRef& key, const FieldOp& op) {
  IntScratch scratch;
  const std::string_view value = value_now(c, key, &scratch);
  const int64_t old = read_field(value, op.offset, op.field);
  int64_t fresh;
  const bool fits = op.kind == FieldOp::kSet
                        ? fit_field(op.value, op.field, op.overflow, &fresh)
                        : add_to_field(old, op.value, op.field, op.overflow, &fresh);
  if (!fits) {
    c.reply.null();
    return FieldWrite::kRefused;
  }
  c.reply.integer(op.kind == FieldOp::kSet ? old : fresh);
  if (fresh == old) return FieldWrite::kSame;
  const FieldBytes changed = with_field(value, op.offset, op.field, fresh);
  c.write_range(key, changed.offset, changed.view());
  return FieldWrite::kChanged;
}

// `grown`: the string was made longer for the writes.
void run_field_ops(CommandContext& c, const KeyRef& key, const std::vector<FieldOp>& ops,
                   bool grown) {
  bool changed = false;
  c.reply.array(ops.size());
  for (const FieldOp& op : ops) {
    if (op.kind == FieldOp::kGet) {
      IntScratch scratch;
      c.reply.integer(read_field(value_now(c, key, &scratch), op.offset, op.field));
    } else {
      const FieldWrite result = run_field_write(c, key, op);
      changed |= result == FieldWrite::kChanged || (grown && result == FieldWrite::kSame);
    }
  }
  if (changed) c.notify_string("setbit", key);
}

// Bytes that a string needs for all writes; 0 when there are none.
uint64_t bytes_for_writes(const std::vector<FieldOp>& ops) {
  uint64_t bytes = 0;
  for (const FieldOp& op : ops) {
    if (op.kind != FieldOp::kGet) bytes = std::max(bytes, (op.offset + op.field.bits + 7) >> 3);
  }
  return bytes;
}

void bitfield(CommandContext& c, bool read_only) {
  std::vector<FieldOp> ops;
  if (!read_field_ops(c, &ops)) return;
  const uint64_t needed = bytes_for_writes(ops);
  if (read_only && needed != 0) {
    c.fail("ERR BITFIELD_RO only supports the GET subcommand");
    return;
  }
  const KeyRef key = c.key(1);
  const Object* object = needed != 0 ? c.find_write(key) : c.find_read(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  // As in Redis the string is made long enough first, also for writes that then fail to fit.
  const uint64_t size = object == nullptr ? 0 : object->string_size();
  const bool grows = needed > size;
  if (grows) c.write_range(key, needed - 1, std::string_view("\0", 1));
  run_field_ops(c, key, ops, grows);
}

void bitfield_command(CommandContext& c) { bitfield(c, false); }
void bitfield_ro_command(CommandContext& c) { bitfield(c, true); }

constexpr auto kRead = KeySpec::range(kKeyRO | kKeyAccess, 1, 1);

constexpr CommandSpec kCommands[] = {
    {"bitcount",
     -2,
     kReadonly,
     kCatBitmap,
     {kRead},
     bitcount_command,
     "bitmap",
     "2.6.0",
     "O(N)",
     "Counts the number of set bits (population counting) in a string.",
     "key [start end [BYTE | BIT]]"},
    {"bitfield",
     -2,
     kWrite | kDenyOom,
     kCatBitmap,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags, 1, 1)},
     bitfield_command,
     "bitmap",
     "3.2.0",
     "O(1) for each subcommand specified",
     "Performs arbitrary bitfield integer operations on strings.",
     "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value:integer "
     "| INCRBY encoding offset increment> [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
     "<SET encoding offset value:integer | INCRBY encoding offset increment> ...]]"},
    {"bitfield_ro",
     -2,
     kReadonly | kFast,
     kCatBitmap,
     {kRead},
     bitfield_ro_command,
     "bitmap",
     "6.0.0",
     "O(1) for each subcommand specified",
     "Performs arbitrary read-only bitfield integer operations on strings.",
     "key [GET encoding offset [GET encoding offset ...]]"},
    {"bitop",
     -4,
     kWrite | kDenyOom,
     kCatBitmap,
     {KeySpec::range(kKeyOW | kKeyUpdate, 2, 2), KeySpec::range(kKeyRO | kKeyAccess, 3, -1)},
     bitop_command,
     "bitmap",
     "2.6.0",
     "O(N)",
     "Performs bitwise operations on multiple strings, and stores the result.",
     "<AND | OR | XOR | NOT> destkey key [key ...]"},
    {"bitpos",
     -3,
     kReadonly,
     kCatBitmap,
     {kRead},
     bitpos_command,
     "bitmap",
     "2.8.7",
     "O(N)",
     "Finds the first set (1) or clear (0) bit in a string.",
     "key bit [start [end [BYTE | BIT]]]"},
    {"getbit",
     3,
     kReadonly | kFast,
     kCatBitmap,
     {kRead},
     getbit_command,
     "bitmap",
     "2.2.0",
     "O(1)",
     "Returns a bit value by offset.",
     "key offset"},
    {"setbit",
     4,
     kWrite | kDenyOom,
     kCatBitmap,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate, 1, 1)},
     setbit_command,
     "bitmap",
     "2.2.0",
     "O(1)",
     "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
     "key offset value:integer"},
};

}  // namespace

std::span<const CommandSpec> bitmap_commands() { return kCommands; }

}  // namespace holdfast
