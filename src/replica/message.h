// Messages: what replicas of a shard, and the coordinator, say to each other. Their bytes are
// wire.h's concern; what a receiver may do with them is the protocol cores'.
//
// A message may be lost, doubled, late or out of order. Every one carries the sender's epoch: what
// comes from an older epoch than the receiver has promised is answered with Stale and otherwise
// ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.h"
#include "replica/view.h"
#include "store/log_position.h"

namespace holdfast {

// The coordinator, as a sender and a receiver.
inline constexpr Member kCoordinatorMember{};

// Entries back to back, as store/entry.h encodes them; shared by all who send or store them.
using Bytes = std::shared_ptr<const std::string>;

// --- a primary (or candidate) and its members ---

struct Prepare {
  LogPosition previous;  // of the entry before the first
  Bytes entries;
  Seq commit = 0;
};
// "My log is the same as that of this epoch's primary, and on stable media, through `durable`; in
// memory through `matched`." Cumulative.
struct PrepareOk {
  Seq durable = 0;
  Seq matched = 0;
};
// The previous entry is not there: send LogMatch.
struct PrepareReject {};

// Who hears it grants the sender a lease, and confirms that the epoch was the newest it knew after
// the message was sent. `round` is never used twice.
struct Heartbeat {
  uint64_t round = 0;
  Seq commit = 0;
};
struct HeartbeatOk {
  uint64_t round = 0;
  Seq durable = 0;
  Seq matched = 0;
};

// Asks where the receiver's log leaves the sender's.
struct LogMatch {
  uint64_t round = 0;
  LogSummary log;
  uint64_t answers = 0;  // the newest `asks` of the receiver's: this was sent after it
};
struct MatchPoint {
  uint64_t round = 0;  // of the LogMatch
  LogPosition at;      // the last that may be the same
  // Not 0: the sender cannot prove the end of its log, and needs a LogMatch that is sent after
  // this.
  uint64_t asks = 0;
};

// The receiver has promised a later epoch.
struct Stale {
  Epoch promised = 0;
};

// --- the coordinator and members ---

struct Fence {};  // of the message's epoch, which is allocated
struct FenceOk {
  LogPosition last;
  Seq commit = 0;
  bool trusted = true;         // false: the head of the log could not be proven; no testimony
  uint32_t lease_left_us = 0;  // what a lease granted to an older primary may still last
};
struct Form {
  View view;
};
struct Ready {};  // the epoch's first entry is on W members' media
struct Activate {
  View view;
};

// The member has the whole log, and the sender answers nobody for a while: let it lead.
struct HandedOver {
  Member to;
};

// --- nodes of a cluster and its coordinators ---

// A replica of a shard, as its node finds it.
struct ReplicaReport {
  ShardId shard = 0;
  Role role = Role::kFenced;
  Epoch epoch = 0;  // promised
  Seq last = 0;     // of its log
  Seq committed = 0;
  bool accepting = false;     // leads, and takes writes
  bool stalled = false;       // its device does not complete what it was given
  bool hears_leader = false;  // of the epoch, lately

  bool operator==(const ReplicaReport&) const = default;
};
// From a node to every coordinator, again and again: it lives. Who stalls says so, and is as good
// as dead where it leads.
struct NodeReport {
  static constexpr size_t kMaxReplicas = 64;
  static constexpr size_t kMaxSuspects = 64;
  static constexpr size_t kMaxAddress = 256;

  uint64_t revision = 0;     // of the newest map it has
  std::string address;       // "HOST:PORT" for other nodes; empty: it keeps no data
  std::string resp_address;  // for clients
  std::vector<ReplicaReport> replicas;
  std::vector<NodeId> suspects;  // nodes that it cannot reach, or that do not answer
};
// From a coordinator: what is decided (cluster_map.h).
struct MapIs {
  uint64_t revision = 0;
  Bytes map;
};
// From the coordinator to a primary: let that member lead, in order. HandedOver is the answer.
struct HandOverTo {
  Member to;
};

// --- elections ---

struct VoteRequest {
  bool pre = false;       // would you vote? (nothing is promised)
  bool transfer = false;  // the leader itself asked for this election
  LogPosition last;
};
struct Vote {
  bool pre = false;
  bool granted = false;
};
struct TimeoutNow {};  // hold an election at once: the leader hands over

// Between members before there is a group: the sender's store is new and knows of no member.
struct Unformed {};

// --- a copy of the whole state, for who is too far behind the log ---

struct SnapshotBegin {
  uint64_t id = 0;    // of this transfer
  LogSummary base;    // the log goes on behind it
  std::string state;  // as a checkpoint has it
};
// Records: key and image, as wire.h encodes rows; `number` counts from 0.
struct SnapshotChunk {
  uint64_t id = 0;
  uint64_t number = 0;
  Bytes records;
};
// All that the chunks may show is committed by now: what they hold may be installed.
struct SnapshotEnd {
  uint64_t id = 0;
  uint64_t chunks = 0;
  uint64_t rows = 0;    // in all of them
  uint32_t digest = 0;  // CRC32C of all their records, one behind the other
};
// So many chunks were taken (it is said again every second meanwhile); `installed`: all of them,
// durably.
struct SnapshotOk {
  uint64_t id = 0;
  uint64_t chunks = 0;
  bool installed = false;
};

// --- repair of what is damaged (repairs.h) ---

// What is the key's object, after entry `from` or a later one?
struct GetRecord {
  DbId db = 0;
  std::string key;
  Seq from = 0;
};
// What it was after the entry `at`, which is committed.
struct RecordIs {
  enum State : uint8_t {
    kUnknown,  // the sender cannot tell now; `at` says nothing
    kAbsent,   // there was no such key
    kThere,
  };
  DbId db = 0;
  std::string key;
  LogPosition at;
  State state = kUnknown;
  Bytes image;  // kThere: as a checkpoint has it, but that its mod_seq says nothing
};

// --- what clients of a node published, for those of another (resp/relay.h) ---

struct Published {
  uint64_t channel_bytes = 0;  // the channel is the beginning of the text, the message the rest
  Bytes text;

  std::string_view channel() const { return std::string_view(*text).substr(0, channel_bytes); }
  std::string_view message() const { return std::string_view(*text).substr(channel_bytes); }
};

// --- that a node which answers nobody is not gone (beacon.h) ---

// That node computes: its thread is at one long task, and goes on when that is done. Said by the
// node itself, and to gateways by the coordinator that leads.
struct Busy {
  NodeId node = 0;
};

using MessageBody =
    std::variant<Prepare, PrepareOk, PrepareReject, Heartbeat, HeartbeatOk, LogMatch, MatchPoint,
                 Stale, Fence, FenceOk, Form, Ready, Activate, HandedOver, VoteRequest, Vote,
                 TimeoutNow, SnapshotBegin, SnapshotChunk, SnapshotEnd, SnapshotOk, GetRecord,
                 RecordIs, Unformed, NodeReport, MapIs, HandOverTo, Published, Busy>;

struct Message {
  ShardId shard = 0;
  Epoch epoch = 0;  // of the sender
  Member from;
  Member to;
  MessageBody body;
};

}  // namespace holdfast
