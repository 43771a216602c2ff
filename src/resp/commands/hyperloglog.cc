// HyperLogLog commands, over string values (store/types/hyperloglog.h).
//
// A dense value is changed by effects with the changed bytes only; a sparse one, at most a few
// kilobytes, is put as a whole. PFCOUNT keeps its estimate in the value, as Redis does.
#include "store/types/hyperloglog.h"

#include "replica/shard.h"
#include "resp/commands/families.h"
#include "resp/context.h"

namespace holdfast {
namespace {

constexpr std::string_view kNotOne = "WRONGTYPE Key is not a valid HyperLogLog string value.";
constexpr std::string_view kDamaged = "INVALIDOBJ Corrupted HLL object detected";

// The value of a key that holds one; false when it does not (replied). None: `object` is null.
bool value_of(CommandContext& c, const Object* object, IntScratch& scratch,
              std::string_view* value) {
  if (!c.expect_type(object, ObjectType::kString)) return false;
  *value = object == nullptr ? std::string_view() : object->string(scratch);
  if (object == nullptr || hll::plausible(*value)) return true;
  c.fail(kNotOne);
  return false;
}

void put(CommandContext& c, const KeyRef& key, const std::string& value) {
  const Object* old = c.find_write(key);
  c.put_string(key, value, old == nullptr ? 0 : old->expire_at_ms());
}

// Raises the registers of a dense value in place; true when any was lower.
bool add_to_dense(CommandContext& c, const KeyRef& key) {
  bool changed = false;
  IntScratch scratch;
  for (size_t i = 2; i < c.argc(); ++i) {
    // Looked up each time: an effect may move the value.
    const std::string_view value = c.keyspace().find(c.db(), key)->string(scratch);
    const hll::Patch patch = hll::raised_dense(value, hll::place_of(c.args[i]));
    if (patch.bytes.empty()) continue;
    c.write_range(key, patch.offset, patch.bytes);
    changed = true;
  }
  if (!changed) return false;
  const std::string_view value = c.keyspace().find(c.db(), key)->string(scratch);
  const char outdated = hll::outdated_byte(value);
  if (outdated != value[hll::kCountAt + 7]) {
    c.write_range(key, hll::kCountAt + 7, {&outdated, 1});
  }
  return true;
}

// The same of a sparse or a new one. False when it is damaged (replied).
bool add_to_sparse(CommandContext& c, const KeyRef& key, std::string value, bool fresh,
                   bool* changed) {
  *changed = fresh;
  for (size_t i = 2; i < c.argc(); ++i) {
    bool raised = false;
    if (!hll::raise(&value, hll::place_of(c.args[i]), c.options().hll_sparse_max_bytes, &raised)) {
      c.fail(kDamaged);
      return false;
    }
    *changed = *changed || raised;
  }
  if (!*changed) return true;
  hll::mark_outdated(&value);
  put(c, key, value);
  return true;
}

void pfadd_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  IntScratch scratch;
  std::string_view value;
  if (!value_of(c, object, scratch, &value)) return;
  bool changed = false;
  if (object != nullptr && hll::dense(value)) {
    changed = add_to_dense(c, key);
  } else {
    const bool fresh = object == nullptr;
    if (!add_to_sparse(c, key, fresh ? hll::empty() : std::string(value), fresh, &changed)) return;
  }
  if (changed) c.notify(NotifyClass::kString, "pfadd", key);
  c.reply.integer(changed ? 1 : 0);
}

// Raises `registers` by the values of all keys from argument `from` on; false when an error was
// replied.
bool merge_keys(CommandContext& c, size_t from, hll::Registers* registers, bool* any_dense) {
  for (size_t i = from; i < c.argc(); ++i) {
    const Object* object = c.find_read(c.key(i));
    IntScratch scratch;
    std::string_view value;
    if (!value_of(c, object, scratch, &value)) return false;
    if (object == nullptr) continue;
    *any_dense = *any_dense || hll::dense(value);
    if (!hll::merge(value, registers)) {
      c.fail(kDamaged);
      return false;
    }
  }
  return true;
}

void pfcount_command(CommandContext& c) {
  hll::Registers registers{};
  bool any_dense = false;
  if (c.argc() > 2) {
    if (!merge_keys(c, 1, &registers, &any_dense)) return;
    c.reply.integer(static_cast<int64_t>(hll::estimate(registers)));
    return;
  }
  const KeyRef key = c.key(1);
  const Object* object = c.find_read(key);
  IntScratch scratch;
  std::string_view value;
  if (!value_of(c, object, scratch, &value)) return;
  uint64_t count = 0;
  if (object != nullptr && !hll::stored_count(value, &count)) {
    if (!hll::merge(value, &registers)) {
      c.fail(kDamaged);
      return;
    }
    count = hll::estimate(registers);
    const bool may_write = !c.shard().failed() && c.shard().serves();
    if (may_write) c.write_range(key, hll::kCountAt, hll::count_bytes(count));
  }
  c.reply.integer(static_cast<int64_t>(count));
}

void pfmerge_command(CommandContext& c) {
  hll::Registers registers{};
  bool dense = false;
  if (!merge_keys(c, 1, &registers, &dense)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  IntScratch scratch;
  std::string value = object == nullptr ? hll::empty() : std::string(object->string(scratch));
  bool ok = !dense || hll::make_dense(&value);
  for (uint32_t i = 0; i < hll::kRegisters && ok; ++i) {
    bool raised = false;
    if (registers[i] == 0) continue;
    ok = hll::raise(&value, {i, registers[i]}, c.options().hll_sparse_max_bytes, &raised);
  }
  if (!ok) {
    c.fail(kDamaged);
    return;
  }
  hll::mark_outdated(&value);
  put(c, key, value);
  c.notify(NotifyClass::kString, "pfadd", key);
  c.reply.ok();
}

// --- PFDEBUG ---

void debug_registers(CommandContext& c, const KeyRef& key, std::string value) {
  hll::Registers registers{};
  if (!hll::merge(value, &registers)) {
    c.fail(kDamaged);
    return;
  }
  if (!hll::dense(value)) {  // Redis converts before it looks
    hll::make_dense(&value);
    put(c, key, value);
  }
  c.reply.array(hll::kRegisters);
  for (const uint8_t rank : registers) c.reply.integer(rank);
}

void debug_to_dense(CommandContext& c, const KeyRef& key, std::string value) {
  const bool converts = !hll::dense(value);
  if (!hll::make_dense(&value)) {
    c.fail(kDamaged);
    return;
  }
  if (converts) put(c, key, value);
  c.reply.integer(converts ? 1 : 0);
}

void pfdebug_command(CommandContext& c) {
  const KeyRef key = c.key(2);
  const Object* object = c.find_write(key);
  if (object == nullptr) {
    c.fail("ERR The specified key does not exist");
    return;
  }
  IntScratch scratch;
  std::string_view value;
  if (!value_of(c, object, scratch, &value)) return;
  if (c.is(1, "getreg")) {
    debug_registers(c, key, std::string(value));
  } else if (c.is(1, "decode")) {
    if (hll::dense(value)) return c.fail("ERR HLL encoding is not sparse");
    c.reply.bulk(hll::decode_runs(value));
  } else if (c.is(1, "encoding")) {
    c.reply.simple(hll::dense(value) ? "dense" : "sparse");
  } else if (c.is(1, "todense")) {
    debug_to_dense(c, key, std::string(value));
  } else {
    c.fail("ERR Unknown PFDEBUG subcommand '" + std::string(c.args[1]) + "'");
  }
}

// Adds known numbers of elements and compares the estimates with them: three times the standard
// error is allowed, as in Redis.
void pfselftest_command(CommandContext& c) {
  constexpr double kStandardError = 1.04 / 128;
  std::string value = hll::empty();
  for (uint64_t added = 1; added <= 100'000; ++added) {
    bool raised = false;
    const std::string element = std::to_string(added * 0x9e3779b97f4a7c15ULL);
    hll::raise(&value, hll::place_of(element), c.options().hll_sparse_max_bytes, &raised);
    if (added % 10'000 != 0) continue;
    hll::Registers registers{};
    const bool ok = hll::merge(value, &registers);
    const double estimate = static_cast<double>(hll::estimate(registers));
    const double wanted = static_cast<double>(added);
    if (ok && std::abs(estimate - wanted) <= 3 * kStandardError * wanted + 1) continue;
    c.fail("ERR TESTFAILED Too big error. card:" + std::to_string(added));
    return;
  }
  c.reply.ok();
}

constexpr CommandSpec kCommands[] = {
    {"pfadd",
     -2,
     kWrite | kDenyOom | kFast,
     kCatHyperLogLog,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     pfadd_command,
     "hyperloglog",
     "2.8.9",
     "O(1) to add every element.",
     "Adds the specified elements to the specified HyperLogLog.",
     "key [element [element ...]]"},
    {"pfcount",
     -2,
     kReadonly,
     kCatHyperLogLog,
     {KeySpec::range(kKeyRW | kKeyAccess, 1, -1)},
     pfcount_command,
     "hyperloglog",
     "2.8.9",
     "O(1) with a very small average constant time when called with a single key. O(N) with N "
     "being "
     "the number of keys, and much bigger constant times, when called with multiple keys.",
     "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
     "key [key ...]"},
    {"pfdebug",
     3,
     kWrite | kDenyOom | kAdmin,
     kCatHyperLogLog,
     {KeySpec::range(kKeyRW | kKeyAccess, 2, 2)},
     pfdebug_command,
     "hyperloglog",
     "2.8.9",
     "N/A",
     "Internal commands for debugging HyperLogLog values",
     "subcommand key"},
    {"pfmerge",
     -2,
     kWrite | kDenyOom,
     kCatHyperLogLog,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyInsert, 1, 1),
      KeySpec::range(kKeyRO | kKeyAccess, 2, -1)},
     pfmerge_command,
     "hyperloglog",
     "2.8.9",
     "O(N) to merge N HyperLogLogs, but with high constant times.",
     "Merge N different HyperLogLogs into a single one.",
     "destkey [sourcekey [sourcekey ...]]"},
    {"pfselftest",
     1,
     kAdmin,
     kCatHyperLogLog,
     {},
     pfselftest_command,
     "hyperloglog",
     "2.8.9",
     "N/A",
     "An internal command for testing HyperLogLog values"},
};

}  // namespace

std::span<const CommandSpec> hyperloglog_commands() { return kCommands; }

}  // namespace holdfast
