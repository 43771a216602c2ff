// Counters, gauges and latency histograms. Plain integers owned by whoever counts; a Metrics
// registry gives each a name, so that INFO and (later) an exporter read one list.
//
// Threads: the reactor's. Histogram: fixed memory, relative error at most 1/16 (values are kept in
// buckets of 16 per power of two, as in HdrHistogram), no allocation on record().
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace holdfast {

using Counter = uint64_t;
using Gauge = int64_t;

class Histogram {
 public:
  void record(uint64_t value);
  void reset();
  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : double(sum_) / double(count_); }
  // The smallest recorded bucket bound with at least `fraction` (0..1) of all values at or below.
  uint64_t percentile(double fraction) const;
  // How many values were at most `value` (rounded up to its bucket's bound).
  uint64_t count_at_most(uint64_t value) const;

 private:
  static constexpr int kSubBits = 4;
  static constexpr int kBuckets = (64 - kSubBits + 1) << kSubBits;
  static int bucket_of(uint64_t value);
  static uint64_t upper_bound_of(int bucket);

  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

// Names for values that live elsewhere. The pointed-to value outlives the registry.
class Metrics {
 public:
  void add_counter(std::string name, const Counter* value) { counters_[std::move(name)] = value; }
  void add_gauge(std::string name, const Gauge* value) { gauges_[std::move(name)] = value; }
  void add_histogram(std::string name, const Histogram* value) {
    histograms_[std::move(name)] = value;
  }
  const std::map<std::string, const Counter*>& counters() const { return counters_; }
  const std::map<std::string, const Gauge*>& gauges() const { return gauges_; }
  const std::map<std::string, const Histogram*>& histograms() const { return histograms_; }

 private:
  std::map<std::string, const Counter*> counters_;
  std::map<std::string, const Gauge*> gauges_;
  std::map<std::string, const Histogram*> histograms_;
};

}  // namespace holdfast
