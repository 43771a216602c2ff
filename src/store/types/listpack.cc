// See listpack.h.
#include "store/types/listpack.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr unsigned char kEnd = 0xff;
constexpr uint16_t kCountUnknown = UINT16_MAX;
constexpr size_t kMaxHead = 9;     // encoding byte and an integer of 64 bits
constexpr size_t kMaxBacklen = 5;  // groups of seven bits of a 32-bit length

enum : unsigned char {
  kString32 = 0xf0,
  kInt16 = 0xf1,
  kInt24 = 0xf2,
  kInt32 = 0xf3,
  kInt64 = 0xf4,
};

unsigned char byte_at(const char* p) { return static_cast<unsigned char>(*p); }

size_t backlen_size(size_t length) {
  if (length <= 127) return 1;
  if (length < 16383) return 2;
  if (length < 2097151) return 3;
  if (length < 268435455) return 4;
  return 5;
}

void store_backlen(char* out, size_t length) {
  const size_t bytes = backlen_size(length);
  for (size_t i = bytes; i-- > 0; length >>= 7) {
    out[i] = static_cast<char>((length & 0x7f) | (i > 0 ? 0x80 : 0));
  }
}

// The length that ends just before `end`; `*bytes` is what it takes itself.
size_t load_backlen(const char* end, size_t* bytes) {
  size_t length = 0;
  for (size_t i = 0; i < kMaxBacklen; ++i) {
    const unsigned char byte = byte_at(end - 1 - i);
    length |= size_t{byte & 0x7fU} << (7 * i);
    *bytes = i + 1;
    if ((byte & 0x80) == 0) break;
  }
  return length;
}

// Bytes of the head (encoding and length) of the element at `p`, and of its content. 0, 0: none.
struct Shape {
  size_t head;
  size_t content;
};

Shape shape_at(const char* p, size_t left) {
  const unsigned char first = byte_at(p);
  if (first < 0x80) return {1, 0};
  if (first < 0xc0) return {1, first & 0x3fU};
  if (first < 0xe0) return {2, 0};
  if (first < 0xf0) return left < 2 ? Shape{0, 0} : Shape{2, (first & 0xfU) << 8 | byte_at(p + 1)};
  switch (first) {
    case kString32:
      return left < 5 ? Shape{0, 0} : Shape{5, load_fixed<uint32_t>(p + 1)};
    case kInt16:
      return {3, 0};
    case kInt24:
      return {4, 0};
    case kInt32:
      return {5, 0};
    case kInt64:
      return {9, 0};
    default:
      return {0, 0};
  }
}

}  // namespace

// An element on its way into a block: the head, then (of a string) the content.
struct Listpack::Encoded {
  char head[kMaxHead];
  size_t head_size = 0;
  std::string_view content;

  size_t size() const { return head_size + content.size(); }

  static Encoded of(std::string_view text) {
    int64_t number;
    return parse_int64(text, &number) ? of(number) : of_string(text);
  }

  static Encoded of(int64_t value) {
    Encoded e;
    const auto put = [&e](unsigned char first, auto rest) {
      e.head[0] = static_cast<char>(first);
      std::memcpy(e.head + 1, &rest, sizeof rest);
      e.head_size = 1 + sizeof rest;
    };
    if (value >= 0 && value <= 127) {
      e.head[0] = static_cast<char>(value);
      e.head_size = 1;
    } else if (value >= -4096 && value <= 4095) {
      e.head[0] = static_cast<char>(0xc0 | (value >> 8 & 0x1f));
      e.head[1] = static_cast<char>(value & 0xff);
      e.head_size = 2;
    } else if (value >= INT16_MIN && value <= INT16_MAX) {
      put(kInt16, static_cast<int16_t>(value));
    } else if (value >= -(1 << 23) && value < 1 << 23) {
      put(kInt24, static_cast<int32_t>(value));
      e.head_size = 4;
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      put(kInt32, static_cast<int32_t>(value));
    } else {
      put(kInt64, value);
    }
    return e;
  }

  static Encoded of_string(std::string_view text) {
    Encoded e;
    e.content = text;
    if (text.size() < 64) {
      e.head[0] = static_cast<char>(0x80 | text.size());
      e.head_size = 1;
    } else if (text.size() < 4096) {
      e.head[0] = static_cast<char>(0xe0 | text.size() >> 8);
      e.head[1] = static_cast<char>(text.size() & 0xff);
      e.head_size = 2;
    } else {
      e.head[0] = static_cast<char>(kString32);
      store_fixed(e.head + 1, static_cast<uint32_t>(text.size()));
      e.head_size = 5;
    }
    return e;
  }
};

char* Listpack::create(size_t capacity) {
  auto* block = static_cast<char*>(std::malloc(std::max(capacity, kHeaderBytes + 1)));
  if (block == nullptr) throw std::bad_alloc();
  store_fixed(block, static_cast<uint32_t>(kHeaderBytes + 1));
  store_fixed(block + 4, uint16_t{0});
  block[kHeaderBytes] = static_cast<char>(kEnd);
  return block;
}

char* Listpack::copy(std::string_view bytes) {
  auto* block = static_cast<char*>(std::malloc(bytes.size()));
  if (block == nullptr) throw std::bad_alloc();
  std::memcpy(block, bytes.data(), bytes.size());
  return block;
}

void Listpack::destroy(char* block) { std::free(block); }

bool Listpack::valid(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + 1 || bytes.size() > kMaxBytes) return false;
  if (load_fixed<uint32_t>(bytes.data()) != bytes.size()) return false;
  const char* end = bytes.data() + bytes.size() - 1;
  if (byte_at(end) != kEnd) return false;
  const Listpack pack(const_cast<char*>(bytes.data()));
  uint32_t count = 0;
  for (const char* p = bytes.data() + kHeaderBytes; p < end; ++count) {
    const auto left = static_cast<size_t>(end - p);
    const Shape shape = shape_at(p, left);
    if (shape.head == 0 || shape.head > left || shape.content > left - shape.head) return false;
    const size_t size = shape.head + shape.content;
    const size_t backlen = backlen_size(size);
    if (backlen > left - size) return false;
    size_t read_back = 0;
    if (load_backlen(p + size + backlen, &read_back) != size || read_back != backlen) return false;
    const Element element = pack.get(static_cast<Pos>(p - bytes.data()));
    const Encoded canonical =
        element.is_number ? Encoded::of(element.number) : Encoded::of(element.text);
    if (canonical.head_size != shape.head || std::memcmp(canonical.head, p, shape.head) != 0) {
      return false;
    }
    p += size + backlen;
  }
  const auto told = load_fixed<uint16_t>(bytes.data() + 4);
  return told == kCountUnknown || told == count;
}

uint32_t Listpack::count() const {
  const auto told = load_fixed<uint16_t>(block_ + 4);
  if (told != kCountUnknown) return told;
  uint32_t count = 0;
  for (Pos at = first(); at != end(); at = next(at)) ++count;
  return count;
}

size_t Listpack::memory() const { return malloc_usable_size(block_); }

uint32_t Listpack::size_at(Pos at) const {
  const Shape shape = shape_at(block_ + at, kMaxHead);
  return static_cast<uint32_t>(shape.head + shape.content);
}

Listpack::Pos Listpack::next(Pos at) const {
  const uint32_t size = size_at(at);
  return at + size + static_cast<uint32_t>(backlen_size(size));
}

Listpack::Pos Listpack::prev(Pos at) const {
  size_t bytes = 0;
  const size_t size = load_backlen(block_ + at, &bytes);
  return at - static_cast<Pos>(size + bytes);
}

Listpack::Pos Listpack::seek(int64_t index) const {
  const auto told = load_fixed<uint16_t>(block_ + 4);
  if (told != kCountUnknown) {
    if (index >= told || index < -int64_t{told}) return end();
    // The nearer end is the quicker way.
    if (index >= 0 && index > told / 2) index -= told;
    if (index < 0 && -index > told / 2) index += told;
  }
  Pos at = end();
  if (index >= 0) {
    for (at = first(); index > 0 && at != end(); --index) at = next(at);
    return at;
  }
  for (; index < 0; ++index) {
    if (at == first()) return end();
    at = prev(at);
  }
  return at;
}

Listpack::Element Listpack::get(Pos at) const {
  const char* p = block_ + at;
  const unsigned char first = byte_at(p);
  if (first < 0x80) return {{}, first, true};
  if (first < 0xc0) return {{p + 1, first & 0x3fU}, 0, false};
  if (first < 0xe0) {
    const int64_t bits = (first & 0x1f) << 8 | byte_at(p + 1);
    return {{}, bits >= 4096 ? bits - 8192 : bits, true};
  }
  if (first < 0xf0) return {{p + 2, (first & 0xfU) << 8 | byte_at(p + 1)}, 0, false};
  switch (first) {
    case kString32:
      return {{p + 5, load_fixed<uint32_t>(p + 1)}, 0, false};
    case kInt16:
      return {{}, load_fixed<int16_t>(p + 1), true};
    case kInt24: {
      const uint32_t bits = load_fixed<uint16_t>(p + 1) | uint32_t{byte_at(p + 3)} << 16;
      return {{}, static_cast<int32_t>(bits << 8) >> 8, true};
    }
    case kInt32:
      return {{}, load_fixed<int32_t>(p + 1), true};
    default:
      HF_ASSERT(first == kInt64);
      return {{}, load_fixed<int64_t>(p + 1), true};
  }
}

std::string_view Listpack::text(Pos at, IntScratch& scratch) const {
  const Element element = get(at);
  return element.is_number ? format_int64(element.number, scratch.bytes) : element.text;
}

bool Listpack::integer(Pos at, int64_t* out) const {
  const Element element = get(at);
  if (element.is_number) *out = element.number;
  return element.is_number;
}

bool Listpack::equals(Pos at, std::string_view text) const {
  const Element element = get(at);
  if (!element.is_number) return element.text == text;
  int64_t number;
  return parse_int64(text, &number) && number == element.number;
}

Listpack::Pos Listpack::find(Pos from, std::string_view text, uint32_t skip) const {
  // Compared as it would be stored: the bytes of head and content decide.
  const Encoded wanted = Encoded::of(text);
  const Pos stop = end();
  uint32_t skipped = 0;
  for (Pos at = from; at != stop;) {
    const uint32_t size = size_at(at);
    if (skipped > 0) {
      --skipped;
    } else {
      if (size == wanted.size() && std::memcmp(block_ + at, wanted.head, wanted.head_size) == 0 &&
          (wanted.content.empty() ||
           std::memcmp(block_ + at + wanted.head_size, wanted.content.data(),
                       wanted.content.size()) == 0)) {
        return at;
      }
      skipped = skip;
    }
    at += size + static_cast<uint32_t>(backlen_size(size));
  }
  return stop;
}

void Listpack::resize(size_t total) {
  HF_ASSERT(total <= kMaxBytes);
  const size_t usable = malloc_usable_size(block_);
  if (total <= usable && total >= usable / 2) return;
  auto* block = static_cast<char*>(std::realloc(block_, total));
  if (block == nullptr) throw std::bad_alloc();
  block_ = block;
}

void Listpack::set_count(int64_t by) {
  const auto told = load_fixed<uint16_t>(block_ + 4);
  if (told == kCountUnknown) {
    // It may be few enough again to be told.
    if (by > 0) return;
    const uint32_t counted = count();
    if (counted < kCountUnknown) store_fixed(block_ + 4, static_cast<uint16_t>(counted));
    return;
  }
  const int64_t count = told + by;
  store_fixed(block_ + 4, static_cast<uint16_t>(std::min<int64_t>(count, kCountUnknown)));
}

// Writes the element at `at` in place of `old_size` bytes.
Listpack::Pos Listpack::put(Pos at, uint32_t old_size, const Encoded& element) {
  const size_t size = element.size() + backlen_size(element.size());
  const size_t old_total = total();
  const size_t new_total = old_total - old_size + size;
  // The content may be a view into this very block.
  HF_ASSERT(element.content.data() < block_ || element.content.data() >= block_ + old_total);
  if (new_total > old_total) resize(new_total);
  std::memmove(block_ + at + size, block_ + at + old_size, old_total - at - old_size);
  char* p = block_ + at;
  std::memcpy(p, element.head, element.head_size);
  p += element.head_size;
  if (!element.content.empty()) std::memcpy(p, element.content.data(), element.content.size());
  store_backlen(p + element.content.size(), element.size());
  store_fixed(block_, static_cast<uint32_t>(new_total));
  if (new_total < old_total) resize(new_total);
  return at;
}

Listpack::Pos Listpack::insert(Pos at, std::string_view text) {
  put(at, 0, Encoded::of(text));
  set_count(1);
  return at;
}

Listpack::Pos Listpack::insert_integer(Pos at, int64_t value) {
  put(at, 0, Encoded::of(value));
  set_count(1);
  return at;
}

Listpack::Pos Listpack::replace(Pos at, std::string_view text) {
  return put(at, next(at) - at, Encoded::of(text));
}

Listpack::Pos Listpack::replace_integer(Pos at, int64_t value) {
  return put(at, next(at) - at, Encoded::of(value));
}

Listpack::Pos Listpack::erase(Pos at, uint32_t count) {
  Pos behind = at;
  int64_t gone = 0;
  for (; count > 0 && behind != end(); --count, ++gone) behind = next(behind);
  const size_t old_total = total();
  std::memmove(block_ + at, block_ + behind, old_total - behind);
  store_fixed(block_, static_cast<uint32_t>(old_total - (behind - at)));
  set_count(-gone);
  resize(total());
  return at;
}

}  // namespace holdfast
