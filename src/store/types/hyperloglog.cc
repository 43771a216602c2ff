// See hyperloglog.h.
#include "store/types/hyperloglog.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "base/codec.h"

namespace holdfast::hll {
namespace {

constexpr int kIndexBits = 14;
constexpr int kRankBits = 64 - kIndexBits;  // of the hash, that the rank is counted in
constexpr size_t kEncodingAt = 4;
constexpr char kDense = 0, kSparse = 1;
constexpr unsigned char kOutdated = 0x80;

constexpr uint8_t kMaxSparseRank = 32;
constexpr uint32_t kMaxValueRun = 4;
constexpr uint32_t kMaxShortZeros = 64;

// A run of registers with one value.
struct Run {
  size_t size;  // in bytes
  uint32_t length;
  uint8_t rank;

  bool zeros() const { return rank == 0; }
};

Run run_at(std::string_view value, size_t at) {
  const auto first = static_cast<unsigned char>(value[at]);
  if ((first & 0x80) != 0) {
    return {1, (first & 3U) + 1, static_cast<uint8_t>((first >> 2 & 0x1f) + 1)};
  }
  if ((first & 0x40) == 0) return {1, (first & 0x3fU) + 1, 0};
  if (at + 1 >= value.size()) return {2, kRegisters + 1, 0};  // cut off: longer than can be
  return {2, ((first & 0x3fU) << 8 | static_cast<unsigned char>(value[at + 1])) + 1, 0};
}

void put_zeros(uint32_t length, std::string* out) {
  if (length > kMaxShortZeros) {
    out->push_back(static_cast<char>(0x40 | (length - 1) >> 8));
    out->push_back(static_cast<char>((length - 1) & 0xff));
  } else {
    out->push_back(static_cast<char>(length - 1));
  }
}

char value_run(uint8_t rank, uint32_t length) {
  return static_cast<char>(0x80 | (rank - 1) << 2 | static_cast<int>(length - 1));
}

void put_run(uint8_t rank, uint32_t length, std::string* out) {
  if (length == 0) return;
  if (rank == 0) {
    put_zeros(length, out);
  } else {
    out->push_back(value_run(rank, length));
  }
}

uint8_t dense_register(std::string_view value, uint32_t index) {
  const size_t byte = kHeaderBytes + index * 6 / 8;
  const unsigned shift = index * 6 % 8;
  unsigned bits = static_cast<unsigned char>(value[byte]);
  if (shift > 2) bits |= static_cast<unsigned>(static_cast<unsigned char>(value[byte + 1])) << 8;
  return static_cast<uint8_t>(bits >> shift & 0x3f);
}

void set_dense_register(std::string* value, uint32_t index, uint8_t rank) {
  const size_t byte = kHeaderBytes + index * 6 / 8;
  const unsigned shift = index * 6 % 8;
  char* at = value->data() + byte;
  *at = static_cast<char>((static_cast<unsigned char>(*at) & ~(0x3fU << shift)) | rank << shift);
  if (shift <= 2) return;
  at[1] = static_cast<char>((static_cast<unsigned char>(at[1]) & ~(0x3fU >> (8 - shift))) |
                            rank >> (8 - shift));
}

// Joins neighbouring runs of the same value around `from`, as far as Redis looks.
void join_runs(std::string* value, size_t from) {
  size_t at = from;
  for (int looks = 5; at < value->size() && looks > 0; --looks) {
    const Run run = run_at(*value, at);
    if (!run.zeros() && at + 1 < value->size()) {
      const Run next = run_at(*value, at + 1);
      if (next.rank == run.rank && run.length + next.length <= kMaxValueRun) {
        (*value)[at + 1] = value_run(run.rank, run.length + next.length);
        value->erase(at, 1);
        continue;
      }
    }
    at += run.size;
  }
}

bool raise_after_promotion(std::string* value, Place place, bool* changed) {
  if (!make_dense(value)) return false;
  const Patch patch = raised_dense(*value, place);
  *changed = !patch.bytes.empty();
  value->replace(patch.offset, patch.bytes.size(), patch.bytes);
  return true;
}

bool raise_sparse(std::string* value, Place place, uint64_t sparse_max_bytes, bool* changed) {
  if (place.rank > kMaxSparseRank) return raise_after_promotion(value, place, changed);
  size_t at = kHeaderBytes;
  size_t previous = kHeaderBytes;
  uint32_t first = 0;
  Run run{};
  for (;; first += run.length, previous = at, at += run.size) {
    if (at >= value->size()) return false;
    run = run_at(*value, at);
    if (run.length > kRegisters - first) return false;
    if (place.index < first + run.length) break;
  }
  if (!run.zeros() && run.rank >= place.rank) return true;
  std::string runs;
  put_run(run.rank, place.index - first, &runs);
  put_run(place.rank, 1, &runs);
  put_run(run.rank, first + run.length - 1 - place.index, &runs);
  if (runs.size() > run.size && value->size() + runs.size() - run.size > sparse_max_bytes) {
    return raise_after_promotion(value, place, changed);
  }
  value->replace(at, run.size, runs);
  join_runs(value, previous);
  *changed = true;
  return true;
}

// MurmurHash64A, by Austin Appleby, for little-endian machines.
uint64_t murmur64a(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kMul = 0xc6a4a7935bd1e995ULL;
  constexpr int kShift = 47;
  uint64_t h = seed ^ (bytes.size() * kMul);
  const char* p = bytes.data();
  for (const char* end = p + bytes.size() / 8 * 8; p != end; p += 8) {
    uint64_t k = load_fixed<uint64_t>(p) * kMul;
    k ^= k >> kShift;
    h = (h ^ k * kMul) * kMul;
  }
  const size_t rest = bytes.size() % 8;
  for (size_t i = rest; i-- > 0;) {
    h ^= uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  }
  if (rest > 0) h *= kMul;
  h ^= h >> kShift;
  h *= kMul;
  return h ^ h >> kShift;
}

// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017: sigma and tau.
double sigma(double x) {
  if (x == 1.0) return std::numeric_limits<double>::infinity();
  double y = 1, z = x, last;
  do {
    x *= x;
    last = z;
    z += x * y;
    y += y;
  } while (last != z);
  return z;
}

double tau(double x) {
  if (x == 0.0 || x == 1.0) return 0.0;
  double y = 1.0, z = 1 - x, last;
  do {
    x = std::sqrt(x);
    last = z;
    y *= 0.5;
    z -= std::pow(1 - x, 2) * y;
  } while (last != z);
  return z / 3;
}

}  // namespace

std::string empty() {
  std::string value("HYLL");
  value.push_back(kSparse);
  value.append(kHeaderBytes - value.size(), '\0');
  put_zeros(kRegisters, &value);
  return value;
}

bool plausible(std::string_view value) {
  if (value.size() < kHeaderBytes || value.substr(0, 4) != "HYLL") return false;
  const char encoding = value[kEncodingAt];
  return encoding == kSparse || (encoding == kDense && value.size() == kDenseBytes);
}

bool dense(std::string_view value) { return value[kEncodingAt] == kDense; }

Place place_of(std::string_view element) {
  const uint64_t hash = murmur64a(element, 0xadc83b19ULL);
  const uint64_t rest = hash >> kIndexBits | uint64_t{1} << kRankBits;
  return {static_cast<uint32_t>(hash & (kRegisters - 1)),
          static_cast<uint8_t>(std::countr_zero(rest) + 1)};
}

bool raise(std::string* value, Place place, uint64_t sparse_max_bytes, bool* changed) {
  *changed = false;
  if (!dense(*value)) return raise_sparse(value, place, sparse_max_bytes, changed);
  return raise_after_promotion(value, place, changed);
}

Patch raised_dense(std::string_view value, Place place) {
  if (dense_register(value, place.index) >= place.rank) return {};
  Patch patch;
  patch.offset = kHeaderBytes + place.index * 6 / 8;
  const size_t size = place.index * 6 % 8 > 2 ? 2 : 1;
  // Set within a copy of the bytes that the register lies in: as the first register or so of a row.
  std::string around(kHeaderBytes + 3, '\0');
  const uint32_t in_row = place.index % 4;
  const size_t row = kHeaderBytes + place.index / 4 * 3;
  around.replace(kHeaderBytes, 3, value.substr(row, 3));
  set_dense_register(&around, in_row, place.rank);
  patch.bytes = around.substr(kHeaderBytes + (patch.offset - row), size);
  return patch;
}

bool make_dense(std::string* value) {
  if (dense(*value)) return true;
  Registers registers{};
  if (!merge(*value, &registers)) return false;
  value->resize(kHeaderBytes);
  (*value)[kEncodingAt] = kDense;
  value->resize(kDenseBytes);
  for (uint32_t i = 0; i < kRegisters; ++i) {
    if (registers[i] > 0) set_dense_register(value, i, registers[i]);
  }
  return true;
}

bool merge(std::string_view value, Registers* registers) {
  if (dense(value)) {
    for (uint32_t i = 0; i < kRegisters; ++i) {
      (*registers)[i] = std::max((*registers)[i], dense_register(value, i));
    }
    return true;
  }
  uint32_t index = 0;
  for (size_t at = kHeaderBytes; at < value.size();) {
    const Run run = run_at(value, at);
    if (run.length > kRegisters - index) return false;
    for (uint32_t i = 0; i < run.length && !run.zeros(); ++i) {
      (*registers)[index + i] = std::max((*registers)[index + i], run.rank);
    }
    index += run.length;
    at += run.size;
  }
  return index == kRegisters;
}

std::string decode_runs(std::string_view value) {
  std::string out;
  for (size_t at = kHeaderBytes; at < value.size();) {
    const Run run = run_at(value, at);
    if (!out.empty()) out.push_back(' ');
    if (run.zeros()) {
      out.append(run.size == 1 ? "z:" : "Z:").append(std::to_string(run.length));
    } else {
      out.append("v:").append(std::to_string(run.rank)).append(",");
      out.append(std::to_string(run.length));
    }
    at += run.size;
  }
  return out;
}

uint64_t estimate(const Registers& registers) {
  constexpr double kAlphaInfinity = 0.721347520444481703680;
  constexpr double kCount = kRegisters;
  std::array<int, 64> histogram{};
  for (const uint8_t rank : registers) ++histogram[rank];
  double z = kCount * tau((kCount - histogram[kRankBits + 1]) / kCount);
  for (size_t j = kRankBits; j >= 1; --j) z = (z + histogram[j]) * 0.5;
  z += kCount * sigma(histogram[0] / kCount);
  return static_cast<uint64_t>(
      std::llroundl(static_cast<long double>(kAlphaInfinity * kCount * kCount / z)));
}

bool stored_count(std::string_view value, uint64_t* count) {
  *count = load_fixed<uint64_t>(value.data() + kCountAt);
  return (*count >> 63) == 0;
}

std::string count_bytes(uint64_t count) {
  std::string bytes;
  put_fixed(bytes, count);
  return bytes;
}

char outdated_byte(std::string_view value) {
  return static_cast<char>(static_cast<unsigned char>(value[kCountAt + 7]) | kOutdated);
}

void mark_outdated(std::string* value) { (*value)[kCountAt + 7] = outdated_byte(*value); }

}  // namespace holdfast::hll
