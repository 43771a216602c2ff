// See intset.h.
#include "store/types/intset.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/codec.h"

namespace holdfast {
namespace {

constexpr uint32_t kHeader = 8;

uint32_t width_of(int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX) return 8;
  return value < INT16_MIN || value > INT16_MAX ? 4 : 2;
}

int64_t load(const char* block, uint32_t width, uint32_t index) {
  const char* at = block + kHeader + size_t{index} * width;
  if (width == 2) return load_fixed<int16_t>(at);
  return width == 4 ? load_fixed<int32_t>(at) : load_fixed<int64_t>(at);
}

void store(char* block, uint32_t width, uint32_t index, int64_t value) {
  char* at = block + kHeader + size_t{index} * width;
  if (width == 2) {
    store_fixed(at, static_cast<int16_t>(value));
  } else if (width == 4) {
    store_fixed(at, static_cast<int32_t>(value));
  } else {
    store_fixed(at, value);
  }
}

}  // namespace

char* Intset::create() {
  char* block = static_cast<char*>(std::malloc(kHeaderBytes));
  if (block == nullptr) throw std::bad_alloc();
  store_fixed(block, uint32_t{2});
  store_fixed(block + 4, uint32_t{0});
  return block;
}

char* Intset::copy(std::string_view bytes) {
  char* block = static_cast<char*>(std::malloc(bytes.size()));
  if (block == nullptr) throw std::bad_alloc();
  std::memcpy(block, bytes.data(), bytes.size());
  return block;
}

void Intset::destroy(char* block) { std::free(block); }

bool Intset::valid(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  const auto width = load_fixed<uint32_t>(bytes.data());
  const auto count = load_fixed<uint32_t>(bytes.data() + 4);
  if (width != 2 && width != 4 && width != 8) return false;
  if (bytes.size() != kHeaderBytes + uint64_t{count} * width) return false;
  for (uint32_t i = 1; i < count; ++i) {
    if (load(bytes.data(), width, i - 1) >= load(bytes.data(), width, i)) return false;
  }
  return true;
}

uint32_t Intset::width() const { return load_fixed<uint32_t>(block_); }
uint32_t Intset::count() const { return load_fixed<uint32_t>(block_ + 4); }
int64_t Intset::at(uint32_t index) const { return load(block_, width(), index); }
void Intset::put(uint32_t index, int64_t value) { store(block_, width(), index, value); }
size_t Intset::memory() const { return malloc_usable_size(block_); }

bool Intset::search(int64_t value, uint32_t* index) const {
  uint32_t low = 0, high = count();
  // Members that come in ascending order are put at the end.
  if (high > 0 && value > at(high - 1)) low = high;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (at(middle) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *index = low;
  return low < count() && at(low) == value;
}

bool Intset::contains(int64_t value) const {
  uint32_t index;
  return width_of(value) <= width() && search(value, &index);
}

void Intset::resize(uint32_t count, uint32_t width) {
  auto* block = static_cast<char*>(std::realloc(block_, kHeaderBytes + size_t{count} * width));
  if (block == nullptr) throw std::bad_alloc();
  block_ = block;
}

// A value that needs more bytes than all before is the smallest or the largest.
void Intset::widen_and_add(int64_t value, uint32_t wide) {
  const uint32_t had = count();
  const uint32_t old_width = width();
  resize(had + 1, wide);
  const uint32_t shift = value < 0 ? 1 : 0;
  for (uint32_t i = had; i-- > 0;) store(block_, wide, i + shift, load(block_, old_width, i));
  store(block_, wide, value < 0 ? 0 : had, value);
  store_fixed(block_, wide);
  store_fixed(block_ + 4, had + 1);
}

bool Intset::add(int64_t value) {
  const uint32_t needs = width_of(value);
  if (needs > width()) {
    widen_and_add(value, needs);
    return true;
  }
  uint32_t index;
  if (search(value, &index)) return false;
  const uint32_t had = count();
  resize(had + 1, width());
  char* hole = block_ + kHeaderBytes + size_t{index} * width();
  std::memmove(hole + width(), hole, size_t{had - index} * width());
  put(index, value);
  store_fixed(block_ + 4, had + 1);
  return true;
}

bool Intset::remove(int64_t value) {
  uint32_t index;
  if (width_of(value) > width() || !search(value, &index)) return false;
  const uint32_t left = count() - 1;
  char* hole = block_ + kHeaderBytes + size_t{index} * width();
  std::memmove(hole, hole + width(), size_t{left - index} * width());
  store_fixed(block_ + 4, left);
  resize(left, width());
  return true;
}

}  // namespace holdfast
