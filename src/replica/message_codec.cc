// See message_codec.h. For each message: put() writes its fields, get() reads them in the same
// order; those with bulk also have bulk_of() and take_bulk().
#include "replica/message_codec.h"

#include <limits>
#include <memory>
#include <utility>

#include "replica/field_codec.h"

namespace holdfast {
namespace {

constexpr size_t kTrailerBytes = sizeof(uint16_t);  // the size of the fields, behind them

// The types in the order of MessageBody.
constexpr FrameType kTypes[] = {
    FrameType::kPrepare,       FrameType::kPrepareOk,   FrameType::kPrepareReject,
    FrameType::kHeartbeat,     FrameType::kHeartbeatOk, FrameType::kLogMatch,
    FrameType::kMatchPoint,    FrameType::kStale,       FrameType::kFence,
    FrameType::kFenceOk,       FrameType::kForm,        FrameType::kReady,
    FrameType::kActivate,      FrameType::kHandedOver,  FrameType::kVoteRequest,
    FrameType::kVote,          FrameType::kTimeoutNow,  FrameType::kSnapshotBegin,
    FrameType::kSnapshotChunk, FrameType::kSnapshotEnd, FrameType::kSnapshotOk,
    FrameType::kGetRecord,     FrameType::kRecordIs,    FrameType::kUnformed,
    FrameType::kNodeReport,    FrameType::kMapIs,       FrameType::kHandOverTo,
    FrameType::kPublished,     FrameType::kBusy};
constexpr std::string_view kNames[] = {
    "Prepare",       "PrepareOk",   "PrepareReject", "Heartbeat", "HeartbeatOk", "LogMatch",
    "MatchPoint",    "Stale",       "Fence",         "FenceOk",   "Form",        "Ready",
    "Activate",      "HandedOver",  "VoteRequest",   "Vote",      "TimeoutNow",  "SnapshotBegin",
    "SnapshotChunk", "SnapshotEnd", "SnapshotOk",    "GetRecord", "RecordIs",    "Unformed",
    "NodeReport",    "MapIs",       "HandOverTo",    "Published", "Busy"};
static_assert(std::size(kTypes) == std::variant_size_v<MessageBody>);
static_assert(std::size(kNames) == std::variant_size_v<MessageBody>);

constexpr size_t kFirst = static_cast<size_t>(FrameType::kPrepare);

// --- parts ---

void put(std::string& out, const LogPosition& at) {
  put_varint(out, at.epoch);
  put_varint(out, at.seq);
  put_fixed(out, at.crc);
}
void get(Fields& in, LogPosition& at) {
  at.epoch = in.number();
  at.seq = in.number();
  at.crc = in.fixed<uint32_t>();
}

void put(std::string& out, const LogSummary& log) {
  HF_ASSERT(log.ended.size() <= LogSummary::kMaxEpochs);
  put(out, log.last);
  put_varint(out, log.ended.size());
  for (const EpochEnd& end : log.ended) {
    put_varint(out, end.epoch);
    put_varint(out, end.last);
  }
}
void get(Fields& in, LogSummary& log) {
  get(in, log.last);
  log.ended.resize(in.count(LogSummary::kMaxEpochs));
  for (EpochEnd& end : log.ended) {
    end.epoch = in.number();
    end.last = in.number();
  }
}

DbId get_db(Fields& in) {
  const auto db = in.fixed<DbId>();
  in.require(db < kDbCount);
  return db;
}

// --- messages without bulk ---

void put(std::string& out, const PrepareOk& body) {
  put_varint(out, body.durable);
  put_varint(out, body.matched);
}
void get(Fields& in, PrepareOk& body) {
  body.durable = in.number();
  body.matched = in.number();
}

void put(std::string& out, const Heartbeat& body) {
  put_varint(out, body.round);
  put_varint(out, body.commit);
}
void get(Fields& in, Heartbeat& body) {
  body.round = in.number();
  body.commit = in.number();
}

void put(std::string& out, const HeartbeatOk& body) {
  put_varint(out, body.round);
  put_varint(out, body.durable);
  put_varint(out, body.matched);
}
void get(Fields& in, HeartbeatOk& body) {
  body.round = in.number();
  body.durable = in.number();
  body.matched = in.number();
}

void put(std::string& out, const LogMatch& body) {
  put_varint(out, body.round);
  put_varint(out, body.answers);
  put(out, body.log);
}
void get(Fields& in, LogMatch& body) {
  body.round = in.number();
  body.answers = in.number();
  get(in, body.log);
}
void put(std::string& out, const MatchPoint& body) {
  put_varint(out, body.round);
  put_varint(out, body.asks);
  put(out, body.at);
}
void get(Fields& in, MatchPoint& body) {
  body.round = in.number();
  body.asks = in.number();
  get(in, body.at);
}

void put(std::string& out, const Stale& body) { put_varint(out, body.promised); }
void get(Fields& in, Stale& body) { body.promised = in.number(); }

void put(std::string& out, const FenceOk& body) {
  put(out, body.last);
  put_varint(out, body.commit);
  put_fixed<uint8_t>(out, body.trusted ? 1 : 0);
  put_varint(out, body.lease_left_us);
}
void get(Fields& in, FenceOk& body) {
  get(in, body.last);
  body.commit = in.number();
  body.trusted = in.flags(1) != 0;
  body.lease_left_us = in.number32();
}

void put(std::string& out, const Form& body) { put(out, body.view); }
void get(Fields& in, Form& body) { get(in, body.view); }
void put(std::string& out, const Activate& body) { put(out, body.view); }
void get(Fields& in, Activate& body) { get(in, body.view); }

void put(std::string& out, const HandedOver& body) { put(out, body.to); }
void get(Fields& in, HandedOver& body) { get(in, body.to); }

void put(std::string& out, const HandOverTo& body) { put(out, body.to); }
void get(Fields& in, HandOverTo& body) { get(in, body.to); }

constexpr uint8_t kAccepting = 1, kStalled = 2, kHearsLeader = 4;

void put(std::string& out, const ReplicaReport& replica) {
  put_varint(out, replica.shard);
  put_fixed(out, replica.role);
  put_varint(out, replica.epoch);
  put_varint(out, replica.last);
  put_varint(out, replica.committed);
  put_fixed(out, static_cast<uint8_t>((replica.accepting ? kAccepting : 0) |
                                      (replica.stalled ? kStalled : 0) |
                                      (replica.hears_leader ? kHearsLeader : 0)));
}
void get(Fields& in, ReplicaReport& replica) {
  replica.shard = in.number32();
  const auto role = in.fixed<uint8_t>();
  in.require(role <= static_cast<uint8_t>(Role::kPoisoned));
  replica.role = static_cast<Role>(role);
  replica.epoch = in.number();
  replica.last = in.number();
  replica.committed = in.number();
  const uint8_t bits = in.flags(kAccepting | kStalled | kHearsLeader);
  replica.accepting = (bits & kAccepting) != 0;
  replica.stalled = (bits & kStalled) != 0;
  replica.hears_leader = (bits & kHearsLeader) != 0;
}

void put(std::string& out, const NodeReport& body) {
  HF_ASSERT(body.replicas.size() <= NodeReport::kMaxReplicas &&
            body.suspects.size() <= NodeReport::kMaxSuspects);
  put_varint(out, body.revision);
  put_bytes(out, body.address);
  put_bytes(out, body.resp_address);
  put_varint(out, body.replicas.size());
  for (const ReplicaReport& replica : body.replicas) put(out, replica);
  put_varint(out, body.suspects.size());
  for (const NodeId node : body.suspects) put_varint(out, node);
}
void get(Fields& in, NodeReport& body) {
  body.revision = in.number();
  body.address = in.text(NodeReport::kMaxAddress);
  body.resp_address = in.text(NodeReport::kMaxAddress);
  body.replicas.resize(in.count(NodeReport::kMaxReplicas));
  for (ReplicaReport& replica : body.replicas) get(in, replica);
  body.suspects.resize(in.count(NodeReport::kMaxSuspects));
  for (NodeId& node : body.suspects) node = in.number32();
}

constexpr uint8_t kPre = 1, kTransfer = 2, kGranted = 2;

void put(std::string& out, const VoteRequest& body) {
  put_fixed(out, static_cast<uint8_t>((body.pre ? kPre : 0) | (body.transfer ? kTransfer : 0)));
  put(out, body.last);
}
void get(Fields& in, VoteRequest& body) {
  const uint8_t bits = in.flags(kPre | kTransfer);
  body.pre = (bits & kPre) != 0;
  body.transfer = (bits & kTransfer) != 0;
  get(in, body.last);
}

void put(std::string& out, const Vote& body) {
  put_fixed(out, static_cast<uint8_t>((body.pre ? kPre : 0) | (body.granted ? kGranted : 0)));
}
void get(Fields& in, Vote& body) {
  const uint8_t bits = in.flags(kPre | kGranted);
  body.pre = (bits & kPre) != 0;
  body.granted = (bits & kGranted) != 0;
}

void put(std::string& out, const SnapshotEnd& body) {
  put_varint(out, body.id);
  put_varint(out, body.chunks);
  put_varint(out, body.rows);
  put_fixed(out, body.digest);
}
void get(Fields& in, SnapshotEnd& body) {
  body.id = in.number();
  body.chunks = in.number();
  body.rows = in.number();
  body.digest = in.fixed<uint32_t>();
}

void put(std::string& out, const SnapshotOk& body) {
  put_varint(out, body.id);
  put_varint(out, body.chunks);
  put_fixed<uint8_t>(out, body.installed ? 1 : 0);
}
void get(Fields& in, SnapshotOk& body) {
  body.id = in.number();
  body.chunks = in.number();
  body.installed = in.flags(1) != 0;
}

// Those that say all by their type.
void put(std::string&, const PrepareReject&) {}
void get(Fields&, PrepareReject&) {}
void put(std::string&, const Fence&) {}
void get(Fields&, Fence&) {}
void put(std::string&, const Ready&) {}
void get(Fields&, Ready&) {}
void put(std::string&, const TimeoutNow&) {}
void get(Fields&, TimeoutNow&) {}
void put(std::string&, const Unformed&) {}
void get(Fields&, Unformed&) {}
void put(std::string& out, const Busy& body) { put_varint(out, body.node); }
void get(Fields& in, Busy& body) { body.node = in.number32(); }

// --- messages with bulk ---

Bytes shared(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

void put(std::string& out, const Prepare& body) {
  put(out, body.previous);
  put_varint(out, body.commit);
}
void get(Fields& in, Prepare& body) {
  get(in, body.previous);
  body.commit = in.number();
}
Bytes bulk_of(const Prepare& body) { return body.entries; }
bool take_bulk(Prepare& body, std::string bulk) {
  body.entries = shared(std::move(bulk));
  return true;
}

void put(std::string& out, const SnapshotBegin& body) {
  put_varint(out, body.id);
  put(out, body.base);
}
void get(Fields& in, SnapshotBegin& body) {
  body.id = in.number();
  get(in, body.base);
}
Bytes bulk_of(const SnapshotBegin& body) { return shared(body.state); }
bool take_bulk(SnapshotBegin& body, std::string bulk) {
  body.state = std::move(bulk);
  return true;
}

void put(std::string& out, const SnapshotChunk& body) {
  put_varint(out, body.id);
  put_varint(out, body.number);
}
void get(Fields& in, SnapshotChunk& body) {
  body.id = in.number();
  body.number = in.number();
}
Bytes bulk_of(const SnapshotChunk& body) { return body.records; }
bool take_bulk(SnapshotChunk& body, std::string bulk) {
  body.records = shared(std::move(bulk));
  return true;
}

void put(std::string& out, const MapIs& body) { put_varint(out, body.revision); }
void get(Fields& in, MapIs& body) { body.revision = in.number(); }
Bytes bulk_of(const MapIs& body) { return body.map; }
bool take_bulk(MapIs& body, std::string bulk) {
  body.map = shared(std::move(bulk));
  return true;
}

void put(std::string& out, const Published& body) { put_varint(out, body.channel_bytes); }
void get(Fields& in, Published& body) { body.channel_bytes = in.number(); }
Bytes bulk_of(const Published& body) { return body.text; }
bool take_bulk(Published& body, std::string bulk) {
  if (body.channel_bytes > bulk.size()) return false;
  body.text = shared(std::move(bulk));
  return true;
}

void put(std::string& out, const GetRecord& body) {
  put_fixed(out, body.db);
  put_varint(out, body.from);
}
void get(Fields& in, GetRecord& body) {
  body.db = get_db(in);
  body.from = in.number();
}
Bytes bulk_of(const GetRecord& body) { return shared(body.key); }
bool take_bulk(GetRecord& body, std::string bulk) {
  body.key = std::move(bulk);
  return true;
}

// The bulk is the image and then the key, which may be long too.
void put(std::string& out, const RecordIs& body) {
  put_fixed(out, body.db);
  put(out, body.at);
  put_varint(out, body.key.size());
  put_fixed<uint8_t>(out, body.state);
}
void get(Fields& in, RecordIs& body, uint64_t* key_bytes) {
  body.db = get_db(in);
  get(in, body.at);
  *key_bytes = in.number();
  const auto state = in.fixed<uint8_t>();
  in.require(state <= RecordIs::kThere);
  body.state = static_cast<RecordIs::State>(state);
}
Bytes bulk_of(const RecordIs& body) {
  HF_ASSERT((body.image != nullptr) == (body.state == RecordIs::kThere));
  return shared(body.image ? *body.image + body.key : body.key);
}
bool take_bulk(RecordIs& body, std::string bulk, uint64_t key_bytes) {
  const bool there = body.state == RecordIs::kThere;
  if (key_bytes > bulk.size() || (!there && key_bytes != bulk.size())) return false;
  const size_t image_bytes = bulk.size() - static_cast<size_t>(key_bytes);
  body.key = bulk.substr(image_bytes);
  bulk.resize(image_bytes);
  if (there) body.image = shared(std::move(bulk));
  return true;
}

// --- all of them ---

template <typename Body>
concept HasBulk = requires(const Body& body) {
  bulk_of(body);
};

template <HasBulk Body>
bool decode_as(std::string_view payload, std::string* owned, Body& body) {
  if (payload.size() < kTrailerBytes) return false;
  const auto fields_bytes = load_fixed<uint16_t>(payload.data() + payload.size() - kTrailerBytes);
  if (fields_bytes > payload.size() - kTrailerBytes) return false;
  const size_t bulk_bytes = payload.size() - kTrailerBytes - fields_bytes;
  Fields in(payload.substr(bulk_bytes, fields_bytes));
  [[maybe_unused]] uint64_t key_bytes = 0;
  if constexpr (std::is_same_v<Body, RecordIs>) {
    get(in, body, &key_bytes);
  } else {
    get(in, body);
  }
  if (!in.done()) return false;
  std::string bulk;
  if (owned != nullptr) {
    owned->resize(bulk_bytes);
    bulk = std::move(*owned);
  } else {
    bulk = payload.substr(0, bulk_bytes);
  }
  if constexpr (std::is_same_v<Body, RecordIs>) {
    return take_bulk(body, std::move(bulk), key_bytes);
  } else {
    return take_bulk(body, std::move(bulk));
  }
}

template <typename Body>
requires(!HasBulk<Body>) bool decode_as(std::string_view payload, std::string*, Body& body) {
  Fields in(payload);
  get(in, body);
  return in.done();
}

using DecodeFn = bool (*)(std::string_view, std::string*, MessageBody&);

template <size_t... kIndex>
constexpr auto decoders(std::index_sequence<kIndex...>) {
  return std::array<DecodeFn, sizeof...(kIndex)>{
      +[](std::string_view payload, std::string* owned, MessageBody& body) {
        return decode_as(payload, owned, body.emplace<kIndex>());
      }...};
}
template <size_t... kIndex>
constexpr auto bulk_table(std::index_sequence<kIndex...>) {
  return std::array<bool, sizeof...(kIndex)>{
      HasBulk<std::variant_alternative_t<kIndex, MessageBody>>...};
}
constexpr auto kAll = std::make_index_sequence<std::variant_size_v<MessageBody>>();
constexpr auto kDecoders = decoders(kAll);
constexpr auto kHasBulk = bulk_table(kAll);

// The place of a message's type in MessageBody: types are numbered in its order.
size_t index_of(FrameType type) { return static_cast<size_t>(type) - kFirst; }
static_assert([] {
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    if (static_cast<size_t>(kTypes[i]) != kFirst + i) return false;
  }
  return true;
}());

}  // namespace

Payload encode_message(const Message& message) {
  Payload payload;
  payload.type = kTypes[message.body.index()];
  HF_ASSERT(message.from.valid() || message.to.valid());
  if (message.from == kCoordinatorMember) payload.flags = kFlagFromCoordinator;
  if (message.to == kCoordinatorMember) payload.flags = kFlagToCoordinator;
  payload.shard = message.shard;
  payload.epoch = message.epoch;
  std::visit(
      [&payload]<typename Body>(const Body& body) {
        put(payload.fields, body);
        if constexpr (HasBulk<Body>) {
          payload.bulk = bulk_of(body);
          HF_ASSERT(payload.fields.size() <= std::numeric_limits<uint16_t>::max());
          put_fixed(payload.fields, static_cast<uint16_t>(payload.fields.size()));
        } else {
          HF_ASSERT(payload.fields.size() <= kMaxUrgentBytes);
        }
      },
      message.body);
  return payload;
}

bool is_message(FrameType type) { return index_of(type) < std::size(kTypes); }

bool has_bulk(FrameType type) { return is_message(type) && kHasBulk[index_of(type)]; }

std::string_view frame_type_name(FrameType type) {
  static constexpr std::string_view kOthers[] = {"none",    "Hello", "Welcome", "Proof",
                                                 "Refusal", "Ping",  "Pong"};
  if (is_message(type)) return kNames[index_of(type)];
  const auto number = static_cast<size_t>(type);
  return number < std::size(kOthers) ? kOthers[number] : "unknown";
}

Result<MessageBody> decode_message(FrameType type, std::string_view payload, std::string* owned) {
  HF_ASSERT(is_message(type));
  MessageBody body;
  if (!kDecoders[index_of(type)](payload, owned, body)) {
    return Status::corrupt("malformed " + std::string(frame_type_name(type)));
  }
  return body;
}

}  // namespace holdfast
