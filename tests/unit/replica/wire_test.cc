// Frames and messages: pinned bytes of every type, round trips in any pieces, and that whatever is
// damaged, cut, repeated or made up is refused.
#include "replica/wire.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "base/codec.h"
#include "base/random.h"
#include "replica/snapshot_rows.h"
#include "tests/support/random_messages.h"

namespace holdfast {
namespace {

constexpr Member kSender{1, 0x51}, kReceiver{2, 0x52};

LinkSession sender(bool secret = false, uint32_t features = 0) {
  LinkSession session;
  session.cluster = 0x1122334455667788;
  session.self = kSender;
  session.peer = kReceiver;
  session.features = features;
  session.authenticated = secret;
  session.send_key.fill(7);
  session.receive_key.fill(8);
  return session;
}
LinkSession receiver(bool secret = false, uint32_t features = 0) {
  LinkSession session = sender(secret, features);
  std::swap(session.self, session.peer);
  std::swap(session.send_key, session.receive_key);
  return session;
}

std::string bytes_of(Encoder& encoder, const Message& message) {
  const Payload payload = encode_message(message);
  std::string bytes;
  for (size_t sent = 0; sent != Encoder::kAllSent;) bytes += encoder.next(payload, &sent).flat();
  return bytes;
}
std::string bytes_of(const Message& message) {
  Encoder encoder(sender());
  return bytes_of(encoder, message);
}

// All messages in the bytes, given in pieces of `step`; "broken" at the end if it came to that.
std::vector<std::string> decode_all(Decoder& decoder, std::string_view bytes, size_t step) {
  std::vector<std::string> got;
  for (size_t at = 0; at < bytes.size(); at += step) {
    decoder.feed(bytes.substr(at, step));
    for (;;) {
      const Decoder::Got what = decoder.next();
      if (what == Decoder::Got::kMore) break;
      if (what == Decoder::Got::kBroken) {
        got.push_back("broken");
        return got;
      }
      got.push_back(MessageText::of(decoder.message()));
    }
  }
  return got;
}

Message message_of(MessageBody body) { return {5, 3, kSender, kReceiver, std::move(body)}; }

Bytes shared(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

std::string hex(std::string_view bytes) {
  return to_hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

View example_view() {
  return {4, ViewPhase::kForming, {2, 0x52}, {{1, 0x51}, {2, 0x52}, {3, 0x53}}, 2};
}

// One of each, in the order of MessageBody.
std::vector<MessageBody> examples() {
  const LogPosition at{2, 300, 0xdeadbeef};
  return {Prepare{at, shared("entries"), 299},
          PrepareOk{301, 302},
          PrepareReject{},
          Heartbeat{9, 300},
          HeartbeatOk{9, 301, 302},
          LogMatch{9, {at, {{1, 200}}}, 5},
          MatchPoint{9, at, 6},
          Stale{4},
          Fence{},
          FenceOk{at, 299, true, 150'000},
          Form{example_view()},
          Ready{},
          Activate{example_view()},
          HandedOver{{3, 0x53}},
          VoteRequest{true, false, at},
          Vote{false, true},
          TimeoutNow{},
          SnapshotBegin{77, {at, {{1, 200}}}, "state"},
          SnapshotChunk{77, 1, shared("rows")},
          SnapshotEnd{77, 2, 9, 0xdeadbeef},
          SnapshotOk{77, 2, true},
          GetRecord{1, "key", 300},
          RecordIs{1, "key", at, RecordIs::kThere, shared("image")},
          Unformed{},
          NodeReport{7, "h:1", "h:2", {{5, Role::kPrimary, 3, 301, 300, true, false, true}}, {9}},
          MapIs{7, shared("map")},
          HandOverTo{{3, 0x53}},
          Published{7, shared("channelmessage")},
          Busy{3}};
}

}  // namespace

TEST_CASE("wire: the bytes of every message") {
  // Header: magic, version, type, flags, length, cluster, epoch, shard, CRC; then the payload.
  const std::vector<std::string> pinned = {
      "4801100012000000887766554433221103000000000000000500000009b66c9e"
      "656e747269657302ac02efbeaddeab020900",
      "480111000400000088776655443322110300000000000000050000003b489e71"
      "ad02ae02",
      "4801120000000000887766554433221103000000000000000500000033a0ac5d"
      "",
      "48011300030000008877665544332211030000000000000005000000519d894e"
      "09ac02",
      "480114000500000088776655443322110300000000000000050000003d75e416"
      "09ad02ae02",
      "480115000d000000887766554433221103000000000000000500000060afb0e7"
      "090502ac02efbeadde0101c801",
      "480116000900000088776655443322110300000000000000050000005337ccce"
      "090602ac02efbeadde",
      "48011700010000008877665544332211030000000000000005000000e7b715bb"
      "04",
      "48011800000000008877665544332211030000000000000005000000a4fe696e"
      "",
      "480119000d0000008877665544332211030000000000000005000000ac398304"
      "02ac02efbeaddeab0201f09309",
      "48011a002800000088776655443322110300000000000000050000001a862e8c"
      "04010252000000000000000301510000000000000002520000000000000003530000000000000002",
      "48011b00000000008877665544332211030000000000000005000000b5729a18"
      "",
      "48011c00280000008877665544332211030000000000000005000000cdff4cdf"
      "04010252000000000000000301510000000000000002520000000000000003530000000000000002",
      "48011d000900000088776655443322110300000000000000050000000a4a58e6"
      "035300000000000000",
      "48011e000800000088776655443322110300000000000000050000000b8f9abc"
      "0102ac02efbeadde",
      "48011f00010000008877665544332211030000000000000005000000ed289867"
      "02",
      "48012000000000008877665544332211030000000000000005000000ea294c70"
      "",
      "48012100130000008877665544332211030000000000000005000000f191846f"
      "73746174654d02ac02efbeadde0101c8010c00",
      "48012200080000008877665544332211030000000000000005000000e815f644"
      "726f77734d010200",
      "4801230007000000887766554433221103000000000000000500000031e6084c"
      "4d0209efbeadde",
      "480124000300000088776655443322110300000000000000050000001f92c465"
      "4d0201",
      "48012500080000008877665544332211030000000000000005000000929ae3f8"
      "6b657901ac020300",
      "48012600140000008877665544332211030000000000000005000000cecb7dbf"
      "696d6167656b65790102ac02efbeadde03020a00",
      "48012700000000008877665544332211030000000000000005000000c7b505b0"
      "",
      "48012800140000008877665544332211030000000000000005000000a9f1374a"
      "0703683a3103683a3201050303ad02ac02050109",
      "4801290006000000887766554433221103000000000000000500000060fd4c15"
      "6d6170070100",
      "48012a000900000088776655443322110300000000000000050000009538db3b"
      "035300000000000000",
      "48012b00110000008877665544332211030000000000000005000000e4d435c0"
      "6368616e6e656c6d657373616765070100",
      "48012c00010000008877665544332211030000000000000005000000a0e38160"
      "03",
  };
  const auto bodies = examples();
  REQUIRE(bodies.size() == RandomMessages::kTypes);
  REQUIRE(pinned.size() == bodies.size());
  for (size_t i = 0; i < bodies.size(); ++i) {
    REQUIRE(bodies[i].index() == i);
    CHECK(hex(bytes_of(message_of(bodies[i]))) == pinned[i]);
  }
}

TEST_CASE("wire: random messages come back as they were, in any pieces") {
  SeededRandom random(1);
  RandomMessages messages(random);
  for (const bool secret : {false, true}) {
    for (const uint32_t features : {0u, kFeatureLz4}) {
      Encoder encoder(sender(secret, features));
      std::vector<std::string> expected;
      std::string stream;
      for (int i = 0; i < 600; ++i) {
        const Message message = messages.message(kSender, kReceiver);
        expected.push_back(MessageText::of(message));
        stream += bytes_of(encoder, message);
      }
      CHECK((encoder.packed_bytes() > 0) == (features != 0));
      for (const size_t step : {size_t{1}, size_t{33}, size_t{1000}, stream.size()}) {
        Decoder decoder(receiver(secret, features));
        CHECK((decode_all(decoder, stream, step) == expected));
        CHECK(decoder.held_bytes() == 0);
      }
    }
  }
}

TEST_CASE("wire: no truncation and no flipped bit of a frame is taken for a message") {
  SeededRandom random(2);
  RandomMessages messages(random);
  for (const bool secret : {false, true}) {
    for (size_t type = 0; type < RandomMessages::kTypes; ++type) {
      Message message = message_of(examples()[type]);
      Encoder encoder(sender(secret));
      const std::string bytes = bytes_of(encoder, message);
      // Behind it enough for the longest wrong length.
      const std::string more(kMaxFramePayload + 100, '\x48');
      for (size_t size = 0; size < bytes.size(); ++size) {
        Decoder decoder(receiver(secret));
        CHECK(decode_all(decoder, std::string_view(bytes).substr(0, size), 7).empty());
      }
      for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        std::string flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        Decoder decoder(receiver(secret));
        decoder.feed(flipped);
        Decoder::Got got = decoder.next();
        if (got == Decoder::Got::kMore) {
          decoder.feed(more);
          got = decoder.next();
        }
        CHECK(got == Decoder::Got::kBroken);
      }
    }
  }
}

namespace {

// A frame with any payload and right checksum.
std::string sealed(FrameHeader header, std::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  if (header.cluster == 0) header.cluster = sender().cluster;
  const auto head = seal_header(header, payload);
  return std::string(head.data(), head.size()) + std::string(payload);
}

std::vector<std::string> decode_once(const std::string& bytes, uint32_t features = 0) {
  Decoder decoder(receiver(false, features));
  return decode_all(decoder, bytes, bytes.size());
}

const std::vector<std::string> kBroken = {"broken"};

}  // namespace

TEST_CASE("wire: payloads that are cut, too long or impossible are refused though intact") {
  for (const MessageBody& body : examples()) {
    const Payload good = encode_message(message_of(body));
    const std::string payload = (good.bulk ? *good.bulk : std::string()) + good.fields;
    const FrameHeader header{.type = good.type, .epoch = 3, .shard = 5};
    CHECK(decode_once(sealed(header, payload)).size() == 1);
    CHECK((decode_once(sealed(header, payload)) != kBroken));
    CHECK((decode_once(sealed(header, payload + '\1')) == kBroken));
    if (!payload.empty()) {
      CHECK((decode_once(sealed(header, payload.substr(0, payload.size() - 1))) == kBroken));
    }
  }
}

TEST_CASE("wire: impossible fields") {
  const auto refused = [](FrameType type, std::string_view payload) {
    return decode_once(sealed({.type = type}, payload)) == kBroken;
  };
  const auto with_fields = [](std::string_view bulk, std::string fields) {
    put_fixed(fields, static_cast<uint16_t>(fields.size()));
    return std::string(bulk) + fields;
  };
  using std::string_literals::operator""s;
  CHECK(refused(FrameType::kVote, "\4"));
  CHECK(!refused(FrameType::kVote, "\3"));
  CHECK(refused(FrameType::kVoteRequest, "\4\1\1crc_"));
  CHECK(refused(FrameType::kSnapshotOk, "\1\1\2"));
  const std::string log = "\1\1\1\1crc_";
  CHECK(refused(FrameType::kLogMatch, log + '\x41' + std::string(0x41 * 2, '\1')));  // 65 epochs
  CHECK(!refused(FrameType::kLogMatch, log + '\x40' + std::string(0x40 * 2, '\1')));
  CHECK(refused(FrameType::kLogMatch, log + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"));
  CHECK(refused(FrameType::kStale, std::string(10, '\xff')));  // a varint without an end
  const std::string store = "storeid_";
  CHECK(!refused(FrameType::kForm, "\4\1\2" + store + "\1\2" + store + "\1"));
  CHECK(refused(FrameType::kForm, "\4\3\2" + store + "\1\2" + store + "\1"));      // phase
  CHECK(refused(FrameType::kForm, "\4\1\2" + store + "\1\2" + store + "\2"));      // W above N
  CHECK(refused(FrameType::kForm, "\4\1\xff\xff\xff\xff\x1f" + store + "\0\0"s));  // node
  CHECK(!refused(FrameType::kGetRecord, with_fields("key", "\x0f\7")));
  CHECK(refused(FrameType::kGetRecord, with_fields("key", "\x10\7")));  // database
  const std::string at = "\1\1\7crc_";                                  // database and position
  CHECK(!refused(FrameType::kRecordIs, with_fields("imagekey", at + "\3\2")));
  CHECK(refused(FrameType::kRecordIs, with_fields("imagekey", at + "\x09\2")));
  CHECK(refused(FrameType::kRecordIs, with_fields("imagekey", at + "\3\1")));
  CHECK(refused(FrameType::kRecordIs, with_fields("imagekey", at + "\3\3")));  // state
  CHECK(!refused(FrameType::kRecordIs, with_fields("key", at + "\3\1")));
  CHECK(!refused(FrameType::kRecordIs, with_fields("key", at + "\3\0"s)));
  CHECK(refused(FrameType::kPrepare, ""));
  CHECK(refused(FrameType::kPrepare, "\xff\xff"));
}

TEST_CASE("wire: headers that do not belong here") {
  const auto refused = [](const FrameHeader& header, std::string_view payload = {}) {
    return decode_once(sealed(header, payload)) == kBroken;
  };
  CHECK(!refused({.type = FrameType::kFence}));
  CHECK(refused({.version = 2, .type = FrameType::kFence}));
  CHECK(refused({.type = FrameType::kFence, .cluster = 1}));
  CHECK(refused({.type = FrameType::kFence, .flags = kFlagLz4}));
  CHECK(refused({.type = FrameType::kFence, .flags = kFlagMore}));
  CHECK(refused({.type = FrameType::kPrepare, .flags = kFlagLz4}, "\0\0\0\0"));  // not agreed
  CHECK(refused({.type = FrameType::kPrepare, .flags = 16}));
  CHECK(refused({.type = FrameType::kFence, .flags = 12}));           // between coordinators
  CHECK(refused({.type = FrameType::kPrepare, .flags = kFlagMore}));  // empty
  for (const int type : {0, 1, 2, 3, 4, 7, 15, 42, 255}) {
    CHECK(refused({.type = static_cast<FrameType>(type)}));
  }
  CHECK(refused({.type = FrameType::kPing}, "1234567"));
  CHECK(refused({.type = FrameType::kPing, .shard = 1}, "12345678"));
}

TEST_CASE("wire: messages from and to the coordinator") {
  for (const auto& [from, to] :
       {std::pair{kCoordinatorMember, kReceiver}, {kSender, kCoordinatorMember}}) {
    Message message = message_of(Prepare{{}, shared(std::string(2 * kFragmentBytes, 'x')), 1});
    message.from = from;
    message.to = to;
    CHECK((decode_once(bytes_of(message)) == std::vector<std::string>{MessageText::of(message)}));
  }
}

TEST_CASE("wire: pings") {
  Encoder encoder(sender(true));
  std::string stream = encoder.ping(FrameType::kPing, 17).flat();
  stream += encoder.ping(FrameType::kPong, 18).flat();
  Decoder decoder(receiver(true));
  decoder.feed(stream);
  CHECK(decoder.next() == Decoder::Got::kPing);
  CHECK(decoder.token() == 17);
  CHECK(decoder.next() == Decoder::Got::kPong);
  CHECK(decoder.token() == 18);
  CHECK(decoder.next() == Decoder::Got::kMore);
}

TEST_CASE(
    "wire: with a secret, frames that are repeated, left out, turned back or forged are found") {
  Encoder encoder(sender(true));
  const std::string one = bytes_of(encoder, message_of(Fence{}));
  const std::string two = bytes_of(encoder, message_of(Ready{}));
  const auto last = [](const std::string& bytes) {
    Decoder decoder(receiver(true));
    return decode_all(decoder, bytes, bytes.size()).back();
  };
  CHECK(last(one + two) != "broken");
  CHECK(last(two) == "broken");
  CHECK(last(one + one) == "broken");
  CHECK(last(sealed({.type = FrameType::kFence}, {}) + std::string(kMacBytes, '\0')) == "broken");
  // What the receiver itself sends has another key.
  Encoder mirror(receiver(true));
  CHECK(last(bytes_of(mirror, message_of(Fence{}))) == "broken");
}

TEST_CASE("wire: a long message goes in fragments, and urgent ones between them") {
  SeededRandom random(3);
  for (const bool secret : {false, true}) {
    for (const uint32_t features : {0u, kFeatureLz4}) {
      for (const size_t size : {kFragmentBytes, kFragmentBytes + 1, 3 * kFragmentBytes + 77}) {
        std::string entries(size, '\0');
        for (char& c : entries) c = static_cast<char>('a' + random.below(3));
        const Message prepare = message_of(Prepare{{2, 300, 1}, shared(entries), 299});
        const Message heartbeat = message_of(Heartbeat{9, 300});
        Encoder encoder(sender(secret, features));
        const Payload payload = encode_message(prepare);
        std::string stream;
        std::vector<std::string> expected;
        for (size_t sent = 0; sent != Encoder::kAllSent;) {
          const Frame frame = encoder.next(payload, &sent);
          CHECK(frame.size() <= kMaxFramePayload + kFrameHeaderBytes + kMacBytes);
          stream += frame.flat();
          if (sent == Encoder::kAllSent) break;
          stream += bytes_of(encoder, heartbeat);
          expected.push_back(MessageText::of(heartbeat));
        }
        CHECK(expected.size() == (size - 1) / kFragmentBytes);
        expected.push_back(MessageText::of(prepare));
        Decoder decoder(receiver(secret, features));
        CHECK((decode_all(decoder, stream, 65536) == expected));
      }
    }
  }
}

TEST_CASE("wire: fragments of different messages are not mixed") {
  const std::string part = "part";
  const FrameHeader first{.type = FrameType::kPrepare, .flags = kFlagMore, .epoch = 3, .shard = 5};
  for (int what = 0; what < 4; ++what) {
    FrameHeader second = first;
    if (what == 0) second.type = FrameType::kRecordIs;
    if (what == 1) second.epoch = 4;
    if (what == 2) second.shard = 6;
    if (what == 3) second.flags |= kFlagFromCoordinator;
    CHECK((decode_once(sealed(first, part) + sealed(second, part)) == kBroken));
  }
  CHECK(decode_once(sealed(first, part) + sealed(first, part)).empty());
}

TEST_CASE("wire: a length alone makes nothing grow") {
  FrameHeader header{.type = FrameType::kPrepare, .cluster = sender().cluster};
  header.length = kMaxFramePayload + 1;
  const auto head = seal_header(header, {});
  CHECK((decode_once({head.data(), head.size()}) == kBroken));
  CHECK(!parse_header({head.data(), head.size()}, kMaxHandshakePayload).ok());
}

TEST_CASE("wire: compression") {
  const Message dull = message_of(Prepare{{}, shared(std::string(100'000, 'x')), 1});
  Encoder encoder(sender(false, kFeatureLz4));
  const std::string bytes = bytes_of(encoder, dull);
  CHECK(bytes.size() < 1000);
  CHECK((decode_once(bytes, kFeatureLz4) == std::vector<std::string>{MessageText::of(dull)}));
  CHECK((decode_once(bytes, 0) == kBroken));

  SUBCASE("lies about what is in it") {
    const FrameHeader header{
        .type = FrameType::kPrepare, .flags = kFlagLz4, .epoch = 3, .shard = 5};
    const std::string packed = bytes.substr(kFrameHeaderBytes);
    CHECK((decode_once(sealed(header, packed), kFeatureLz4) != kBroken));
    for (const uint32_t claimed : {0u, 1u, 99'999u, 1u << 20, (1u << 20) + 1, 0xffffffffu}) {
      std::string lie = packed;
      store_fixed(lie.data(), claimed);
      CHECK((decode_once(sealed(header, lie), kFeatureLz4) == kBroken));
    }
    CHECK((decode_once(sealed(header, packed.substr(0, 4)), kFeatureLz4) == kBroken));
    CHECK((decode_once(sealed(header, ""), kFeatureLz4) == kBroken));
  }
  SUBCASE("is left alone where it does not pay, and tried again") {
    SeededRandom random(4);
    std::string noise(10'000, '\0');
    for (char& c : noise) c = static_cast<char>(random.next());
    const Message loud = message_of(Prepare{{}, shared(noise), 1});
    for (int i = 0; i < 100; ++i) CHECK(bytes_of(encoder, loud).size() > noise.size());
    size_t packed = 0;
    for (int i = 0; i < 100; ++i) packed += bytes_of(encoder, dull).size() < 1000 ? 1 : 0;
    CHECK(packed > 30);
    CHECK(packed < 100);
  }
}

TEST_CASE("wire: rows of a snapshot") {
  SnapshotRows rows;
  rows.add(0, "user:1", "image");
  rows.add(15, "", std::string(300, 'i'));
  CHECK(rows.bytes() == 1 + 7 + 6 + 1 + 1 + 302);
  const Bytes bytes = rows.take();
  CHECK(rows.bytes() == 0);
  CHECK(hex(bytes->substr(0, 14)) == "0006757365723a3105696d616765");

  std::string seen;
  const auto note = [&seen](DbId db, std::string_view key, std::string_view image) -> Status {
    seen += std::to_string(db) + ' ' + std::string(key) + ' ' + std::to_string(image.size()) + '\n';
    return {};
  };
  CHECK(visit_rows(*bytes, note).ok());
  CHECK(seen == "0 user:1 5\n15  300\n");
  CHECK(visit_rows({}, note).ok());
  for (size_t size = 1; size < bytes->size(); ++size) {
    CHECK(visit_rows(std::string_view(*bytes).substr(0, size), note).ok() == (size == 14));
  }
  CHECK(visit_rows("\x10\0\0", note).code() == Code::kCorrupt);
  const Status mine = visit_rows(*bytes, [](auto...) { return Status::io("stop"); });
  CHECK(mine.message() == "stop");
}

}  // namespace holdfast
