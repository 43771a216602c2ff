// See set.h.
#include "store/types/set.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/assert.h"
#include "store/rdb_codec.h"
#include "store/types/intset.h"

namespace holdfast {
namespace {

constexpr uint64_t kMaxString = uint64_t{1} << 32;
constexpr uint64_t kMaxIntset = 1 << 30;  // members, whatever the limit says

SetTable& table_of(const Collection& set) { return *static_cast<SetTable*>(set.data); }

uint64_t max_intset(const CollectionLimits& limits) {
  return std::min(limits.set_max_intset_entries, kMaxIntset);
}

size_t digits(int64_t value) {
  IntScratch scratch;
  return format_int64(value, scratch.bytes).size();
}

// --- forms ---

void destroy_form(const Collection& set) {
  if (set.encoding == Encoding::kIntset) Intset::destroy(static_cast<char*>(set.data));
  if (set.encoding == Encoding::kListpack) Listpack::destroy(static_cast<char*>(set.data));
}

void into_table(Collection* set, uint64_t members, uint64_t seed) {
  if (set->encoding == Encoding::kHashtable) return;
  auto table = std::make_unique<SetTable>(seed);
  table->reserve(std::max(members, set_size(*set)));
  if (set->data != nullptr) {
    SetCursor cursor(*set);
    while (cursor.next()) table->add(cursor.member());
    destroy_form(*set);
  }
  *set = {Encoding::kHashtable, table.release()};
}

void into_listpack(Collection* set) {
  const Intset ints(set->data);
  Listpack pack(Listpack::create(ints.bytes().size() * 2));
  for (uint32_t i = 0; i < ints.count(); ++i) pack.append_integer(ints.at(i));
  destroy_form(*set);
  *set = {Encoding::kListpack, pack.block()};
}

// What an empty set begins as, for `members` of which this is the first.
void begin(Collection* set, std::string_view member, uint64_t members,
           const CollectionLimits& limits) {
  int64_t number;
  if (members <= limits.set_max_intset_entries && parse_int64(member, &number)) {
    *set = {Encoding::kIntset, Intset::create()};
  } else if (members <= limits.set_max_listpack_entries) {
    *set = {Encoding::kListpack, Listpack::create()};
  } else {
    into_table(set, members, limits.hash_seed);
  }
}

// Before `members` are added. The number tells early that a small form will not do.
void expect_members(Collection* set, uint64_t members, const CollectionLimits& limits) {
  const bool pack = set->encoding == Encoding::kListpack;
  const bool ints = set->encoding == Encoding::kIntset;
  if ((pack && members > limits.set_max_listpack_entries) ||
      (ints && members > limits.set_max_intset_entries)) {
    into_table(set, members, limits.hash_seed);
  }
}

bool add_to_pack(Collection* set, std::string_view member, const CollectionLimits& limits) {
  Listpack pack(set->data);
  if (pack.find(pack.first(), member) != pack.end()) return false;
  if (pack.count() < limits.set_max_listpack_entries &&
      member.size() <= limits.set_max_listpack_value && pack.fits(member.size())) {
    pack.append(member);
    set->data = pack.block();
    return true;
  }
  into_table(set, 0, limits.hash_seed);
  return table_of(*set).add(member);
}

bool add_to_ints(Collection* set, std::string_view member, const CollectionLimits& limits) {
  Intset ints(set->data);
  int64_t number;
  if (parse_int64(member, &number)) {
    const bool added = ints.add(number);
    set->data = ints.block();
    if (added && ints.count() > max_intset(limits)) into_table(set, 0, limits.hash_seed);
    return added;
  }
  const uint64_t count = ints.count();
  const uint64_t longest = count == 0 ? 0 : std::max(digits(ints.min()), digits(ints.max()));
  if (count < limits.set_max_listpack_entries && member.size() <= limits.set_max_listpack_value &&
      longest <= limits.set_max_listpack_value) {
    into_listpack(set);
    return add_to_pack(set, member, limits);
  }
  into_table(set, 0, limits.hash_seed);
  return table_of(*set).add(member);
}

bool add(Collection* set, std::string_view member, const CollectionLimits& limits) {
  if (set->encoding == Encoding::kHashtable) return table_of(*set).add(member);
  if (set->encoding == Encoding::kListpack) return add_to_pack(set, member, limits);
  return add_to_ints(set, member, limits);
}

bool remove(Collection* set, std::string_view member) {
  if (set->data == nullptr) return false;
  if (set->encoding == Encoding::kHashtable) return table_of(*set).remove(member);
  if (set->encoding == Encoding::kListpack) {
    Listpack pack(set->data);
    const Listpack::Pos at = pack.find(pack.first(), member);
    if (at == pack.end()) return false;
    pack.erase(at);
    set->data = pack.block();
    return true;
  }
  int64_t number;
  Intset ints(set->data);
  if (!parse_int64(member, &number) || !ints.remove(number)) return false;
  set->data = ints.block();
  return true;
}

// --- the functions of the type ---

Collection create() { return {Encoding::kIntset, nullptr}; }

bool destroy_some(Collection& set, uint64_t* budget) {
  if (set.data == nullptr) return true;
  if (*budget == 0) return false;
  if (set.encoding != Encoding::kHashtable) {
    destroy_form(set);
    --*budget;
  } else {
    const auto limit = static_cast<uint32_t>(std::min<uint64_t>(*budget, UINT32_MAX));
    *budget -= table_of(set).drain(limit);
    if (table_of(set).size() != 0) return false;
    delete static_cast<SetTable*>(set.data);
  }
  set.data = nullptr;
  return true;
}

size_t memory(const Collection& set) {
  if (set.data == nullptr) return 0;
  if (set.encoding == Encoding::kHashtable) return table_of(set).memory();
  return set.encoding == Encoding::kIntset ? Intset(set.data).memory()
                                           : Listpack(set.data).memory();
}

bool creates(EffectType type) { return type == EffectType::kSetAdd; }

uint64_t count_operands(Reader in) {
  uint64_t count = 0;
  for (; in.ok() && !in.at_end(); ++count) in.sized_bytes();
  return count;
}

void apply(EffectType type, Reader& in, const CollectionLimits& limits, Collection* set) {
  HF_ASSERT(type == EffectType::kSetAdd || type == EffectType::kSetRemove);
  const bool adds = type == EffectType::kSetAdd;
  const uint64_t count = adds ? count_operands(in) : 0;
  if (adds && set->data != nullptr) expect_members(set, count, limits);
  while (in.ok() && !in.at_end()) {
    const std::string_view member = in.sized_bytes();
    if (!in.ok()) return;
    if (!adds) {
      remove(set, member);
      continue;
    }
    if (set->data == nullptr) begin(set, member, count, limits);
    add(set, member, limits);
  }
}

// --- RDB ---

constexpr char kRdbSet = 2, kRdbSetIntset = 11, kRdbSetListpack = 20;
constexpr char kRdbTypes[] = {kRdbSet, kRdbSetIntset, kRdbSetListpack};

// A listpack goes out member by member, which Redis before 7.2 reads too.
void encode(const Collection& set, std::string* out) {
  if (set.encoding == Encoding::kIntset) {
    out->push_back(kRdbSetIntset);
    put_rdb_compressed(Intset(set.data).bytes(), out);
    return;
  }
  out->push_back(kRdbSet);
  put_rdb_length(set_size(set), out);
  SetCursor cursor(set);
  while (cursor.next()) put_rdb_string(cursor.member(), out);
}

bool decode_members(Reader& in, const CollectionLimits& limits, Collection* out) {
  uint64_t count;
  if (!take_rdb_length(in, &count) || count == 0) return false;
  SetBuilder builder(limits);
  // Each takes a byte of input at least, so a made up number costs no memory.
  if (count > limits.set_max_intset_entries) builder.expect(std::min<uint64_t>(count, in.left()));
  std::string member;
  for (uint64_t i = 0; i < count; ++i) {
    if (!take_rdb_string(in, kMaxString, &member) || !builder.add(member)) return false;
  }
  *out = builder.take();
  return true;
}

bool decode_intset(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, kMaxString, &bytes) || !Intset::valid(bytes)) return false;
  if (Intset(bytes.data()).count() == 0) return false;
  *out = {Encoding::kIntset, Intset::copy(bytes)};
  if (set_size(*out) > max_intset(limits)) into_table(out, 0, limits.hash_seed);
  return true;
}

bool members_differ(const Listpack& pack) {
  constexpr uint32_t kFew = 128;
  IntScratch scratch;
  if (pack.count() <= kFew) {
    for (Listpack::Pos at = pack.first(); at != pack.end(); at = pack.next(at)) {
      const Listpack::Pos rest = pack.next(at);
      if (rest == pack.end()) break;
      if (pack.find(rest, pack.text(at, scratch)) != pack.end()) return false;
    }
    return true;
  }
  std::unordered_set<std::string> seen;
  for (Listpack::Pos at = pack.first(); at != pack.end(); at = pack.next(at)) {
    if (!seen.emplace(pack.text(at, scratch)).second) return false;
  }
  return true;
}

bool decode_listpack(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &bytes) || !Listpack::valid(bytes)) return false;
  const Listpack given(bytes.data());
  if (given.empty() || !members_differ(given)) return false;
  *out = {Encoding::kListpack, Listpack::copy(bytes)};
  if (!given.fits(0) || given.count() > limits.set_max_listpack_entries) {
    into_table(out, 0, limits.hash_seed);
  }
  return true;
}

bool decode(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out) {
  switch (static_cast<char>(rdb_type)) {
    case kRdbSet:
      return decode_members(in, limits, out);
    case kRdbSetIntset:
      return decode_intset(in, limits, out);
    case kRdbSetListpack:
      return decode_listpack(in, limits, out);
    default:
      return false;
  }
}

}  // namespace

const CollectionType kSetType = {create,  destroy_some, set_size,
                                 memory,  encode,       decode,
                                 creates, apply,        {kRdbTypes, sizeof kRdbTypes}};

// --- reading ---

uint64_t set_size(const Collection& set) {
  if (set.data == nullptr) return 0;
  if (set.encoding == Encoding::kHashtable) return table_of(set).size();
  return set.encoding == Encoding::kIntset ? Intset(set.data).count() : Listpack(set.data).count();
}

const SetTable* set_table(const Collection& set) {
  return set.encoding == Encoding::kHashtable ? &table_of(set) : nullptr;
}

bool set_contains(const Collection& set, std::string_view member) {
  if (set.data == nullptr) return false;
  if (set.encoding == Encoding::kHashtable) return table_of(set).contains(member);
  if (set.encoding == Encoding::kListpack) {
    const Listpack pack(set.data);
    return pack.find(pack.first(), member) != pack.end();
  }
  int64_t number;
  return parse_int64(member, &number) && Intset(set.data).contains(number);
}

SetCursor::SetCursor(const Collection& set) : set_(set) {
  if (set.encoding == Encoding::kHashtable) entries_ = table_of(set).table().begin();
  if (set.encoding == Encoding::kListpack) at_ = Listpack(set.data).first();
}

bool SetCursor::next() {
  if (set_.data == nullptr) return false;
  if (set_.encoding == Encoding::kHashtable) {
    const SetEntry* entry = entries_.next();
    if (entry == nullptr) return false;
    member_ = entry->member();
    return true;
  }
  if (set_.encoding == Encoding::kListpack) {
    const Listpack pack(set_.data);
    const auto at = static_cast<Listpack::Pos>(at_);
    if (at == pack.end()) return false;
    member_ = pack.text(at, scratch_);
    at_ = pack.next(at);
    return true;
  }
  const Intset ints(set_.data);
  if (at_ == ints.count()) return false;
  member_ = format_int64(ints.at(static_cast<uint32_t>(at_++)), scratch_.bytes);
  return true;
}

std::string_view set_random(const Collection& set, Random& random, IntScratch& scratch) {
  if (set.encoding == Encoding::kHashtable) {
    return table_of(set)
        .table()
        .random_entry([&random](uint64_t below) { return random.below(below); })
        ->member();
  }
  const uint64_t index = random.below(set_size(set));
  if (set.encoding == Encoding::kListpack) {
    const Listpack pack(set.data);
    return pack.text(pack.seek(static_cast<int64_t>(index)), scratch);
  }
  return format_int64(Intset(set.data).at(static_cast<uint32_t>(index)), scratch.bytes);
}

SetBuilder::SetBuilder(const CollectionLimits& limits)
    : limits_(limits), set_({Encoding::kIntset, Intset::create()}) {}
SetBuilder::~SetBuilder() { destroy_collection(ObjectType::kSet, set_); }
void SetBuilder::expect(uint64_t members) { into_table(&set_, members, limits_.hash_seed); }
bool SetBuilder::add(std::string_view member) { return holdfast::add(&set_, member, limits_); }
bool SetBuilder::remove(std::string_view member) { return holdfast::remove(&set_, member); }
Collection SetBuilder::take() {
  const Collection made = set_;
  set_ = {Encoding::kIntset, nullptr};
  return made;
}

}  // namespace holdfast
