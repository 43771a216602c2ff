// The bytes of docs/ONDISK_DISK.md. A change here is a change of format.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/codec.h"
#include "base/random.h"
#include "engine/disk/layout.h"
#include "engine/disk/logged_record.h"
#include "engine/disk/record.h"
#include "engine/disk/wal_format.h"

using namespace holdfast;
using namespace holdfast::disk;

namespace {

constexpr StoreUuid kUuid{0x1122334455667788, 0x99aabbccddeeff00};

template <typename T>
T at(const AlignedBuffer& block, size_t offset) {
  return load_fixed<T>(block.data() + offset);
}

std::string hex(std::span<const char> bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

Superblock example() {
  Superblock superblock;
  superblock.uuid = kUuid;
  superblock.sequence = 7;
  superblock.wal_blocks = 64;
  superblock.durable_block = 70;
  superblock.checkpoint = {3, {10, 2}, 5000, {21, 22}, {66, 4, 99}};
  return superblock;
}

}  // namespace

TEST_CASE("disk format: a superblock") {
  AlignedBuffer block(kBlock);
  encode_superblock(example(), 1, block.span());
  CHECK(hex(block.span().first(136)) ==
        "484f4c4446415354"
        "02000000"
        "00100000"
        "00000000"
        "01000000"
        "8877665544332211"
        "00ffeeddccbbaa99"
        "0700000000000000"
        "4000000000000000"
        "4600000000000000"
        "0300000000000000"
        "0a00000000000000"
        "0200000000000000"
        "8813000000000000"
        "1500000000000000"
        "1600000000000000"
        "4200000000000000"
        "0400000000000000"
        "6300000000000000");
  CHECK(hex(block.span().subspan(4080)) == "6c22a3f5e28e95a021ee433cf616a5d5");
  const auto back = decode_superblock(block.span(), 0, 1);
  REQUIRE((back.ok() && back.value().has_value()));
  CHECK(back.value()->checkpoint == example().checkpoint);
  CHECK(back.value()->uuid == kUuid);
  // At another place it is none; of another format it says so.
  CHECK(!decode_superblock(block.span(), 1, 1).value().has_value());
  CHECK(!decode_superblock(block.span(), 0, 0).value().has_value());
  for (size_t byte = 0; byte < kBlock; ++byte) {
    block.data()[byte] ^= 1;
    CHECK(!decode_superblock(block.span(), 0, 1).value().has_value());
    block.data()[byte] ^= 1;
  }
  for (const uint32_t other : {0, 3}) {
    store_fixed(block.data() + 8, other);
    const Hash128 hash = hash128(block.span().first(4080));
    store_fixed(block.data() + 4080, hash);
    CHECK(decode_superblock(block.span(), 0, 1).status().message() ==
          "the store has format " + std::to_string(other) + "; this version reads formats 1 to 2");
  }
  // One of format 1 stays one until the next is written.
  Superblock old = example();
  old.format = 1;
  encode_superblock(old, 1, block.span());
  CHECK(hex(block.span().subspan(8, 4)) == "01000000");
  CHECK(hex(block.span().subspan(4080)) == "b431cc953ee501feeabbf0c1ceabf7ef");
  CHECK(decode_superblock(block.span(), 0, 1).value()->format == 1);
}

TEST_CASE("disk format: a group whose large values are records") {
  std::vector<LoggedRecord> records(2);
  records[0] = {3, 4, 5, {6, 1}, 48, 9, 2, true, "k1"};
  records[1] = {7, 2, 8, {10, 1}, 50, 9, 2, false, "k"};
  const std::string payload = encode_logged(records, "abcVVVVWWde");
  CHECK(hex(payload) ==
        "02000000"
        "0300000000000000"
        "0400000000000000"
        "0500000000000000"
        "0600000000000000"
        "0100000000000000"
        "3000000000000000"
        "0900000000000000"
        "02"
        "01"
        "02000000"
        "6b31"
        "0700000000000000"
        "0200000000000000"
        "0800000000000000"
        "0a00000000000000"
        "0100000000000000"
        "3200000000000000"
        "0900000000000000"
        "02"
        "00"
        "01000000"
        "6b"
        "6162636465");
  LogGroup group{9, 9, "abcVVVVWWde"};
  group.large = {{3, 4, 9, 2, 0, "k1", ""}, {7, 2, 9, 2, 0, "k", ""}};
  CHECK(encoded_logged_size(group) == payload.size());
  std::vector<LoggedRecord> back;
  std::string_view rest;
  REQUIRE(decode_logged(payload, &back, &rest));
  CHECK(rest == "abcde");
  CHECK(encode_logged(back, "abcVVVVWWde") == payload);
  CHECK(back[0].final);
  CHECK(!back[1].final);
  // Cut short, or with places that overlap or lie outside.
  for (size_t size = 0; size < payload.size() - rest.size(); ++size) {
    CHECK(!decode_logged(std::string_view(payload).substr(0, size), &back, &rest));
  }
  for (const uint64_t at : {6, 13}) {
    records[1].at = at;
    std::string wrong = payload;
    store_fixed(wrong.data() + 4 + 64, at);
    CHECK(!decode_logged(wrong, &back, &rest));
  }
}

TEST_CASE("disk format: hard states") {
  AlignedBuffer block(kBlock);
  HardStates states;
  states.sequence = 9;
  states.generation = 4;
  states.shards[3] = {5, 6};
  encode_hard_states(states, kUuid, 1, block.span());
  CHECK(hex(block.span().first(72)) ==
        "4846485354415445"
        "8877665544332211"
        "00ffeeddccbbaa99"
        "0100000000000000"
        "0900000000000000"
        "0400000000000000"
        "01000000"
        "03000000"
        "0500000000000000"
        "0600000000000000");
  CHECK(hex(block.span().subspan(4080)) == "e5fb7ecb9730ea9337a94304f86de1de");
  CHECK(decode_hard_states(block.span(), kUuid, 1)->shards.at(3).promised_epoch == 5);
  CHECK(!decode_hard_states(block.span(), kUuid, 9).has_value());
  CHECK(!decode_hard_states(block.span(), {1, 2}, 1).has_value());
}

TEST_CASE("disk format: a block of the log with a record") {
  const WalIdentity identity{kUuid, 64};
  char header[kWalRecordHeader];
  const uint64_t hash =
      encode_wal_record({WalRecordType::kGroup, 3, 10, 12, "payload"}, 77, header);
  CHECK(hex(header) ==
        "07000000"
        "f8ffffff"
        "01000000"
        "03000000"
        "0a00000000000000"
        "0c00000000000000"
        "0000000000000000"
        "2dc8d4588d69c3c3");
  WalStream stream(sizeof header + 7, {130, 4, 129, 0, false, true}, identity);
  stream.append({header, sizeof header});
  stream.append("payload");
  AlignedBuffer block = stream.finish();
  CHECK(hex(block.span().first(64)) ==
        "48465742"
        "9f8ace1a"
        "8200000000000000"
        "0400000000000000"
        "8100000000000000"
        "7878573513f1ceac"
        "3700"
        "0200"
        "00000000"
        "00000000000000000000000000000000");
  for (size_t end = 512; end <= kBlock; end += 512) CHECK(at<uint16_t>(block, end - 2) == 0x8007);
  WalBlock found;
  REQUIRE(open_wal_block(block.span(), identity, 130, 4, 4, &found) == WalBlockState::kGood);
  CHECK(found.used == 55);
  CHECK(found.durable_block == 129);
  WalRecord record;
  size_t size = 0;
  uint64_t again = 0;
  const std::string_view payload(block.data() + kWalBlockHeader, found.used);
  REQUIRE(decode_wal_record(payload, 77, &record, &size, &again) == WalRecordState::kWhole);
  CHECK(record.payload == "payload");
  CHECK(again == hash);
  CHECK(decode_wal_record(payload, 78, &record, &size, &again) == WalRecordState::kBroken);
  CHECK(decode_wal_record(payload.substr(0, 54), 77, &record, &size, &again) ==
        WalRecordState::kUnfinished);
}

TEST_CASE("disk format: what lies in a block's place is classified") {
  const WalIdentity identity{kUuid, 64};
  const auto make = [&](uint64_t number, uint64_t generation) {
    WalStream stream(3000, {number, generation, 0, 0, false, true}, identity);
    stream.append(std::string(3000, 'x'));
    return stream.finish();
  };
  const auto state = [&](AlignedBuffer block, uint64_t number, uint64_t generation) {
    WalBlock header;
    return open_wal_block(block.span(), identity, number, generation, 9, &header);
  };
  CHECK(state(make(130, 4), 130, 4) == WalBlockState::kGood);
  CHECK(state(AlignedBuffer(kBlock), 130, 4) == WalBlockState::kOld);
  CHECK(state(make(66, 4), 130, 4) == WalBlockState::kOld);    // of the round before
  CHECK(state(make(130, 3), 130, 4) == WalBlockState::kOld);   // of a cut tail
  CHECK(state(make(194, 4), 130, 4) == WalBlockState::kRot);   // of the round after
  CHECK(state(make(131, 4), 130, 4) == WalBlockState::kRot);   // of another place
  CHECK(state(make(130, 10), 130, 4) == WalBlockState::kRot);  // of a generation that never was
  for (size_t sectors = 1; sectors < 8; ++sectors) {
    AlignedBuffer torn = make(66, 4);
    const AlignedBuffer fresh = make(130, 4);
    std::memcpy(torn.data(), fresh.data(), sectors * 512);
    CHECK(state(std::move(torn), 130, 4) == WalBlockState::kTorn);
  }
  for (size_t bit = 0; bit < kBlock * 8; bit += 3) {  // stamps included: power cut seed 115
    AlignedBuffer rotten = make(130, 4);
    rotten.data()[bit / 8] ^= static_cast<char>(1 << bit % 8);
    REQUIRE(state(std::move(rotten), 130, 4) == WalBlockState::kRot);
  }
}

TEST_CASE("disk format: a record") {
  std::string bytes;
  encode_record_at({3, 1, 258}, "key", "image", &bytes);
  seal_record(bytes, record_seed(kUuid, 6, 1 << 20));
  CHECK(hex(bytes) ==
        "a413d60774d0dcb1"
        "28000000"
        "05000000"
        "03000000"
        "0201"
        "01"
        "00"
        "03000000"
        "8396c43e"
        "6b6579"
        "696d616765");
  Record record;
  std::string scratch;
  REQUIRE(decode_record_at(bytes, record_seed(kUuid, 6, 1 << 20), &record, &scratch).ok());
  CHECK(record.key == "key");
  CHECK(record.image == "image");
  CHECK(record.header.slot == 258);
  for (const uint64_t seed : {record_seed(kUuid, 7, 1 << 20), record_seed(kUuid, 6, 1 << 21),
                              record_seed({1, 2}, 6, 1 << 20)}) {
    CHECK(decode_record_at(bytes, seed, &record, &scratch).code() == Code::kCorrupt);
  }
  std::string compressed;
  encode_record_at({3, 1, 258}, "key", std::string(10'000, 'z'), &compressed);
  CHECK(compressed.size() < 200);
  seal_record(compressed, 5);
  REQUIRE(decode_record_at(compressed, 5, &record, &scratch).ok());
  CHECK(record.image == std::string(10'000, 'z'));
}

TEST_CASE("disk format: a record's image in two parts, large or not, compressed if that pays") {
  const RecordHeader header{3, 1, 258};
  std::string noise(100'000, 0);
  SeededRandom random(1);
  for (char& c : noise) c = static_cast<char>(random.next());
  const std::string zeros(100'000, '0'), noise_first = noise.substr(0, kLz4Sample) + zeros;
  for (const auto* tail : std::vector<const std::string*>{&noise, &zeros, &noise_first}) {
    const std::string head = "head", image = head + *tail;
    std::string whole, parts;
    encode_record_at(header, "key", image, &whole);
    const bool smaller = encode_compressed_record(header, "key", head, *tail, &parts);
    CHECK(smaller == (tail == &zeros));
    if (!smaller) {
      CHECK(parts.empty());
      parts.resize(plain_record_size("key", image.size()));
      encode_plain_record(header, "key", head, *tail, parts.data());
    }
    CHECK(parts == whole);
    seal_record(parts, 5);
    Record record;
    std::string scratch;
    REQUIRE(decode_record_at(parts, 5, &record, &scratch).ok());
    CHECK(record.image == image);
    CHECK(record.key == "key");
  }
}

// The memory of a stream may be that of an earlier one of the same seed, with other things written
// over a part of it since.
TEST_CASE("a hash stream does not depend on what its memory held before") {
  const std::string bytes(5000, 'x');
  constexpr uint64_t kSeed = 12345;
  const uint64_t expected = hash64({bytes.data(), bytes.size()}, kSeed);
  for (size_t dirtied = 64; dirtied <= 576; dirtied += 64) {
    CAPTURE(dirtied);
    { HashStream before(kSeed); }
    auto* memory = static_cast<volatile char*>(std::aligned_alloc(64, 576));
    for (size_t i = 0; i < dirtied; ++i) memory[i] = 0x55;
    std::free(const_cast<char*>(memory));
    HashStream stream(kSeed);
    stream.add({bytes.data(), bytes.size()});
    CHECK(stream.digest() == expected);
  }
}
