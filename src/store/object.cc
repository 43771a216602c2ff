// See object.h.
#include "store/object.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <new>

#include "store/collection.h"

namespace holdfast {
namespace {

constexpr size_t kIntPayload = sizeof(int64_t);
constexpr size_t kPointerPayload = sizeof(void*);
constexpr uint64_t kEmbstrLimit = 44;  // OBJECT ENCODING says embstr up to here, as Redis does
constexpr uint64_t kMaxPreallocation = 1 << 20;  // growth doubles up to this much to spare

// An empty view may have no address, which memcpy must not be given.
void copy_bytes(char* to, std::string_view from) {
  if (!from.empty()) std::memmove(to, from.data(), from.size());
}

RawString* allocate_raw(uint64_t capacity) {
  auto* raw = static_cast<RawString*>(std::malloc(sizeof(RawString) + capacity));
  if (raw == nullptr) throw std::bad_alloc();
  raw->size = 0;
  raw->capacity = capacity;
  return raw;
}

}  // namespace

bool parse_int64(std::string_view text, int64_t* out) {
  if (text.empty() || text.size() > 20) return false;
  const size_t digits = text[0] == '-' ? 1 : 0;
  if (text.size() == digits) return false;
  if (text[digits] == '0' && text.size() > 1) return false;  // "-0" and "01" stay strings
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

std::string_view format_int64(int64_t value, char* out) {
  const auto [end, error] = std::to_chars(out, out + 21, value);
  return {out, static_cast<size_t>(end - out)};
}

Object* Object::allocate(std::string_view key, size_t payload, int64_t expire_at_ms, bool prefix) {
  const bool long_key = key.size() >= kLongKey;
  const size_t head = (prefix ? sizeof(Prefix) : 0) + sizeof(Object);
  const size_t total = head + (long_key ? sizeof(uint32_t) : 0) + key.size() + payload;
  auto* block = static_cast<char*>(std::malloc(total));
  if (block == nullptr) throw std::bad_alloc();
  auto* object = reinterpret_cast<Object*>(block + head - sizeof(Object));
  object->word_ = prefix ? kPrefix : 0;
  object->access_ = 0;
  object->key_size_ = long_key ? kLongKey : static_cast<uint16_t>(key.size());
  object->value_size_ = 0;
  if (long_key) store_fixed(object->body(), static_cast<uint32_t>(key.size()));
  copy_bytes(object->body() + object->key_offset(), key);
  if (prefix) *object->prefix() = {expire_at_ms, 0, 0};
  return object;
}

Object* Object::create_string(std::string_view key, std::string_view value, int64_t expire_at_ms) {
  const bool prefix = expire_at_ms != 0;
  int64_t number;
  if (parse_int64(value, &number)) {
    Object* object = allocate(key, kIntPayload, expire_at_ms, prefix);
    object->set_encoding(Encoding::kInt);
    store_fixed(object->payload(), number);
    return object;
  }
  if (value.size() <= kMaxEmbedded) {
    Object* object = allocate(key, value.size(), expire_at_ms, prefix);
    object->set_encoding(Encoding::kEmbedded);
    object->value_size_ = static_cast<uint16_t>(value.size());
    copy_bytes(object->payload(), value);
    return object;
  }
  Object* object = allocate(key, kPointerPayload, expire_at_ms, prefix);
  object->set_encoding(Encoding::kRaw);
  RawString* raw = allocate_raw(value.size());
  raw->size = value.size();
  copy_bytes(raw->data, value);
  store_fixed(object->payload(), raw);
  return object;
}

Object* Object::create_collection(std::string_view key, ObjectType type, Collection value,
                                  int64_t expire_at_ms) {
  Object* object = allocate(key, kPointerPayload, expire_at_ms, expire_at_ms != 0);
  object->set_type(type);
  object->set_collection(value);
  return object;
}

void Object::set_collection(Collection value) {
  set_encoding(value.encoding);
  store_fixed(payload(), value.data);
}

Object* Object::create_cold(std::string_view key, ObjectType type, uint64_t size,
                            int64_t expire_at_ms) {
  Object* object = allocate(key, kIntPayload, expire_at_ms, expire_at_ms != 0);
  object->set_type(type);
  object->set_encoding(Encoding::kCold);
  store_fixed(object->payload(), size);
  return object;
}

void Object::destroy(Object* object) {
  if (object->encoding() == Encoding::kRaw) {
    std::free(object->raw());
  } else if (object->is_collection() && !object->cold()) {
    destroy_collection(object->type(), object->collection());
  }
  std::free(object->block());
}

Collection Object::destroy_around_collection(Object* object) {
  const Collection value = object->collection();
  std::free(object->block());
  return value;
}

std::string_view Object::string(IntScratch& scratch) const {
  switch (encoding()) {
    case Encoding::kInt:
      return format_int64(load_fixed<int64_t>(payload()), scratch.bytes);
    case Encoding::kEmbedded:
      return {payload(), value_size_};
    case Encoding::kRaw:
      break;
    default:
      HF_ASSERT(false);
  }
  return {raw()->data, raw()->size};
}

uint64_t Object::string_size() const {
  if (cold()) return load_fixed<uint64_t>(payload());
  IntScratch scratch;
  return string(scratch).size();
}

bool Object::integer(int64_t* out) const {
  if (encoding() == Encoding::kInt) {
    *out = load_fixed<int64_t>(payload());
    return true;
  }
  IntScratch scratch;
  return parse_int64(string(scratch), out);
}

std::string_view Object::encoding_name() const {
  switch (encoding()) {
    case Encoding::kInt:
      return "int";
    case Encoding::kIntset:
      return "intset";
    case Encoding::kListpack:
      return "listpack";
    case Encoding::kListpackEx:
      return "listpackex";
    case Encoding::kHashtable:
      return "hashtable";
    case Encoding::kQuicklist:
      return "quicklist";
    case Encoding::kSkiplist:
      return "skiplist";
    case Encoding::kStream:
      return "stream";
    default:
      break;
  }
  HF_ASSERT(!is_collection());
  if (has_flag(kEdited) || string_size() > kEmbstrLimit) return "raw";
  return "embstr";
}

bool Object::assign_string(std::string_view value) {
  int64_t number;
  const bool is_int = parse_int64(value, &number);
  if (encoding() == Encoding::kRaw) {
    RawString* old = raw();
    if (is_int || value.size() <= kMaxEmbedded || value.size() > old->capacity ||
        value.size() < old->capacity / 2) {
      return false;
    }
    copy_bytes(old->data, value);
    old->size = value.size();
    set_flag(kEdited, false);
    return true;
  }
  if (!is_int && value.size() > kMaxEmbedded) return false;
  const size_t had = encoding() == Encoding::kEmbedded ? value_size_ : kIntPayload;
  const size_t needs = is_int ? kIntPayload : value.size();
  if (needs != had) {
    // Reuse the allocation when the value fits and does not leave half of it idle.
    const size_t usable = malloc_usable_size(block());
    const auto head = static_cast<size_t>(payload() - static_cast<char*>(block()));
    if (head + needs > usable || head + needs < usable / 2) return false;
  }
  if (is_int) {
    set_encoding(Encoding::kInt);
    value_size_ = 0;
    store_fixed(payload(), number);
  } else {
    set_encoding(Encoding::kEmbedded);
    value_size_ = static_cast<uint16_t>(value.size());
    copy_bytes(payload(), value);
  }
  set_flag(kEdited, false);
  return true;
}

void Object::write_range(uint64_t offset, std::string_view bytes) {
  HF_ASSERT(encoding() == Encoding::kRaw);
  RawString* string = raw();
  const uint64_t end = offset + bytes.size();
  if (end > string->capacity) {
    const uint64_t capacity = end + std::min(end, kMaxPreallocation);
    auto* grown = static_cast<RawString*>(std::realloc(string, sizeof(RawString) + capacity));
    if (grown == nullptr) throw std::bad_alloc();
    string = grown;
    string->capacity = capacity;
    store_fixed(payload(), string);
  }
  if (offset > string->size) std::memset(string->data + string->size, 0, offset - string->size);
  copy_bytes(string->data + offset, bytes);
  string->size = std::max(string->size, end);
  set_flag(kEdited, true);
}

RecordRef Object::take_ref() {
  const RecordRef taken = ref();
  if (taken == 0) return 0;
  word_ &= ~(kRef | kPlaceMask);
  return taken;
}

void Object::inherit_place(const Object& old) {
  constexpr uint64_t kTaken = kPlaceMask | kRef | kDirty | kOddList;
  word_ = (word_ & ~kTaken) | (old.word_ & kTaken);
}

void Object::copy_header_from(const Object& other) {
  set_encoding(other.encoding());
  value_size_ = other.value_size_;
  inherit_rest(other);
}

void Object::inherit_rest(const Object& other) {
  set_type(other.type());
  access_ = other.access_;
  inherit_place(other);
  set_flag(kEdited, other.has_flag(kEdited));
  set_flag(kUsed, other.used());
  if (has_prefix() && other.has_prefix()) prefix()->heap_index = other.heap_index();
}

Object* Object::into_raw(Object* old, uint64_t capacity) {
  HF_ASSERT(old->encoding() != Encoding::kRaw);
  IntScratch scratch;
  const std::string_view value = old->string(scratch);
  Object* object = allocate(old->key(), kPointerPayload, old->expire_at_ms(), old->has_prefix());
  object->copy_header_from(*old);
  object->set_encoding(Encoding::kRaw);
  object->value_size_ = 0;
  RawString* raw = allocate_raw(std::max<uint64_t>(capacity, value.size()));
  raw->size = value.size();
  copy_bytes(raw->data, value);
  store_fixed(object->payload(), raw);
  destroy(old);
  return object;
}

Object* Object::into_prefixed(Object* old, int64_t expire_at_ms) {
  HF_ASSERT(!old->has_prefix());
  static_assert(kIntPayload == kPointerPayload);
  const bool embedded = old->encoding() == Encoding::kEmbedded;
  const size_t size = embedded ? old->value_size_ : kPointerPayload;
  Object* object = allocate(old->key(), size, expire_at_ms, true);
  object->copy_header_from(*old);
  std::memcpy(object->payload(), old->payload(), size);
  std::free(old->block());  // not destroy: the raw value, if any, lives on
  return object;
}

Object* Object::into_cold(Object* old, uint64_t size) {
  HF_ASSERT(old->has_ref() && !old->cold());
  Object* object = create_cold(old->key(), old->type(), size, old->expire_at_ms());
  object->inherit_rest(*old);
  destroy(old);
  return object;
}

Object* Object::into_warm(Object* old, std::string_view value) {
  HF_ASSERT(old->cold() && !old->is_collection());
  Object* object = create_string(old->key(), value, old->expire_at_ms());
  object->inherit_rest(*old);
  destroy(old);
  return object;
}

Object* Object::into_warm(Object* old, Collection value) {
  HF_ASSERT(old->cold() && old->is_collection());
  Object* object = create_collection(old->key(), old->type(), value, old->expire_at_ms());
  object->inherit_rest(*old);
  destroy(old);
  return object;
}

size_t Object::memory() const {
  size_t total = malloc_usable_size(block());
  if (encoding() == Encoding::kRaw) {
    total += malloc_usable_size(raw());
  } else if (is_collection() && !cold()) {
    total += collection_type(type()).memory(collection());
  }
  return total;
}

}  // namespace holdfast
