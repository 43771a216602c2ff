// The payload of each message: its fields, and for the types that have it, bulk.
//
// Bulk is what may be large: log entries, rows of records, an image. It comes first in a payload
// and is never copied on the way out; behind it come the fields and, in two bytes, their size. So a
// receiver that has read a payload into a string cuts the end off and has the bulk, without a copy.
//
// A decoder gives a message or nothing: bytes missing or left over, a number out of its range, a
// count above its limit, an unknown flag are each refused. What the fields mean together (whether
// epochs descend, whether entries follow one another) is checked by who acts on them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "replica/frame.h"
#include "replica/message.h"

namespace holdfast {

// Of the messages that overtake bulk (see urgent()): so many bytes of fields at most.
inline constexpr size_t kMaxUrgentBytes = 4096;
// An entry, a value or a row each have at most 32 bits for their length.
inline constexpr uint64_t kMaxBulkBytes = uint64_t{1} << 32;

// A message taken apart for the wire.
struct Payload {
  FrameType type = FrameType::kPrepare;
  uint8_t flags = 0;  // from or to a coordinator
  ShardId shard = 0;
  Epoch epoch = 0;
  std::string fields;
  Bytes bulk;  // shared, not copied; null: none

  size_t size() const { return fields.size() + (bulk ? bulk->size() : 0); }
};

// REQUIRES: the lists are within their limits.
Payload encode_message(const Message& message);

// Whether `type` is a message's, and whether of one with bulk.
bool is_message(FrameType type);
bool has_bulk(FrameType type);
// May overtake the other ones in a queue: small, and of use only while fresh. The end of a snapshot
// is small, and of no use before its chunks.
inline bool urgent(FrameType type) { return !has_bulk(type) && type != FrameType::kSnapshotEnd; }
std::string_view frame_type_name(FrameType type);

// The body of a message with that payload. `owned`, if given, holds the payload, and its memory
// becomes the bulk's; it is left in any state.
Result<MessageBody> decode_message(FrameType type, std::string_view payload,
                                   std::string* owned = nullptr);

}  // namespace holdfast
