// CRC32C: known values, and that it does not matter how the bytes are cut.
#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <string>

using namespace holdfast;

TEST_CASE("crc32c: known values") {
  CHECK(crc32c("", 0) == 0);
  CHECK(crc32c("123456789", 9) == 0xe3069283);                    // the catalogue's check value
  CHECK(crc32c(std::string(32, '\0').data(), 32) == 0x8a9136aa);  // RFC 3720
  CHECK(crc32c(std::string(32, '\xff').data(), 32) == 0x62a8ab43);
}

TEST_CASE("crc32c: short and long pieces give the same") {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 256));
  for (const size_t size : {1, 7, 8, 9, 255, 256, 257, 264, 1000, 3000}) {
    uint32_t by_one = 0;
    for (size_t i = 0; i < size; ++i) by_one = crc32c(bytes.data() + i, 1, by_one);
    CHECK(crc32c(bytes.data(), size) == by_one);
    const size_t cut = size / 3;
    CHECK(crc32c(bytes.data() + cut, size - cut, crc32c(bytes.data(), cut)) == by_one);
  }
}
