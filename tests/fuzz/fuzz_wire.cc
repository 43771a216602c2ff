// libFuzzer target: what comes from other nodes. The first byte of an input chooses what its rest
// is: bytes of a stream behind the handshake, or before it; the same as a row of frames that get
// right checksums, so that what is inside is reached; rows of a snapshot.
//
// What must hold: no crash; the same outcome in any pieces; a message that was accepted, encoded
// and decoded again is the same message; rows that were accepted are the rows when written again;
// no stranger's bytes finish a handshake with a secret.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/codec.h"
#include "replica/handshake.h"
#include "replica/snapshot_rows.h"
#include "replica/wire.h"
#include "tests/support/random_messages.h"

namespace {

using namespace holdfast;

void must(bool holds) {
  if (!holds) std::abort();
}

constexpr uint64_t kCluster = 0x1122334455667788;

LinkSession session() {
  LinkSession made;
  made.cluster = kCluster;
  made.self = {2, 0x52};
  made.peer = {1, 0x51};
  made.features = kFeatureLz4;
  return made;
}

void check_again(const Message& message, const std::string& text) {
  Encoder encoder(session());
  const Payload payload = encode_message(message);
  Decoder decoder(session());
  for (size_t sent = 0; sent != Encoder::kAllSent;) {
    const std::string frame = encoder.next(payload, &sent).flat();
    decoder.feed(frame);
    const Decoder::Got got = decoder.next();
    must(got == (sent == Encoder::kAllSent ? Decoder::Got::kMessage : Decoder::Got::kMore));
    if (got == Decoder::Got::kMessage) must(decoder.next() == Decoder::Got::kMore);
  }
  must(MessageText::of(decoder.message()) == text);
}

std::string decode(std::string_view bytes, size_t step, bool again) {
  Decoder decoder(session());
  std::string seen;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    decoder.feed(bytes.substr(0, step));
    for (;;) {
      const Decoder::Got got = decoder.next();
      if (got == Decoder::Got::kMore) break;
      if (got == Decoder::Got::kBroken) return seen + decoder.error().message();
      if (got == Decoder::Got::kMessage) {
        const std::string text = MessageText::of(decoder.message());
        if (again) check_again(decoder.message(), text);
        seen += text + '\n';
      } else {
        seen += "ping " + std::to_string(decoder.token()) + '\n';
      }
    }
  }
  return seen + "more";
}

// Type, flags, length (2 bytes) and payload, again and again; each as a frame.
std::string sealed_frames(std::string_view bytes, bool handshake) {
  std::string stream;
  while (bytes.size() >= 4) {
    const auto length = load_fixed<uint16_t>(bytes.data() + 2);
    const std::string_view payload = bytes.substr(4, length);
    FrameHeader header{.type = static_cast<FrameType>(bytes[0]),
                       .flags = static_cast<uint8_t>(bytes[1]),
                       .length = static_cast<uint32_t>(payload.size()),
                       .cluster = kCluster};
    if (!handshake && is_message(header.type)) header.epoch = 3;
    const auto head = seal_header(header, payload);
    stream.append(head.data(), head.size()).append(payload);
    bytes.remove_prefix(4 + payload.size());
  }
  return stream;
}

std::string shake(Handshake side, std::string_view bytes, size_t step, bool secret) {
  while (!bytes.empty() && side.state() == Handshake::State::kRunning) {
    const std::string_view part = bytes.substr(0, step);
    const size_t used = side.feed(part);
    must(used <= part.size());
    if (side.state() == Handshake::State::kRunning) must(used == part.size());
    bytes.remove_prefix(used);
  }
  must(!secret || side.state() != Handshake::State::kDone);
  const std::string state = std::to_string(static_cast<int>(side.state()));
  if (side.state() == Handshake::State::kRefused) {
    must(!refusal_text(side.refusal()).empty());
    return state + std::to_string(static_cast<int>(side.refusal()));
  }
  return state + side.take_output() + std::to_string(bytes.size());
}

void try_handshakes(std::string_view bytes) {
  const size_t steps[] = {1, 37, bytes.size() + 1};
  for (const bool secret : {false, true}) {
    const LinkIdentity self{kCluster, {2, 0x52}, LinkRole::kReplica, 1, secret ? "s3cret" : ""};
    std::string first_dialled, first_dials;
    for (const size_t step : steps) {
      auto dialled = Handshake::accept(
          self, [](NodeId node) { return node == 1 ? std::optional<StoreId>(0) : std::nullopt; },
          {});
      const std::string one = shake(std::move(dialled), bytes, step, secret);
      const std::string other = shake(Handshake::dial(self, {1, 0}, {}), bytes, step, secret);
      if (step == 1) first_dialled = one, first_dials = other;
      must(one == first_dialled && other == first_dials);
    }
  }
}

void try_stream(std::string_view bytes) {
  const std::string whole = decode(bytes, bytes.size(), true);
  for (const size_t step : {size_t{1}, size_t{29}, size_t{333}}) {
    must(decode(bytes, step, false) == whole);
  }
}

void try_rows(std::string_view bytes) {
  SnapshotRows rows;
  const Status status =
      visit_rows(bytes, [&rows](DbId db, std::string_view key, std::string_view image) -> Status {
        rows.add(db, key, image);
        return {};
      });
  if (!status.ok()) return;
  // A length may have been written longer than it needs, so what is compared is the second time.
  const Bytes once = rows.take();
  must(once->size() <= bytes.size());
  must(visit_rows(*once, [&rows](DbId db, std::string_view key, std::string_view image) -> Status {
         rows.add(db, key, image);
         return {};
       }).ok());
  must(*rows.take() == *once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      try_stream(rest);
      break;
    case 1:
      try_stream(sealed_frames(rest, false));
      break;
    case 2:
      try_handshakes(rest);
      break;
    case 3:
      try_handshakes(sealed_frames(rest, true));
      break;
    default:
      try_rows(rest);
  }
  return 0;
}
