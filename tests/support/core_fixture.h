// CoreFixture: one protocol core with a disk that a test completes by hand, and messages that it
// reads and writes itself.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "replica/coordinated_core.h"
#include "replica/elected_core.h"

namespace holdfast {

// `count` entries behind `previous`, each with that payload.
inline LogSlice entries_behind(const LogPosition& previous, Epoch epoch, int count,
                               EntryKind kind = EntryKind::kCommand,
                               const std::string& payload = "x") {
  std::string bytes;
  LogPosition last = previous;
  for (int i = 0; i < count; ++i) {
    EntryHeader header;
    header.kind = kind;
    header.epoch = epoch;
    header.seq = last.seq + 1;
    header.previous_crc = last.crc;
    const uint32_t crc = append_entry(header, payload, &bytes);
    last = {epoch, header.seq, crc};
  }
  return {previous, std::make_shared<const std::string>(std::move(bytes)), last};
}

// What is on the device, one entry each; counts how often it was read.
class MemoryLog final : public LogSource {
 public:
  void append(const LogSlice& slice) {
    visit_entries(*slice.entries, [this](const EntryHeader& header, std::string_view entry) {
      entries_.emplace_back(header.seq, entry);
      return true;
    });
  }
  void release(Seq upto) {
    while (!entries_.empty() && entries_.front().first <= upto) entries_.pop_front();
  }
  Result<LogSlice> read_entries(Seq from, uint64_t max_bytes) override {
    ++reads;
    std::string bytes;
    LogPosition last;
    for (const auto& [seq, entry] : entries_) {
      if (seq < from) continue;
      if (bytes.empty() ? seq != from : bytes.size() + entry.size() > max_bytes) break;
      last = position_of(peek_entry_header(entry));
      bytes += entry;
    }
    if (bytes.empty()) return Status::not_found("not kept");
    return LogSlice{{}, std::make_shared<const std::string>(std::move(bytes)), last};
  }
  Seq first_entry() const { return entries_.empty() ? 1 : entries_.front().first; }

  int reads = 0;

 private:
  std::deque<std::pair<Seq, std::string>> entries_;
};

class CoreFixture {
 public:
  static constexpr int64_t kMs = ReplicaOptions::kMs;

  // Beside it there are the nodes 2 to `count`.
  explicit CoreFixture(int count) {
    for (int i = 1; i <= count; ++i) members.push_back(member(i));
    options.self = members[0];
  }
  static Member member(int node) { return {NodeId(node), StoreId(node * 10)}; }

  void start_coordinated(ReplicaState state = {}) {
    core = std::make_unique<CoordinatedCore>(options, std::move(state), log, random, now);
  }
  void start_elected(ReplicaState state = {}) {
    auto made = std::make_unique<ElectedCore>(options, std::move(state), Membership{members, {}},
                                              log, random, now);
    elected = made.get();
    core = std::move(made);
  }

  // Hard states complete at once; appends when write_log() says so, or at once too; so do reads of
  // the log, with read_log().
  void step(const Event& event) {
    ReplicaCore::Actions actions;
    core->step(event, now, &actions);
    std::vector<uint64_t> done;
    for (const Action& action : actions) {
      if (const auto* sent_now = std::get_if<Send>(&action)) sent.push_back(sent_now->message);
      if (const auto* append = std::get_if<AppendLog>(&action)) {
        log.append(append->slice);
        pending.push_back(append->write);
      }
      if (const auto* cut = std::get_if<TruncateLog>(&action)) pending.push_back(cut->write);
      if (const auto* save = std::get_if<SaveHardState>(&action)) done.push_back(save->write);
      if (const auto* read = std::get_if<ReadReady>(&action)) reads.push_back(*read);
      if (const auto* read = std::get_if<ReadLog>(&action)) log_reads.push_back(*read);
      if (std::holds_alternative<SendSnapshot>(action)) ++snapshots;
    }
    if (hold_hard_states) {
      held.insert(held.end(), done.begin(), done.end());
    } else {
      for (const uint64_t write : done) step(Written{write});
    }
    if (!hold_log) write_log();
    if (!hold_log_reads) read_log();
  }
  void write_log() {
    while (!pending.empty()) {
      const uint64_t write = pending.front();
      pending.pop_front();
      step(Written{write});
    }
  }
  void read_log() {
    for (const ReadLog& asked : std::exchange(log_reads, {})) {
      const Result<LogSlice> read = log.read_entries(asked.from, asked.max_bytes);
      step(LogRead{asked.read, read.status(), read.ok() ? read.value().entries : nullptr});
    }
  }
  void write_hard_states() {
    for (const uint64_t write : std::exchange(held, {})) step(Written{write});
  }
  void receive(int from, Epoch epoch, MessageBody body) {
    const Member sender = from == 0 ? kCoordinatorMember : member(from);
    step(Received{{options.shard, epoch, sender, options.self, std::move(body)}});
  }
  void tick(int64_t ns) {
    for (const int64_t until = now + ns; now < until;) {
      now = std::min(until, now + 50 * kMs);
      step(Tick{});
    }
  }
  // It did not run for so long.
  void sleep(int64_t ns) {
    now += ns;
    step(Tick{});
  }
  void propose(int count = 1) {
    step(Proposed{entries_behind(core->last(), core->epoch(), count)});
  }
  // What was sent of that kind since the last call; drops all else.
  template <typename Body>
  std::vector<Body> take() {
    std::vector<Body> bodies;
    for (const Message& message : std::exchange(sent, {})) {
      if (const auto* body = std::get_if<Body>(&message.body)) bodies.push_back(*body);
    }
    return bodies;
  }

  // Leads an active view of all members.
  void lead_view(Epoch epoch, uint32_t quorum) {
    View view{epoch, ViewPhase::kForming, options.self, members, quorum};
    receive(0, epoch, Fence{});
    receive(0, epoch, Form{view});
    for (size_t i = 1; i < members.size(); ++i) catch_up(int(i) + 1);
    receive(0, epoch, Activate{view});
  }
  // Wins the election of the next epoch.
  void win_election() {
    tick(1000 * kMs);
    for (const Member& voter : members) {
      if (voter != options.self) receive(int(voter.node), core->epoch() + 1, Vote{true, true});
    }
    for (const Member& voter : members) {
      if (voter != options.self) receive(int(voter.node), core->epoch(), Vote{false, true});
    }
    for (size_t i = 1; i < members.size(); ++i) catch_up(int(i) + 1);
  }
  // That member answers the newest LogMatch, and has everything.
  void catch_up(int node) {
    for (const Message& message : std::vector<Message>(sent)) {
      const auto* match = std::get_if<LogMatch>(&message.body);
      if (match == nullptr || message.to != member(node)) continue;
      receive(node, core->epoch(), MatchPoint{match->round, {}, 0});
    }
    acknowledge(node);
  }
  void acknowledge(int node) {
    receive(node, core->epoch(), PrepareOk{core->last().seq, core->last().seq});
  }
  // That member answers every heartbeat sent so far.
  void answer_heartbeats(int node) {
    for (const Message& message : std::vector<Message>(sent)) {
      const auto* beat = std::get_if<Heartbeat>(&message.body);
      if (beat == nullptr || message.to != member(node)) continue;
      const Seq last = core->last().seq;
      receive(node, core->epoch(), HeartbeatOk{beat->round, last, last});
    }
  }

  ReplicaOptions options;
  std::vector<Member> members;
  MemoryLog log;
  SeededRandom random{7};
  int64_t now = 1'000'000 * kMs;
  std::unique_ptr<ReplicaCore> core;
  ElectedCore* elected = nullptr;
  bool hold_log = false, hold_log_reads = false, hold_hard_states = false;
  std::deque<uint64_t> pending;
  std::vector<uint64_t> held;
  std::vector<Message> sent;
  std::vector<ReadReady> reads;
  std::vector<ReadLog> log_reads;
  int snapshots = 0;
};

}  // namespace holdfast
