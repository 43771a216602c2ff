// See zset.h. The effects, the RDB forms and reading; the large form is in zset_index.cc.
#include "store/types/zset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "store/rdb_codec.h"
#include "store/types/ziplist.h"

namespace holdfast {
namespace {

using Pos = Listpack::Pos;

constexpr double kMaxIntegral = 4611686018427387903.0;

// RDB's types.
constexpr uint8_t kRdbText = 3;      // members, scores as text
constexpr uint8_t kRdbBinary = 5;    // members, scores of 8 bytes
constexpr uint8_t kRdbZiplist = 12;  // before Redis 7
constexpr uint8_t kRdbListpack = 17;

// Lengths of a score as text that mean something else.
constexpr uint8_t kTextNan = 253, kTextInfinite = 254, kTextNegativeInfinite = 255;

ZsetIndex& index_of(const Collection& value) { return *static_cast<ZsetIndex*>(value.data); }
bool is_compact(const Collection& value) { return value.encoding == Encoding::kListpack; }

// --- the compact form ---

bool parse_score(const Listpack::Element& element, double* score) {
  if (element.is_number) {
    *score = static_cast<double>(element.number);
    return true;
  }
  return parse_double(element.text, score);
}

double score_at(const Listpack& pack, Pos at) {
  double score = 0;
  const bool ok = parse_score(pack.get(at), &score);
  HF_ASSERT(ok);
  return score;
}

void insert_score(Listpack& pack, Pos at, double score) {
  // A zero loses its sign, as in Redis.
  const bool integral = std::abs(score) <= kMaxIntegral && std::trunc(score) == score;
  if (integral) {
    pack.insert_integer(at, static_cast<int64_t>(score));
    return;
  }
  char text[kMaxDoubleText];
  pack.insert(at, format_double(score, text));
}

// Whether the member at `at` with its score comes before the other.
bool pair_before(const Listpack& pack, Pos at, double score, std::string_view member) {
  const double here = score_at(pack, pack.next(at));
  if (here != score) return here < score;
  IntScratch scratch;
  return pack.text(at, scratch) < member;
}

void insert_pair(Listpack& pack, std::string_view member, double score) {
  Pos at = pack.end();
  // What comes in order is appended.
  if (!pack.empty() && !pair_before(pack, pack.prev(pack.last()), score, member)) {
    at = pack.first();
    while (pair_before(pack, at, score, member)) at = pack.next(pack.next(at));
  }
  insert_score(pack, at, score);
  pack.insert(at, member);
}

Collection to_index(const Listpack& pack, uint64_t seed) {
  auto* index = new ZsetIndex(seed);
  IntScratch scratch;
  for (Pos at = pack.first(); at != pack.end();) {
    const Pos score = pack.next(at);
    index->set(pack.text(at, scratch), score_at(pack, score));
    at = pack.next(score);
  }
  return {Encoding::kSkiplist, index};
}

Collection to_pack(const ZsetIndex& index) {
  Listpack pack(Listpack::create());
  for (RankTree::Cursor c = index.order().at(0); c.valid(); c.next()) {
    pack.append(c.get()->member());
    insert_score(pack, pack.end(), c.get()->score);
  }
  return {Encoding::kListpack, pack.block()};
}

bool fits_pack(const ZsetIndex& index, const CollectionLimits& limits) {
  if (index.size() > limits.zset_max_listpack_entries) return false;
  size_t bytes = 0;
  for (RankTree::Cursor c = index.order().at(0); c.valid(); c.next()) {
    const size_t size = c.get()->size;
    if (size > limits.zset_max_listpack_value) return false;
    bytes += size + kMaxDoubleText;
    if (bytes >= Listpack::kFullBytes) return false;
  }
  return true;
}

void add(Collection& value, std::string_view member, double score, const CollectionLimits& limits) {
  if (is_compact(value)) {
    Listpack pack(value.data);
    const Pos found = pack.find(pack.first(), member, 1);
    if (found != pack.end()) {
      if (score_at(pack, pack.next(found)) == score) return;
      pack.erase(found, 2);
      insert_pair(pack, member, score);
      value.data = pack.block();
      return;
    }
    if (pack.count() / 2 < limits.zset_max_listpack_entries &&
        member.size() <= limits.zset_max_listpack_value &&
        pack.fits(member.size() + kMaxDoubleText)) {
      insert_pair(pack, member, score);
      value.data = pack.block();
      return;
    }
    value = to_index(pack, limits.hash_seed);
    Listpack::destroy(pack.block());
  }
  index_of(value).set(member, score);
}

void remove(Collection& value, std::string_view member) {
  if (!is_compact(value)) {
    index_of(value).erase(member);
    return;
  }
  Listpack pack(value.data);
  const Pos found = pack.find(pack.first(), member, 1);
  if (found == pack.end()) return;
  pack.erase(found, 2);
  value.data = pack.block();
}

// --- CollectionType ---

Collection create() { return {Encoding::kListpack, Listpack::create()}; }

bool destroy_some(Collection& value, uint64_t* budget) {
  if (*budget == 0) return false;
  if (is_compact(value)) {
    Listpack::destroy(static_cast<char*>(value.data));
    --*budget;
    return true;
  }
  uint32_t freed = 0;
  const auto limit = static_cast<uint32_t>(std::min<uint64_t>(*budget, UINT32_MAX));
  const bool done = index_of(value).drain(limit, &freed);
  *budget -= freed;
  if (done) delete &index_of(value);
  return done;
}

uint64_t size(const Collection& value) { return Zset(value).size(); }

size_t memory(const Collection& value) {
  return is_compact(value) ? Listpack(value.data).memory() : index_of(value).memory();
}

void encode_index(const ZsetIndex& index, std::string* out) {
  out->push_back(static_cast<char>(kRdbBinary));
  put_rdb_length(index.size(), out);
  if (index.size() == 0) return;
  // The greatest first, as Redis writes them. Each lies elsewhere in memory, and is asked for
  // early.
  constexpr int kAhead = 16;
  RankTree::Cursor ahead = index.order().at(index.size() - 1);
  for (int i = 0; i < kAhead && ahead.valid(); ++i) ahead.prev();
  for (RankTree::Cursor c = index.order().at(index.size() - 1); c.valid(); c.prev()) {
    if (ahead.valid()) {
      __builtin_prefetch(ahead.get());
      ahead.prev();
    }
    put_rdb_compressed(c.get()->member(), out);
    put_fixed(*out, c.get()->score);
  }
}

void encode_pack(const Listpack& pack, std::string* out) {
  out->push_back(static_cast<char>(kRdbListpack));
  put_rdb_compressed(pack.bytes(), out);
}

void encode(const Collection& value, std::string* out) {
  if (is_compact(value)) {
    encode_pack(Listpack(value.data), out);
  } else {
    encode_index(index_of(value), out);
  }
}

// Pairs in order, with scores, no member twice. Bytes that are Listpack::valid().
bool is_zset(const Listpack& pack) {
  if (pack.empty()) return false;
  std::vector<std::string> members;
  double before = -HUGE_VAL;
  for (Pos at = pack.first(); at != pack.end();) {
    const Pos score_place = pack.next(at);
    double score;
    if (score_place == pack.end() || !parse_score(pack.get(score_place), &score)) return false;
    IntScratch scratch;
    const std::string_view text = pack.text(at, scratch);
    const bool in_order =
        members.empty() || before < score || (before == score && members.back() < text);
    if (!in_order) return false;
    members.emplace_back(text);
    before = score;
    at = pack.next(score_place);
  }
  std::sort(members.begin(), members.end());
  return std::adjacent_find(members.begin(), members.end()) == members.end();
}

// The longest member, in bytes.
size_t longest_member(const Listpack& pack) {
  size_t longest = 0;
  IntScratch scratch;
  for (Pos at = pack.first(); at != pack.end(); at = pack.next(pack.next(at))) {
    longest = std::max(longest, pack.text(at, scratch).size());
  }
  return longest;
}

bool decode_pack(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &bytes) || !Listpack::valid(bytes)) return false;
  const Listpack read(bytes.data());
  if (!is_zset(read)) return false;
  if (!read.fits(0) || read.count() / 2 > limits.zset_max_listpack_entries ||
      longest_member(read) > limits.zset_max_listpack_value) {
    *out = to_index(read, limits.hash_seed);
  } else {
    *out = {Encoding::kListpack, Listpack::copy(bytes)};
  }
  return true;
}

// Compact where the limits allow.
Collection settled(std::unique_ptr<ZsetIndex> index, const CollectionLimits& limits) {
  if (fits_pack(*index, limits)) return to_pack(*index);
  return {Encoding::kSkiplist, index.release()};
}

// Written before Redis 7.
bool decode_ziplist(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  std::vector<std::string> elements;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &bytes) || !read_ziplist(bytes, &elements) ||
      elements.empty() || elements.size() % 2 != 0) {
    return false;
  }
  auto index = std::make_unique<ZsetIndex>(limits.hash_seed);
  for (size_t i = 0; i < elements.size(); i += 2) {
    double score;
    if (!parse_double(elements[i + 1], &score) || !index->set(elements[i], score)) return false;
  }
  *out = settled(std::move(index), limits);
  return true;
}

bool take_text_score(Reader& in, double* score) {
  const auto length = in.fixed<uint8_t>();
  if (length == kTextNan) return false;
  if (length == kTextInfinite || length == kTextNegativeInfinite) {
    *score = length == kTextInfinite ? HUGE_VAL : -HUGE_VAL;
    return in.ok();
  }
  return parse_double(in.bytes(length), score);
}

bool decode_members(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out) {
  uint64_t count = 0;
  if (!take_rdb_length(in, &count) || count == 0 || count > in.left()) return false;
  auto index = std::make_unique<ZsetIndex>(limits.hash_seed);
  std::string member;
  for (uint64_t i = 0; i < count; ++i) {
    double score = 0;
    if (!take_rdb_string(in, UINT32_MAX, &member)) return false;
    if (rdb_type == kRdbText && !take_text_score(in, &score)) return false;
    if (rdb_type == kRdbBinary) score = in.fixed<double>();
    if (!in.ok() || std::isnan(score) || !index->set(member, score)) return false;
  }
  *out = settled(std::move(index), limits);
  return true;
}

bool decode(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out) {
  if (rdb_type == kRdbListpack) return decode_pack(in, limits, out);
  if (rdb_type == kRdbZiplist) return decode_ziplist(in, limits, out);
  return decode_members(rdb_type, in, limits, out);
}

bool creates(EffectType type) { return type == EffectType::kZsetAdd; }

void apply(EffectType type, Reader& operands, const CollectionLimits& limits, Collection* value) {
  while (operands.ok() && !operands.at_end()) {
    switch (type) {
      case EffectType::kZsetAdd: {
        const auto score = operands.fixed<double>();
        add(*value, operands.sized_bytes(), score, limits);
        break;
      }
      case EffectType::kZsetRemove:
        remove(*value, operands.sized_bytes());
        break;
      default:
        HF_ASSERT(false);
    }
  }
}

}  // namespace

const CollectionType kZsetType = {create, destroy_some,      size, memory, encode, decode, creates,
                                  apply,  "\x03\x05\x0c\x11"};

// --- ranges ---

namespace {

// As a comparison of a member with a bound: below, at or above it.
int compare(std::string_view member, const LexBound& bound) {
  if (bound.kind == LexBound::kLowest) return 1;
  if (bound.kind == LexBound::kHighest) return -1;
  return member.compare(bound.member);
}

}  // namespace

bool LexRange::before(std::string_view member) const {
  const int order = compare(member, min);
  return min.open ? order <= 0 : order < 0;
}

bool LexRange::behind(std::string_view member) const {
  const int order = compare(member, max);
  return max.open ? order >= 0 : order > 0;
}

// --- reading ---

bool Zset::score(std::string_view member, double* score) const {
  if (!compact_) {
    const ScoredMember* entry = large().find(member);
    if (entry != nullptr) *score = entry->score;
    return entry != nullptr;
  }
  const Pos found = pack().find(pack().first(), member, 1);
  if (found == pack().end()) return false;
  *score = score_at(pack(), pack().next(found));
  return true;
}

bool Zset::rank(std::string_view member, uint64_t* rank, double* score) const {
  if (!compact_) {
    const ScoredMember* entry = large().find(member);
    if (entry == nullptr) return false;
    *rank = large().order().rank(entry);
    *score = entry->score;
    return true;
  }
  *rank = 0;
  for (Pos at = pack().first(); at != pack().end(); ++*rank) {
    const Pos score_place = pack().next(at);
    if (pack().equals(at, member)) {
      *score = score_at(pack(), score_place);
      return true;
    }
    at = pack().next(score_place);
  }
  return false;
}

// `of(pair's position)`: what the range compares.
template <typename Range, typename Of>
RankRange Zset::within_pack(const Range& range, Of of) const {
  RankRange ranks;
  uint64_t rank = 0;
  bool inside = false;
  for (Pos at = pack().first(); at != pack().end(); at = pack().next(pack().next(at)), ++rank) {
    const auto here = of(at);
    if (!inside && range.before(here)) continue;
    if (!inside) ranks.first = rank;
    inside = true;
    if (range.behind(here)) break;
  }
  if (!inside) ranks.first = rank;
  ranks.end = rank;
  return ranks;
}

RankRange Zset::within(const ScoreRange& range) const {
  if (compact_) {
    return within_pack(range, [this](Pos at) { return score_at(pack(), pack().next(at)); });
  }
  const RankTree& order = large().order();
  RankRange ranks;
  ranks.first =
      order.count_before([&](double score, const ScoredMember*) { return range.before(score); });
  ranks.end =
      order.count_before([&](double score, const ScoredMember*) { return !range.behind(score); });
  ranks.end = std::max(ranks.first, ranks.end);
  return ranks;
}

RankRange Zset::within(const LexRange& range) const {
  if (compact_) {
    IntScratch scratch;
    return within_pack(range, [&](Pos at) { return pack().text(at, scratch); });
  }
  const RankTree& order = large().order();
  RankRange ranks;
  ranks.first = order.count_before(
      [&](double, const ScoredMember* entry) { return range.before(entry->member()); });
  ranks.end = order.count_before(
      [&](double, const ScoredMember* entry) { return !range.behind(entry->member()); });
  ranks.end = std::max(ranks.first, ranks.end);
  return ranks;
}

Zset::Cursor::Cursor(const Zset& owner, uint64_t rank)
    : compact_(owner.compact_), pack_(owner.data_) {
  if (!compact_) {
    place_ = owner.large().order().at(rank);
    return;
  }
  if (rank >= owner.size()) return;
  at_ = pack_.seek(static_cast<int64_t>(rank) * 2);
}

ZsetItem Zset::Cursor::item() {
  if (!compact_) return {place_.get()->member(), place_.get()->score};
  return {pack_.text(at_, scratch_), score_at(pack_, pack_.next(at_))};
}

void Zset::Cursor::next() {
  if (!compact_) {
    place_.next();
    return;
  }
  at_ = pack_.next(pack_.next(at_));
  if (at_ == pack_.end()) at_ = 0;
}

void Zset::Cursor::prev() {
  if (!compact_) {
    place_.prev();
    return;
  }
  at_ = at_ == pack_.first() ? 0 : pack_.prev(pack_.prev(at_));
}

void ZsetBuilder::encode(const CollectionLimits& limits, std::string* out) const {
  if (!fits_pack(index_, limits)) {
    encode_index(index_, out);
    return;
  }
  const Collection compact = to_pack(index_);
  encode_pack(Listpack(compact.data), out);
  Listpack::destroy(static_cast<char*>(compact.data));
}

}  // namespace holdfast
