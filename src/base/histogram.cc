// Histogram, see metrics.h. A value below 16 has a bucket of its own; above, the position of its
// highest bit and the four bits after it choose the bucket, so a bucket is never wider than a
// sixteenth of its smallest value.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/metrics.h"

namespace holdfast {

int Histogram::bucket_of(uint64_t value) {
  constexpr int kSubBuckets = 1 << kSubBits;
  if (value < kSubBuckets) return static_cast<int>(value);
  const int shift = 63 - std::countl_zero(value) - kSubBits;
  const int sub = static_cast<int>(value >> shift) & (kSubBuckets - 1);
  return ((shift + 1) << kSubBits) + sub;
}

uint64_t Histogram::upper_bound_of(int bucket) {
  constexpr int kSubBuckets = 1 << kSubBits;
  if (bucket < kSubBuckets) return static_cast<uint64_t>(bucket);
  const int shift = (bucket >> kSubBits) - 1;
  const auto sub = static_cast<uint64_t>(bucket & (kSubBuckets - 1));
  const uint64_t lowest = (kSubBuckets + sub) << shift;
  return lowest + ((uint64_t{1} << shift) - 1);
}

void Histogram::record(uint64_t value) {
  uint32_t& bucket = buckets_[static_cast<size_t>(bucket_of(value))];
  if (bucket != std::numeric_limits<uint32_t>::max()) ++bucket;  // full rather than around to 0
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

void Histogram::reset() { *this = Histogram(); }

uint64_t Histogram::percentile(double fraction) const {
  if (count_ == 0) return 0;
  // The product of a fraction such as 0.07 may lie a hair above the whole number that is meant.
  constexpr double kHair = 1e-6;
  const double wanted = std::ceil(fraction * static_cast<double>(count_) - kHair);
  const auto rank = static_cast<uint64_t>(std::max(1.0, wanted));
  uint64_t seen = 0;
  for (int b = 0; b < kBuckets; ++b) {
    seen += buckets_[static_cast<size_t>(b)];
    if (seen >= rank) return std::min(upper_bound_of(b), max_);
  }
  return max_;
}

uint64_t Histogram::count_at_most(uint64_t value) const {
  uint64_t seen = 0;
  for (int b = 0; b <= bucket_of(value); ++b) seen += buckets_[static_cast<size_t>(b)];
  return seen;
}

}  // namespace holdfast
