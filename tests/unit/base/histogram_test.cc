// Histogram: the promised error bound, and the counts.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/metrics.h"
#include "base/random.h"

namespace holdfast {
namespace {

// Values of every magnitude.
uint64_t any_value(Random& random) { return random.next() >> random.below(64); }

}  // namespace

TEST_CASE("histogram: empty") {
  const Histogram empty;
  CHECK(empty.count() == 0);
  CHECK(empty.percentile(0.5) == 0);
  CHECK(empty.mean() == 0);
  CHECK(empty.count_at_most(1000) == 0);
}

TEST_CASE("histogram: small values are exact") {
  Histogram histogram;
  for (uint64_t v = 0; v < 16; ++v) histogram.record(v);
  CHECK(histogram.percentile(0) == 0);
  CHECK(histogram.percentile(0.5) == 7);
  CHECK(histogram.percentile(1.0 / 16) == 0);
  CHECK(histogram.percentile(1) == 15);
  CHECK(histogram.count_at_most(3) == 4);
  CHECK(histogram.mean() == doctest::Approx(7.5));
}

TEST_CASE("histogram: one value is reported within a sixteenth, never below it") {
  SeededRandom random(11);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t value = any_value(random);
    Histogram histogram;
    histogram.record(value);
    // A larger one, so that the maximum does not hide the bucket's bound.
    histogram.record(std::numeric_limits<uint64_t>::max());
    const uint64_t reported = histogram.percentile(0.5);
    REQUIRE(reported >= value);
    REQUIRE(reported - value <= value / 16);
    REQUIRE(histogram.count_at_most(value) >= 1);
  }
}

TEST_CASE("histogram: percentiles of many values are within a sixteenth of the true ones") {
  SeededRandom random(12);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(any_value(random));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.01, 0.07, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::lround(fraction * 10'000));
    const uint64_t truth = values[rank - 1];
    const uint64_t reported = histogram.percentile(fraction);
    CHECK(reported >= truth);
    CHECK(reported - truth <= truth / 16);
  }
  CHECK(histogram.max() == values.back());
  CHECK(histogram.percentile(1) == values.back());
  CHECK(histogram.count_at_most(std::numeric_limits<uint64_t>::max()) == 10'000);
}

TEST_CASE("histogram: reset forgets everything") {
  Histogram histogram;
  histogram.record(5);
  histogram.reset();
  CHECK(histogram.count() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.percentile(1) == 0);
}

}  // namespace holdfast
