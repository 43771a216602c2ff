// Wire: messages as frames of one connection, in both directions, once its handshake is done.
//
// What must hold:
//  - frames arrive in the order in which Encoder::next() made them, each once, or the decoder says
//    kBroken and stays so: the MAC counts frames;
//  - who sent a message and to whom is the connection's: the handshake proved both members, so a
//    frame does not repeat them. It only says when it is the coordinator on either node;
//  - memory for a message grows with the bytes that have arrived, never with a length that was only
//    announced (but for one frame, which is at most kMaxFramePayload).
//
// Pure: no I/O, no clock.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha.h"
#include "base/status.h"
#include "replica/frame.h"
#include "replica/message.h"
#include "replica/message_codec.h"

namespace holdfast {

// Features, offered and chosen in the handshake.
inline constexpr uint32_t kFeatureLz4 = 1;        // the receiver takes compressed frames
inline constexpr uint32_t kFeaturePublished = 2;  // the receiver knows Published
inline constexpr uint32_t kFeatureBusy = 4;       // the receiver knows Busy

// What a handshake has settled.
struct LinkSession {
  uint64_t cluster = 0;
  Member self;
  Member peer;
  uint8_t version = kMaxWireVersion;
  uint32_t features = 0;
  // With a secret, each frame has a MAC under the key of its direction.
  bool authenticated = false;
  Sha256 send_key{};
  Sha256 receive_key{};
};

// Bulk above this is sent in several frames, each with at most so much of it.
inline constexpr size_t kFragmentBytes = 512 << 10;

// A frame's bytes: head, then a part of shared bulk, then tail. Small bulk is in the head.
struct Frame {
  std::string head;
  Bytes bulk;
  size_t bulk_at = 0;
  size_t bulk_bytes = 0;
  std::string tail;

  size_t size() const { return head.size() + bulk_bytes + tail.size(); }
  // What is left of it after its first `skip` bytes. REQUIRES: skip < size().
  void append_to(std::vector<iovec>& parts, size_t skip) const;
  std::string flat() const;
};

class Encoder {
 public:
  explicit Encoder(const LinkSession& session);

  // The next frame of a message of whose bulk *sent bytes are framed already. The message is done
  // when it returns with *sent == kAllSent; until then no other message with bulk may be begun,
  // while urgent ones, pings and pongs may come between.
  static constexpr size_t kAllSent = SIZE_MAX;
  Frame next(const Payload& payload, size_t* sent);
  Frame ping(FrameType type, uint64_t token);  // kPing or kPong

  uint64_t raw_bytes() const { return raw_bytes_; }        // payloads given to be compressed
  uint64_t packed_bytes() const { return packed_bytes_; }  // what they became

 private:
  bool compress(std::string_view bulk, std::string_view fields);
  Frame seal(FrameHeader header, const Payload& payload, size_t bulk_at, size_t bulk_bytes,
             std::string_view fields);

  const LinkSession session_;
  std::optional<HmacSha256> key_;
  uint64_t count_ = 0;
  std::string unpacked_;     // scratch of compress()
  std::string packed_;       // what it made
  uint32_t skip_tries_ = 0;  // frames to send before compression is tried again
  uint32_t fruitless_ = 0;   // tries in a row that did not pay
  uint64_t raw_bytes_ = 0;
  uint64_t packed_bytes_ = 0;
};

class Decoder {
 public:
  enum class Got : uint8_t {
    kMore,     // the bytes are used up
    kMessage,  // message()
    kPing,     // token()
    kPong,     // token()
    kBroken,   // error(): the connection is of no more use
  };

  explicit Decoder(const LinkSession& session);

  // REQUIRES: next() returned kMore, or was never called. The bytes stay in place until next()
  // returns kMore again.
  void feed(std::string_view bytes);
  Got next();

  Message& message() { return message_; }
  uint64_t token() const { return token_; }
  const Status& error() const { return error_; }
  uint64_t frames() const { return count_; }
  // Kept of frames and messages that are not complete.
  size_t held_bytes() const { return body_.size() + partial_.size(); }

 private:
  Got broken(Status why);
  Got read_frame();
  Got take_frame(std::string_view body, std::string* owned);
  Status check_header() const;
  Got take_ping(std::string_view payload);
  Got take_payload(std::string_view payload, std::string* owned);
  Got take_message(std::string_view payload, std::string* owned);
  // Of the frame that is being read.
  size_t body_bytes() const { return header_.length + (key_ ? kMacBytes : 0); }

  const LinkSession session_;
  std::optional<HmacSha256> key_;
  uint64_t count_ = 0;

  std::string_view in_;  // fed and not looked at
  std::array<char, kFrameHeaderBytes> head_;
  size_t head_bytes_ = 0;  // of it that have arrived; when all have, header_ is what they say
  FrameHeader header_;
  std::string body_;     // payload and MAC of a frame that comes in parts
  std::string partial_;  // of a message that comes in fragments, under this header:
  std::optional<FrameHeader> partial_of_;

  Message message_;
  uint64_t token_ = 0;
  Status error_;
};

}  // namespace holdfast
