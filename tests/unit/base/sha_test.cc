// SHA-1, SHA-256 and HMAC: the published vectors, and every length around a block's end.
#include "base/sha.h"

#include <doctest/doctest.h>

#include "base/sha256_blocks.h"

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

TEST_CASE("sha: a message in parts is the message") {
  std::string message;
  for (int i = 0; i < 300; ++i) message.push_back(static_cast<char>(i * 7));
  for (size_t size = 0; size <= message.size(); ++size) {
    const std::string_view whole(message.data(), size);
    Sha256Stream stream;
    const size_t first = size * 3 / 7;
    stream.update(whole.substr(0, first));
    stream.update({});
    Sha256Stream copy = stream;
    stream.update(whole.substr(first));
    copy.update(whole.substr(first));
    CHECK(stream.finish() == sha256(whole));
    CHECK(copy.finish() == sha256(whole));
  }
}

TEST_CASE("sha: the processor's instructions and the portable code agree") {
  std::string blocks(64 * 9, '\0');
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<char>(i * i + 13);
  std::array<uint32_t, 8> one = {1, 2, 3, 4, 5, 6, 7, 8};
  std::array<uint32_t, 8> other = one;
  sha256_blocks(one, reinterpret_cast<const uint8_t*>(blocks.data()), 9);
  sha256_blocks_portable(other, reinterpret_cast<const uint8_t*>(blocks.data()), 9);
  CHECK(one == other);
}

TEST_CASE("sha: HMAC-SHA256 of RFC 4231") {
  const auto hmac = [](std::string_view key, std::string_view message) {
    return to_hex(HmacSha256(key).of({message.substr(0, 3), message.substr(3)}));
  };
  CHECK(hmac(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hmac("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hmac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("sha: comparing secrets") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("abc", "abc"));
  CHECK(!equal_in_constant_time("abc", "abd"));
  CHECK(!equal_in_constant_time("abc", "abcd"));
}
