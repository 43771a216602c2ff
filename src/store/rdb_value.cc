// See rdb_value.h.
#include "store/rdb_value.h"

#include <isa-l/crc64.h>

#include "base/assert.h"
#include "base/codec.h"
#include "store/collection.h"
#include "store/rdb_codec.h"

namespace holdfast {
namespace {

constexpr char kTypeString = 0;
constexpr char kFunction = static_cast<char>(0xf5);
constexpr size_t kFooterBytes = sizeof(uint16_t) + sizeof(uint64_t);

void put_footer(std::string* out) {
  put_fixed(*out, kRdbVersionWritten);
  put_fixed(*out, crc64(*out));
}

}  // namespace

uint64_t crc64(std::string_view bytes) {
  // ISA-L's function starts from and gives the complement.
  return ~crc64_jones_refl(~uint64_t{0}, reinterpret_cast<const unsigned char*>(bytes.data()),
                           bytes.size());
}

std::string dump_value(const Object& object) {
  std::string out;
  if (object.is_collection()) {
    const CollectionType& functions = collection_type(object.type());
    (functions.dump != nullptr ? functions.dump : functions.encode)(object.collection(), &out);
  } else {
    IntScratch scratch;
    const std::string_view value = object.string(scratch);
    out.reserve(1 + 9 + value.size() + kFooterBytes);
    out.push_back(kTypeString);
    put_rdb_compressed(value, &out);
  }
  put_footer(&out);
  return out;
}

bool dump_is_intact(std::string_view payload) {
  if (payload.size() < kFooterBytes) return false;
  const char* footer = payload.data() + payload.size() - kFooterBytes;
  if (load_fixed<uint16_t>(footer) > kRdbVersionAccepted) return false;
  const std::string_view checked = payload.substr(0, payload.size() - sizeof(uint64_t));
  return load_fixed<uint64_t>(footer + sizeof(uint16_t)) == crc64(checked);
}

bool restore_value(std::string_view payload, uint64_t max_size, const CollectionLimits& limits,
                   RestoredValue* value) {
  HF_ASSERT(payload.size() >= kFooterBytes);
  // Redis does not mind bytes behind the value, so neither do we.
  Reader in(payload.substr(0, payload.size() - kFooterBytes));
  const auto type = in.fixed<uint8_t>();
  if (!in.ok()) return false;
  if (type == kTypeString) {
    value->type = ObjectType::kString;
    return take_rdb_string(in, max_size, &value->bytes);
  }
  Collection collection;
  if (!type_of_rdb(type, &value->type)) return false;
  const CollectionType& functions = collection_type(value->type);
  if (!functions.decode(type, in, limits, &collection)) return false;
  value->bytes.clear();
  functions.encode(collection, &value->bytes);
  destroy_collection(value->type, collection);
  return true;
}

std::string dump_functions(const std::vector<std::string_view>& codes) {
  std::string out;
  for (const std::string_view code : codes) {
    out.push_back(kFunction);
    put_rdb_compressed(code, &out);
  }
  put_footer(&out);
  return out;
}

bool restore_functions(std::string_view payload, uint64_t max_size,
                       std::vector<std::string>* codes) {
  HF_ASSERT(payload.size() >= kFooterBytes);
  Reader reader(payload.substr(0, payload.size() - kFooterBytes));
  while (!reader.at_end()) {
    std::string code;
    if (reader.fixed<char>() != kFunction || !take_rdb_string(reader, max_size, &code))
      return false;
    codes->push_back(std::move(code));
  }
  return true;
}

}  // namespace holdfast
