// HyperLogLog: both forms agree, promotion, damaged runs. That the bytes are Redis's is compared by
// tests/integration/generators/hyperloglog.py.
#include "store/types/hyperloglog.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"

using namespace holdfast;

TEST_CASE("hyperloglog: a new one is Redis's") {
  const std::string wanted("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18);
  CHECK(hll::empty() == wanted);
  CHECK(hll::plausible(wanted));
  uint64_t count = 1;
  CHECK(hll::stored_count(wanted, &count));
  CHECK(count == 0);
}

TEST_CASE("hyperloglog: sparse and dense hold the same registers, and estimate well") {
  std::string sparse = hll::empty();
  std::string dense = hll::empty();
  REQUIRE(hll::make_dense(&dense));
  REQUIRE(dense.size() == hll::kDenseBytes);
  bool was_sparse = false;
  for (int added = 1; added <= 20'000; ++added) {
    const hll::Place place = hll::place_of("element " + std::to_string(added));
    bool raised_sparse = false;
    bool raised_dense = false;
    REQUIRE(hll::raise(&sparse, place, 3000, &raised_sparse));
    const hll::Patch patch = hll::raised_dense(dense, place);
    dense.replace(patch.offset, patch.bytes.size(), patch.bytes);
    raised_dense = !patch.bytes.empty();
    REQUIRE(raised_sparse == raised_dense);
    if (added % 500 != 0) continue;
    was_sparse = was_sparse || !hll::dense(sparse);
    hll::Registers a{};
    hll::Registers b{};
    REQUIRE(hll::merge(sparse, &a));
    REQUIRE(hll::merge(dense, &b));
    REQUIRE((a == b));
    CHECK(std::abs(static_cast<double>(hll::estimate(a)) - added) < 0.03 * added);
  }
  CHECK(was_sparse);
  CHECK(hll::dense(sparse));
}

TEST_CASE("hyperloglog: damaged runs are told and never followed") {
  SeededRandom random(1);
  int damaged = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string value = hll::empty();
    bool raised = false;
    for (uint64_t n = random.below(20); n > 0; --n) {
      hll::raise(&value, hll::place_of(std::to_string(random.next())), 3000, &raised);
    }
    for (uint64_t n = 1 + random.below(3); n > 0; --n) {
      const size_t at = hll::kHeaderBytes + random.below(value.size() - hll::kHeaderBytes);
      value[at] = static_cast<char>(random.next());
    }
    if (random.one_in(3)) value.resize(hll::kHeaderBytes + random.below(6));
    hll::Registers registers{};
    if (!hll::merge(value, &registers)) ++damaged;
    hll::raise(&value, hll::place_of("x"), random.one_in(2) ? 3000 : 18, &raised);
    hll::decode_runs(value);
  }
  CHECK(damaged > 5000);
}
