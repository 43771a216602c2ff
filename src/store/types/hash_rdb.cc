// Hashes as RDB has them; see hash_forms.h. What is read may be any bytes.
#include <algorithm>
#include <string>
#include <unordered_set>

#include "store/rdb_codec.h"
#include "store/types/hash.h"
#include "store/types/hash_forms.h"
#include "store/types/ziplist.h"

namespace holdfast {
namespace {

constexpr uint64_t kMaxString = uint64_t{1} << 32;

void put_operands(std::string_view field, std::string_view value, std::string* out) {
  put_bytes(*out, field);
  put_bytes(*out, value);
}

// Adds fields one by one, as the effects do; tells when one comes twice.
class HashBuilder {
 public:
  HashBuilder(const CollectionLimits& limits, uint64_t fields, uint64_t input_bytes)
      : limits_(limits), hash_(kHashType.create()) {
    // Each field takes two bytes of input at least, so a made up number costs no memory.
    fields = std::min(fields, input_bytes / 2);
    if (fields > limits.hash_max_listpack_entries) {
      hash_into_table(&hash_, fields, limits.hash_seed);
    }
  }
  ~HashBuilder() { destroy_collection(ObjectType::kHash, hash_); }
  HashBuilder(const HashBuilder&) = delete;
  HashBuilder& operator=(const HashBuilder&) = delete;

  bool add(std::string_view field, std::string_view value, int64_t expire_at_ms) {
    const uint64_t before = hash_size(hash_);
    operands_.clear();
    put_operands(field, value, &operands_);
    apply(EffectType::kHashSet);
    if (hash_size(hash_) == before) return false;
    if (expire_at_ms == 0) return true;
    operands_.clear();
    put_varint(operands_, static_cast<uint64_t>(expire_at_ms));
    put_bytes(operands_, field);
    apply(EffectType::kHashExpire);
    return true;
  }

  // False when there is none.
  bool take(Collection* out) {
    if (hash_size(hash_) == 0) return false;
    *out = hash_;
    hash_ = kHashType.create();
    return true;
  }

 private:
  void apply(EffectType type) {
    Reader in(operands_);
    kHashType.apply(type, in, limits_, &hash_);
  }

  const CollectionLimits& limits_;
  Collection hash_;
  std::string operands_;
};

bool decode_plain(Reader& in, bool expiring, const CollectionLimits& limits, Collection* out) {
  int64_t first_ms = 0;
  if (expiring) first_ms = in.fixed<int64_t>();
  uint64_t count = 0;
  if (!in.ok() || first_ms < 0 || !take_rdb_length(in, &count)) return false;
  HashBuilder builder(limits, count, in.left());
  std::string field, value;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t expires = 0;
    if (expiring && !take_rdb_length(in, &expires)) return false;
    if (expires != 0) {
      if (expires - 1 > static_cast<uint64_t>(INT64_MAX - first_ms)) return false;
      expires += static_cast<uint64_t>(first_ms) - 1;
      if (expires == 0) return false;
    }
    if (!take_rdb_string(in, kMaxString, &field) || !take_rdb_string(in, kMaxString, &value)) {
      return false;
    }
    if (!builder.add(field, value, static_cast<int64_t>(expires))) return false;
  }
  return builder.take(out);
}

// Whether a listpack of pairs names no field twice.
bool fields_differ(const Listpack& pack) {
  constexpr uint32_t kFew = 64;
  if (pack.count() / 2 <= kFew) {
    IntScratch scratch;
    for (Listpack::Pos at = pack.first(); at != pack.end(); at = pack.next(pack.next(at))) {
      const Listpack::Pos rest = pack.next(pack.next(at));
      if (rest == pack.end()) break;
      if (pack.find(rest, pack.text(at, scratch), 1) != pack.end()) return false;
    }
    return true;
  }
  std::unordered_set<std::string> seen;
  IntScratch scratch;
  for (Listpack::Pos at = pack.first(); at != pack.end(); at = pack.next(pack.next(at))) {
    if (!seen.emplace(pack.text(at, scratch)).second) return false;
  }
  return true;
}

bool decode_listpack(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &bytes) || !Listpack::valid(bytes)) return false;
  const Listpack given(bytes.data());
  if (given.empty() || given.count() % 2 != 0 || !fields_differ(given)) return false;
  *out = {Encoding::kListpack, Listpack::copy(bytes)};
  if (!given.fits(0) || hash_size(*out) > limits.hash_max_listpack_entries) {
    hash_into_table(out, 0, limits.hash_seed);
  }
  return true;
}

bool decode_ziplist(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, kMaxString, &bytes)) return false;
  std::vector<std::string> elements;
  if (!read_ziplist(bytes, &elements) || elements.size() % 2 != 0) return false;
  HashBuilder builder(limits, elements.size() / 2, bytes.size());
  for (size_t i = 0; i < elements.size(); i += 2) {
    if (!builder.add(elements[i], elements[i + 1], 0)) return false;
  }
  return builder.take(out);
}

// Of Redis before 2.6: number of pairs (1 byte, 254: unknown), then (length, field, length, free
// bytes behind the value, value)..., 255. A length is a byte below 254, or 254 and 4 bytes.
bool zipmap_length(Reader& in, uint8_t first, uint32_t* length) {
  if (first == 255) return false;
  *length = first < 254 ? first : in.fixed<uint32_t>();
  return in.ok();
}

bool decode_zipmap(Reader& in, const CollectionLimits& limits, Collection* out) {
  std::string bytes;
  if (!take_rdb_string(in, kMaxString, &bytes)) return false;
  Reader map(bytes);
  map.fixed<uint8_t>();
  HashBuilder builder(limits, 0, 0);
  while (true) {
    const auto first = map.fixed<uint8_t>();
    if (!map.ok()) return false;
    if (first == 255) break;
    uint32_t field_size, value_size;
    if (!zipmap_length(map, first, &field_size)) return false;
    const std::string_view field = map.bytes(field_size);
    const auto second = map.fixed<uint8_t>();
    if (!map.ok() || !zipmap_length(map, second, &value_size)) return false;
    const auto spare = map.fixed<uint8_t>();
    const std::string_view value = map.bytes(value_size);
    map.bytes(spare);
    if (!map.ok() || !builder.add(field, value, 0)) return false;
  }
  return map.at_end() && builder.take(out);
}

}  // namespace

void encode_hash(const Collection& hash, std::string* out) {
  const int64_t first_ms = hash_next_expiry_ms(hash);
  if (hash.encoding == Encoding::kListpack) {
    out->push_back(kRdbHashListpack);
    put_rdb_compressed(hash_pack(hash).bytes(), out);
    return;
  }
  const bool expiring = first_ms != kNoFieldExpires;
  out->push_back(expiring ? kRdbHashExpiring : kRdbHash);
  if (expiring) put_fixed(*out, first_ms);
  put_rdb_length(hash_size(hash), out);
  HashCursor cursor(hash);
  while (cursor.next()) {
    if (expiring) {
      const int64_t at = cursor.expire_at_ms();
      put_rdb_length(at == 0 ? 0 : static_cast<uint64_t>(at - first_ms) + 1, out);
    }
    put_rdb_string(cursor.field(), out);
    put_rdb_string(cursor.value(), out);
  }
}

bool decode_hash(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out) {
  switch (static_cast<char>(rdb_type)) {
    case kRdbHash:
      return decode_plain(in, false, limits, out);
    case kRdbHashExpiring:
      return decode_plain(in, true, limits, out);
    case kRdbHashListpack:
      return decode_listpack(in, limits, out);
    case kRdbHashZiplist:
      return decode_ziplist(in, limits, out);
    case kRdbHashZipmap:
      return decode_zipmap(in, limits, out);
    default:
      return false;
  }
}

}  // namespace holdfast
