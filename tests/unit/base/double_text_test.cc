// Floating point numbers as text: the forms that Redis 7.2 gives, and what it takes.
#include "base/double_text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "base/random.h"

using namespace holdfast;

namespace {

std::string text_of(double value) {
  char scratch[kMaxDoubleText];
  return std::string(format_double(value, scratch));
}

}  // namespace

TEST_CASE("double text: forms") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK(text_of(0) == "0");
  CHECK(text_of(-0.0) == "-0");
  CHECK(text_of(3) == "3");
  CHECK(text_of(-17) == "-17");
  CHECK(text_of(0.1) == "0.1");
  CHECK(text_of(-2.5) == "-2.5");
  CHECK(text_of(1e17) == "100000000000000000");
  CHECK(text_of(4611686018427387904.0) == "4611686018427387904");  // 2^62
  CHECK(text_of(1e19) == "1e+19");
  CHECK(text_of(12345678901234567890.0) == "12345678901234567000");
  CHECK(text_of(0.0001) == "0.0001");
  CHECK(text_of(0.000001) == "0.000001");
  CHECK(text_of(0.0000001) == "1e-7");
  CHECK(text_of(123456.789012345) == "1.23456789012345e+5");
  CHECK(text_of(123456.789) == "123456.789");
  CHECK(text_of(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(text_of(5e-324) == "5e-324");
  CHECK(text_of(-1.25e-100) == "-1.25e-100");
  CHECK(text_of(kInfinity) == "inf");
  CHECK(text_of(-kInfinity) == "-inf");
  CHECK(text_of(std::nan("")) == "nan");
}

TEST_CASE("double text: every number reads back as itself") {
  SeededRandom random(1);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t bits = random.next();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isnan(value)) continue;
    double read = 0;
    REQUIRE(parse_double(text_of(value), &read));
    REQUIRE(std::memcmp(&read, &value, sizeof value) == 0);
  }
}

TEST_CASE("double text: what is taken") {
  double value = 0;
  for (const char* bad : {"", " 1", "1 ", "x", "1x", "nan", "-nan", "1e", "--1", "\t1", "1e400",
                          "-1e400", "1e-400"}) {
    CAPTURE(bad);
    CHECK(!parse_double(bad, &value));
  }
  CHECK(!parse_double(std::string_view("1\0", 2), &value));
  const auto reads = [&value](const char* text, double expected) {
    return parse_double(text, &value) && value == expected;
  };
  CHECK(reads("+1.5", 1.5));
  CHECK(reads("0x10", 16));
  CHECK(reads("+inf", INFINITY));
  CHECK(reads("-Infinity", -INFINITY));
  CHECK(reads("5e-324", 5e-324));
  CHECK(reads(".5", 0.5));
  CHECK(reads("5.", 5));
}
