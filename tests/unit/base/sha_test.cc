// SHA-1 and SHA-256: the published vectors, and every length around a block's end.
#include "base/sha.h"

#include <doctest/doctest.h>

using namespace holdfast;

TEST_CASE("sha: vectors of FIPS 180") {
  CHECK(to_hex(sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(to_hex(sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(to_hex(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(to_hex(sha1(std::string(1'000'000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("sha: the padding is right at every length around a block's end") {
  // SHA-1 of the SHA-1s of "a" repeated 0 to 199 times, checked against hashlib.
  std::string all;
  for (size_t size = 0; size < 200; ++size) all += to_hex(sha1(std::string(size, 'a')));
  CHECK(to_hex(sha1(all)) == "cb062fe66512892ec8c722ee74ff9ac151cc4b61");
  all.clear();
  for (size_t size = 0; size < 200; ++size) all += to_hex(sha256(std::string(size, 'a')));
  CHECK(to_hex(sha256(all)) == "019f2b9f1af27a53a1f046da7e98af2c179f431e4b5bebb000e74040917a4123");
}
