// Frame: the unit of bytes between two nodes. A header, a payload and, on connections with a
// secret, a MAC. docs/PROTOCOL.md has the layout field by field; a change there is a change here.
//
// What must hold:
//  - a frame's length is checked before anything is kept or waited for because of it: at most
//    kMaxHandshakePayload until the handshake is done, at most kMaxFramePayload later;
//  - nothing in a frame is used before its checksum, and its MAC where there is one, were right.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/sha.h"
#include "base/status.h"
#include "base/types.h"

namespace holdfast {

// The oldest and newest version of the protocol that this build speaks. Frames of the handshake are
// always of kHandshakeVersion, so that any two builds can tell each other what they speak.
inline constexpr uint8_t kMinWireVersion = 1;
inline constexpr uint8_t kMaxWireVersion = 1;
inline constexpr uint8_t kHandshakeVersion = 1;

inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr size_t kMacBytes = 16;
inline constexpr size_t kMaxHandshakePayload = 4096;
// Longer messages are cut (kFragmentBytes): a heartbeat never waits for more than one frame.
inline constexpr size_t kMaxFramePayload = 1 << 20;

// Never renumbered: they are on the wire. Below 16: of connections; the others: messages.
enum class FrameType : uint8_t {
  kHello = 1,
  kWelcome = 2,
  kProof = 3,
  kRefusal = 4,
  kPing = 5,
  kPong = 6,

  kPrepare = 16,
  kPrepareOk = 17,
  kPrepareReject = 18,
  kHeartbeat = 19,
  kHeartbeatOk = 20,
  kLogMatch = 21,
  kMatchPoint = 22,
  kStale = 23,
  kFence = 24,
  kFenceOk = 25,
  kForm = 26,
  kReady = 27,
  kActivate = 28,
  kHandedOver = 29,
  kVoteRequest = 30,
  kVote = 31,
  kTimeoutNow = 32,
  kSnapshotBegin = 33,
  kSnapshotChunk = 34,
  kSnapshotEnd = 35,
  kSnapshotOk = 36,
  kGetRecord = 37,
  kRecordIs = 38,
  kUnformed = 39,
  kNodeReport = 40,
  kMapIs = 41,
  kHandOverTo = 42,
  kPublished = 43,
  kBusy = 44,
};

inline constexpr uint8_t kFlagLz4 = 1;   // the payload is compressed
inline constexpr uint8_t kFlagMore = 2;  // the message goes on in the next frame of its type
// Of messages: the coordinator on the sender's node sent it, or that on the receiver's gets it,
// instead of the member there. Never both.
inline constexpr uint8_t kFlagFromCoordinator = 4;
inline constexpr uint8_t kFlagToCoordinator = 8;

struct FrameHeader {
  uint8_t version = kHandshakeVersion;
  FrameType type = FrameType::kHello;
  uint8_t flags = 0;
  uint32_t length = 0;  // of the payload as it is on the wire, without the MAC
  uint64_t cluster = 0;
  Epoch epoch = 0;
  ShardId shard = 0;
};

// The header's bytes, with the checksum of itself and of the payload, which comes in two parts.
std::array<char, kFrameHeaderBytes> seal_header(const FrameHeader& header, std::string_view first,
                                                std::string_view second = {});

// REQUIRES: kFrameHeaderBytes bytes. Checks the magic, and the length against `max_payload`; of
// the fields nothing else, and nothing is proven until frame_intact().
Result<FrameHeader> parse_header(std::string_view bytes, size_t max_payload);
bool frame_intact(std::string_view header, std::string_view payload);

using Mac = std::array<char, kMacBytes>;
// The MAC of the frame that is number `count`, from 0, of its direction of a connection. In parts.
Mac frame_mac(const HmacSha256& key, uint64_t count, std::string_view header,
              std::string_view first, std::string_view second = {});

}  // namespace holdfast
