// Random messages of every type, and a text of each that shows every field: what tests of the wire
// compare.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "replica/field_codec.h"
#include "replica/message.h"
#include "replica/message_codec.h"

namespace holdfast {

class RandomMessages {
 public:
  explicit RandomMessages(Random& random) : random_(random) {}

  // `type`: its place in MessageBody.
  MessageBody body(size_t type) { return make(type, kAll); }
  MessageBody body() { return body(random_.below(kTypes)); }
  Message message(Member from, Member to) {
    return {static_cast<ShardId>(number()), number(), from, to, body()};
  }

  static constexpr size_t kTypes = std::variant_size_v<MessageBody>;
  // Numbers of every length, with the extremes.
  uint64_t number() {
    switch (random_.below(8)) {
      case 0:
        return 0;
      case 1:
        return UINT64_MAX;
      default:
        return random_.next() >> random_.below(64);
    }
  }
  std::string text(size_t most) {
    std::string bytes(random_.below(most + 1), '\0');
    const bool dull = random_.one_in(2);  // compresses well
    for (char& c : bytes) c = static_cast<char>(dull ? 'a' + random_.below(2) : random_.next());
    return bytes;
  }

 private:
  static constexpr auto kAll = std::make_index_sequence<kTypes>();

  template <size_t... kIndex>
  MessageBody make(size_t type, std::index_sequence<kIndex...>) {
    MessageBody made;
    ((kIndex == type ? fill(made.emplace<kIndex>()) : void()), ...);
    return made;
  }

  uint32_t number32() { return static_cast<uint32_t>(number()); }
  bool coin() { return random_.one_in(2); }
  Bytes bytes() { return std::make_shared<const std::string>(text(3000)); }
  DbId db() { return static_cast<DbId>(random_.below(kDbCount)); }
  LogPosition position() { return {number(), number(), number32()}; }
  LogSummary log() {
    LogSummary made{position(), {}};
    made.ended.resize(random_.below(LogSummary::kMaxEpochs + 1));
    for (EpochEnd& end : made.ended) end = {number(), number()};
    return made;
  }
  Member member() { return {number32(), number()}; }
  View view() {
    View made;
    made.epoch = number();
    made.phase = static_cast<ViewPhase>(random_.below(3));
    made.primary = member();
    made.members.resize(random_.below(kMaxMembers + 1));
    for (Member& one : made.members) one = member();
    made.write_quorum = static_cast<uint32_t>(random_.below(made.members.size() + 1));
    return made;
  }

  void fill(Prepare& b) { b = {position(), bytes(), number()}; }
  void fill(PrepareOk& b) { b = {number(), number()}; }
  void fill(PrepareReject&) {}
  void fill(Heartbeat& b) { b = {number(), number()}; }
  void fill(HeartbeatOk& b) { b = {number(), number(), number()}; }
  void fill(LogMatch& b) { b = {number(), log(), number()}; }
  void fill(MatchPoint& b) { b = {number(), position(), number()}; }
  void fill(Stale& b) { b = {number()}; }
  void fill(Fence&) {}
  void fill(FenceOk& b) { b = {position(), number(), coin(), number32()}; }
  void fill(Form& b) { b = {view()}; }
  void fill(Ready&) {}
  void fill(Activate& b) { b = {view()}; }
  void fill(HandedOver& b) { b = {member()}; }
  void fill(VoteRequest& b) { b = {coin(), coin(), position()}; }
  void fill(Vote& b) { b = {coin(), coin()}; }
  void fill(TimeoutNow&) {}
  void fill(Unformed&) {}
  void fill(NodeReport& b) {
    b = {number(), text(NodeReport::kMaxAddress), text(NodeReport::kMaxAddress), {}, {}};
    b.replicas.resize(random_.below(NodeReport::kMaxReplicas / 2));
    for (ReplicaReport& one : b.replicas) {
      const auto role = static_cast<Role>(random_.below(5));
      one = {number32(), role, number(), number(), number(), coin(), coin(), coin()};
    }
    b.suspects.resize(random_.below(NodeReport::kMaxSuspects + 1));
    for (NodeId& node : b.suspects) node = number32();
  }
  void fill(MapIs& b) { b = {number(), bytes()}; }
  void fill(HandOverTo& b) { b = {member()}; }
  void fill(Busy& b) { b = {number32()}; }
  void fill(Published& b) {
    b.text = bytes();
    b.channel_bytes = random_.below(b.text->size() + 1);
  }
  void fill(SnapshotBegin& b) { b = {number(), log(), text(3000)}; }
  void fill(SnapshotChunk& b) { b = {number(), number(), bytes()}; }
  void fill(SnapshotEnd& b) { b = {number(), number(), number(), static_cast<uint32_t>(number())}; }
  void fill(SnapshotOk& b) { b = {number(), number(), coin()}; }
  void fill(GetRecord& b) { b = {db(), text(100), number()}; }
  void fill(RecordIs& b) {
    const auto state = static_cast<RecordIs::State>(random_.below(3));
    b = {db(), text(100), position(), state, state == RecordIs::kThere ? bytes() : nullptr};
  }

  Random& random_;
};

// --- what a message holds, as text ---

class MessageText {
 public:
  static std::string of(const Message& message) {
    MessageText text;
    text.add(message.shard, message.epoch, message.from, message.to);
    text.out_ += std::to_string(message.body.index()) + ": ";
    std::visit([&text](const auto& body) { text.show(body); }, message.body);
    return text.out_;
  }

 private:
  template <typename... Fields>
  void add(const Fields&... fields) {
    (field(fields), ...);
  }
  void field(uint64_t number) { out_ += std::to_string(number) + ' '; }
  void field(const std::string& bytes) { out_ += std::to_string(bytes.size()) + '=' + bytes + ' '; }
  void field(const Bytes& bytes) { bytes ? field(*bytes) : field(std::string("null")); }
  void field(const LogPosition& at) { add(at.epoch, at.seq, uint64_t{at.crc}); }
  void field(const Member& member) { add(uint64_t{member.node}, member.store); }
  void field(const LogSummary& log) {
    add(log.last, log.ended.size());
    for (const EpochEnd& end : log.ended) add(end.epoch, end.last);
  }
  void field(const View& view) {
    add(view.epoch, static_cast<uint64_t>(view.phase), view.primary, view.members.size());
    for (const Member& member : view.members) field(member);
    field(view.write_quorum);
  }

  void show(const Prepare& b) { add(b.previous, b.entries, b.commit); }
  void show(const PrepareOk& b) { add(b.durable, b.matched); }
  void show(const PrepareReject&) {}
  void show(const Heartbeat& b) { add(b.round, b.commit); }
  void show(const HeartbeatOk& b) { add(b.round, b.durable, b.matched); }
  void show(const LogMatch& b) { add(b.round, b.log, b.answers); }
  void show(const MatchPoint& b) { add(b.round, b.at, b.asks); }
  void show(const Stale& b) { add(b.promised); }
  void show(const Fence&) {}
  void show(const FenceOk& b) { add(b.last, b.commit, b.trusted, b.lease_left_us); }
  void show(const Form& b) { add(b.view); }
  void show(const Ready&) {}
  void show(const Activate& b) { add(b.view); }
  void show(const HandedOver& b) { add(b.to); }
  void show(const VoteRequest& b) { add(b.pre, b.transfer, b.last); }
  void show(const Vote& b) { add(b.pre, b.granted); }
  void show(const TimeoutNow&) {}
  void show(const Unformed&) {}
  void show(const NodeReport& b) {
    add(b.revision, b.address, b.resp_address, b.replicas.size());
    for (const ReplicaReport& r : b.replicas) {
      add(uint64_t{r.shard}, static_cast<uint64_t>(r.role), r.epoch, r.last, r.committed,
          r.accepting, r.stalled, r.hears_leader);
    }
    for (const NodeId node : b.suspects) field(node);
  }
  void show(const MapIs& b) { add(b.revision, b.map); }
  void show(const HandOverTo& b) { add(b.to); }
  void show(const Busy& b) { add(uint64_t{b.node}); }
  void show(const Published& b) { add(b.channel_bytes, b.text); }
  void show(const SnapshotBegin& b) { add(b.id, b.base, b.state); }
  void show(const SnapshotChunk& b) { add(b.id, b.number, b.records); }
  void show(const SnapshotEnd& b) { add(b.id, b.chunks, b.rows, b.digest); }
  void show(const SnapshotOk& b) { add(b.id, b.chunks, b.installed); }
  void show(const GetRecord& b) { add(b.db, b.key, b.from); }
  void show(const RecordIs& b) { add(b.db, b.key, b.at, uint64_t{b.state}, b.image); }

  std::string out_;
};

}  // namespace holdfast
