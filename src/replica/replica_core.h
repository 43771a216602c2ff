// ReplicaCore: the protocol of one replica of a shard's log, without any I/O: events go in, actions
// come out. How a log is copied, committed, caught up and read behind is the same for every shard;
// how a replica comes to lead is not: CoordinatedCore is told by the coordinator, ElectedCore
// (Raft) by votes.
//
// The leader of an epoch writes entries and sends them to the members (Prepare), who acknowledge
// what is the same as the leader's and on stable media (PrepareOk). An entry is committed when W
// members have it so, and the epoch's first entry with it.
//
// Invariants, asserted (docs/REPLICATION.md gives the history behind each):
//   R1  a promise is durable before any message that depends on it; it never decreases.
//   R2  PrepareOk(s): the log is that of this epoch's leader up to s, and on stable media.
//   R3  nothing is committed before the epoch's first entry is, nor before the epoch is active.
//   R4  nothing committed is ever truncated.
//   R5  one leader an epoch.
//   R6  a read is confirmed by messages sent after it was asked for, or under a lease that ends
//       before any later leader may begin.
//
// Time: nanoseconds of a clock that runs on while the machine sleeps (Clock::boot_ns), read anew
// for every event. Safety rests on no clock but for leases, which assume that two clocks drift by
// less than kDrift over one lease.
//
// Threads: the owner's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "engine/engine.h"
#include "replica/log_tail.h"
#include "replica/message.h"
#include "replica/view.h"

namespace holdfast {

// --- events ---

struct Tick {};  // time has passed; at least every heartbeat / 2
struct Received {
  Message message;
};
// REQUIRES: accepting(). The slice follows the log's end.
struct Proposed {
  LogSlice slice;
};
// The write of that number, asked for by an action, is on stable media. Appends and truncations
// complete in order, and so do hard states.
struct Written {
  uint64_t write = 0;
};
// May what is committed now be read? Answered once by ReadReady.
struct ReadAsked {
  uint64_t token = 0;
};
// Let `to` lead, soon and in order.
struct HandOver {
  Member to;
};
// These are the first members of an elected group: nothing, if there is a log already. Every one of
// them has to be told the same.
struct Found {
  Membership members;
};
// Of an elected group. REQUIRES: ElectedCore::may_change().
struct ChangeMembers {
  Membership to;
};
struct StoreFailed {};
// A checkpoint covers the log up to there, which may not be kept any more once this was taken.
// REQUIRES: it is committed, and durable() here: what a truncation takes away is neither.
struct Released {
  LogPosition upto;
};
// A snapshot was installed in place of the whole state, durably: the log goes on behind it.
// REQUIRES: wants_snapshot() when that began and now, and no write of the log on its way.
struct SnapshotInstalled {
  LogSummary log;
  Membership members;  // of an elected group, then
};
// The snapshot for that member was sent and installed there (or given up).
struct SnapshotSent {
  Member to;
  bool installed = false;
};
// What a ReadLog asked for, or why there is none. kNotFound: it is not kept any more.
struct LogRead {
  uint64_t read = 0;
  Status status;
  Bytes entries;
};
// That member computes and answers nothing meanwhile (beacon.h): it is not gone.
struct MemberBusy {
  Member member;
};
// Whether the state that the log is applied to is all there. Without it nobody may lead.
struct StateWhole {
  bool whole = true;
};
// The coordinators have made a view of that epoch active, and this replica is none of its members.
struct LeftOut {
  Epoch epoch = 0;
};
using Event = std::variant<Tick, Received, Proposed, Written, ReadAsked, HandOver, Found,
                           ChangeMembers, StoreFailed, Released, SnapshotInstalled, SnapshotSent,
                           LogRead, MemberBusy, StateWhole, LeftOut>;

// --- actions, to be done in order ---

struct Send {
  Message message;
};
struct AppendLog {
  uint64_t write = 0;
  LogSlice slice;
};
struct TruncateLog {
  uint64_t write = 0;
  Seq last_kept = 0;
};
struct SaveHardState {
  uint64_t write = 0;
  HardState state;
};
// Everything up to here is committed.
struct Committed {
  LogPosition upto;
};
struct RoleChanged {
  Role role;
  Epoch epoch;
};
struct ReadReady {
  uint64_t token = 0;
  bool ok = false;  // false: this replica does not lead (any more)
};
// Entries from `from` on are to be read back from the device; LogRead is to follow. At least one,
// and no more once there are `max_bytes`.
struct ReadLog {
  uint64_t read = 0;
  Seq from = 0;
  uint64_t max_bytes = 0;
};
// That member is too far behind the log.
struct SendSnapshot {
  Member to;
};
using Action = std::variant<Send, AppendLog, TruncateLog, SaveHardState, Committed, RoleChanged,
                            ReadReady, ReadLog, SendSnapshot>;

struct ReplicaOptions {
  static constexpr int64_t kMs = 1'000'000;
  static constexpr int64_t kDrift = 1000;  // one part in so many

  ShardId shard = 0;
  Member self;
  bool coordinated = false;  // CoordinatedCore; else ElectedCore
  int64_t heartbeat_ns = 50 * kMs;
  int64_t lease_ns = 200 * kMs;
  int64_t silent_ns = 250 * kMs;       // a leader that is not heard is taken for gone
  int64_t quorum_lost_ns = 400 * kMs;  // nothing heard from W for so long: accept no writes
  int64_t disk_stall_ns = 500 * kMs;   // a write takes longer: look dead
  int64_t handover_ns = 500 * kMs;     // at most
  bool lease_reads = true;             // false: every read is confirmed
  uint64_t prepare_bytes = 256 << 10;  // of entries that are read back for a member
  uint64_t window_bytes = 8 << 20;     // sent to a member and not acknowledged
  size_t window_prepares = 64;
  uint64_t memory_bytes = 16 << 20;  // of the newest entries
};

// What a replica finds of itself at start.
struct ReplicaState {
  HardState hard_state;
  LogPosition base;     // of the checkpoint: committed
  LogSummary log;       // to its end
  bool trusted = true;  // false: the end of the log could not be proven
  bool whole = true;    // as StateWhole
};

// How far a leader has brought a member.
struct PeerStatus {
  Member member;
  std::string_view state;
  Seq next = 0;     // to be sent
  Seq durable = 0;  // there
  uint64_t in_flight_bytes = 0;
  int64_t heard_ns = 0;
};

class ReplicaCore {
 public:
  static constexpr int64_t kNever = INT64_MIN / 2;
  // Steps are never that far apart: it was stopped, or was not given the processor.
  static constexpr int64_t kAsleepNs = 100 * ReplicaOptions::kMs;

  using Actions = std::vector<Action>;

  virtual ~ReplicaCore() = default;
  ReplicaCore(const ReplicaCore&) = delete;
  ReplicaCore& operator=(const ReplicaCore&) = delete;

  // Appends what is to be done to `actions`. Never calls back.
  void step(const Event& event, int64_t now_ns, Actions* actions);

  const Member& self() const { return options_.self; }
  Role role() const { return role_; }
  Epoch epoch() const { return promised_.promised_epoch; }
  // What it goes by; it may not be durable yet.
  const HardState& promised() const { return promised_; }
  const Member& leader() const { return leader_; }  // of the epoch, as far as it is known
  const LogPosition& last() const { return tail_.last(); }
  const LogTail& tail() const { return tail_; }
  const LogPosition& committed() const { return committed_; }
  Seq durable() const { return durable_; }
  bool trusted() const { return trusted_; }
  bool whole() const { return whole_; }
  // The newest commit index that the epoch's leader has told this replica; 0: none yet.
  Seq leader_commit() const { return leader_commit_; }
  const std::vector<Member>& members() const { return members_; }
  uint32_t write_quorum() const { return write_quorum_; }
  // Of an elected group; empty where the coordinator decides who is a member.
  virtual const Membership& membership() const;
  // As of that entry, for a checkpoint of it. REQUIRES: seq >= base.
  virtual const Membership& membership_at(Seq seq) const;
  // Why the leader cannot change the members so now; ok: ChangeMembers will do it.
  virtual Status may_change(const Membership& to) const;
  std::vector<PeerStatus> peer_status() const;
  bool start_committed() const { return committed_.seq >= epoch_start_ && epoch_start_ != 0; }
  // Its epoch's leader was heard from lately, or is itself.
  bool hears_leader(int64_t now_ns) const {
    return leader_.valid() &&
           (leader_ == self() || awake(now_ns) - leader_heard_ns_ < options_.silent_ns);
  }
  // Leads an active epoch.
  bool serving() const { return role_ == Role::kPrimary; }
  // Serves, and everything before its epoch is committed.
  bool ready() const { return serving() && start_committed(); }
  // Proposals may be made: it serves, its quorum and its disk answer, and it hands nothing over.
  bool accepting(int64_t now_ns) const;
  // A member is to lead instead, soon.
  bool hands_over() const { return handover_.has_value(); }
  bool disk_stalled(int64_t now_ns) const { return awake(now_ns) >= disk_stalls_ns(); }
  // When it will be, as long as nothing happens.
  int64_t disk_stalls_ns() const;
  // Whether a snapshot of the log up to there may take the place of this one. Not if the log goes
  // on behind it: entries may have been acknowledged there (I26).
  bool wants_snapshot(const LogPosition& upto) const;
  // The lease covers this instant. The clock must have been read after the request came in.
  bool lease_valid(int64_t now_ns) const { return now_ns < lease_end_ns(); }
  // Until when it does, as long as nothing happens.
  int64_t lease_end_ns() const;

 protected:
  // All outlive the core.
  ReplicaCore(const ReplicaOptions& options, ReplicaState state, LogSource& source, Random& random,
              int64_t now_ns);

  struct Peer {
    enum State : uint8_t { kMatching, kReplicating, kSnapshot };
    struct InFlight {
      Seq last;
      uint64_t bytes;
    };
    struct Round {
      uint64_t number;
      Seq next;  // what would have been sent next then
    };

    State state = kMatching;
    LogPosition sent;   // the last entry that was, or that both have
    uint64_t read = 0;  // of the entries behind it, on its way; 0: none
    Seq durable = 0;    // there, in this epoch
    uint64_t match_round = 0;
    int64_t match_sent_ns = 0;
    uint64_t asked = 0;  // by a MatchPoint
    std::deque<InFlight> in_flight;
    uint64_t in_flight_bytes = 0;
    std::deque<Round> rounds;
    uint64_t round_ok = 0;              // newest that was answered
    int64_t round_ok_sent_ns = kNever;  // when that one was sent
    int64_t heard_ns = kNever;
  };

  // --- what the ways to lead decide ---
  virtual void policy_tick() = 0;
  // True: the message was its own.
  virtual bool policy_message(const Message& message) = 0;
  virtual void policy_promised() {}         // the newest promise is durable
  virtual void policy_handover() = 0;       // the target has everything
  virtual void policy_durable_start() = 0;  // the epoch's first entry is on W members' media
  virtual void policy_committed() {}
  virtual void policy_log_changed(Seq /*from*/) {}  // entries from there on are new
  virtual void policy_released() {}
  virtual void policy_snapshot(const SnapshotInstalled&) {}
  virtual void policy_found(const Membership&) {}
  virtual void policy_change(const Membership&) {}
  virtual void policy_not_whole() {}

  // --- both ways ---
  int64_t now() const { return now_; }
  const ReplicaOptions& options() const { return options_; }
  Random& random() { return random_; }
  template <typename Action>
  void act(Action action) {
    actions_->emplace_back(std::in_place_type<Action>, std::move(action));
  }
  void send(const Member& to, Epoch epoch, MessageBody body);
  void send(const Member& to, MessageBody body) { send(to, epoch(), std::move(body)); }
  // Sends when the newest promise is durable (R1), unless a later one is made before.
  void send_when_promised(const Member& to, MessageBody body);
  // Promises an epoch, follows nobody. REQUIRES: epoch >= epoch(), or a first vote in this one.
  void promise(Epoch epoch, StoreId vote);
  void save_promise();
  bool promise_durable() const { return saved_ == promised_; }
  void set_role(Role role);
  void follow(const Member& leader);
  // Begins to lead the promised epoch with its first entry.
  void lead(Role role, std::string_view start_payload);
  void activate();
  // Leads no more, in an epoch that goes on without a leader.
  void resign();
  void set_members(std::vector<Member> members, std::vector<Member> learners, uint32_t quorum);
  void append_local(const LogSlice& slice);
  // Appends an entry of the leader's own and has it sent.
  void append_own(EntryKind kind, std::string_view payload);
  bool leading() const { return leader_ == self(); }
  Seq epoch_start() const { return epoch_start_; }
  bool start_durable() const { return start_durable_; }
  // Whether so many members, self counted, were heard from after that instant.
  bool heard_from(uint32_t members, int64_t since_ns) const;
  // What a lease that was granted to others may still last.
  int64_t lease_left_ns() const;
  int64_t leader_heard_ns() const { return leader_heard_ns_; }
  int64_t led_since_ns() const { return led_since_ns_; }
  // No lease for the rest of the epoch: somebody was told to lead without waiting for it, and that
  // word may be heard late, when the handover was given up.
  void renounce_lease() { lease_renounced_ = true; }
  bool has(const Member& member) const;
  std::map<Member, Peer>& peers() { return peers_; }
  LogTail& log() { return tail_; }
  void advance_commit();
  const HandOver* handing_over() const { return handover_ ? &*handover_ : nullptr; }

 private:
  struct Outstanding {
    uint64_t write;
    int64_t since_ns;
    Seq last;  // durable with it
  };
  struct Read {
    uint64_t token;
    uint64_t round;  // confirms it
  };

  void slept(int64_t ns);
  // The time up to which silence counts, before a step has seen that it slept.
  int64_t awake(int64_t now_ns) const { return std::min(now_ns, now_ + kAsleepNs); }
  void receive(const Message& message);
  bool from_leader(const Message& message);
  // replica_follower.cc
  void on(const Message& message, const Prepare& prepare);
  void on(const Message& message, const Heartbeat& heartbeat);
  void on(const Message& message, const LogMatch& match);
  bool append_prepared(const Prepare& prepare, const LogSlice& slice);
  void acknowledge(bool even_if_nothing_new);
  Seq acknowledged() const;  // 0 while the end of the log is not proven
  void regain_trust();
  void left_out(Epoch active);
  void truncate(Seq last_kept);
  void commit_to(Seq seq);
  // replica_leader.cc
  void on(const Message& message, const PrepareOk& ok);
  void on(const Message& message, const PrepareReject& reject);
  void on(const Message& message, const HeartbeatOk& ok);
  void on(const Message& message, const MatchPoint& point);
  void propose(const LogSlice& slice);
  void peer_has(Peer& peer, Seq durable, Seq matched);
  void copied(const Member& id);
  void begin_match(const Member& id, Peer& peer);
  void send_match(const Member& id, Peer& peer);
  void replicate(const Member& id, Peer& peer);
  void send_entries(const Member& id, Peer& peer, const LogSlice& slice);
  void take(const LogRead& read);
  void beat();
  void leader_tick();
  void answer_reads();
  uint64_t confirmed_round() const;
  Seq quorum_durable() const;
  void check_handover();
  void written(uint64_t write);
  void stop_leading();

  const ReplicaOptions options_;
  Random& random_;
  int64_t now_;
  Actions* actions_ = nullptr;

  LogTail tail_;
  HardState promised_;  // what we go by
  HardState saved_;     // what is durable
  Role role_ = Role::kFenced;
  Member leader_;
  LogPosition committed_;
  Seq durable_;
  bool trusted_;
  bool whole_;
  const Epoch started_epoch_;  // promised before the start
  uint64_t trust_asks_ = 0;    // names this start, if the end of the log could not be proven
  Seq trust_from_ = 0;  // with everything up to here from a leader, the end of the log is proven
  uint64_t next_write_ = 1;
  std::deque<Outstanding> log_writes_;
  std::map<uint64_t, std::pair<HardState, int64_t>> saves_;
  std::vector<Message> deferred_;  // wait for the newest promise

  // As a follower.
  Seq matched_ = 0;       // same as the leader's up to here
  Seq acknowledged_ = 0;  // told so
  Seq leader_commit_ = 0;
  int64_t leader_heard_ns_;
  int64_t granted_ns_;  // when a lease was granted last; at start: it may have been just before

  // As a leader.
  std::vector<Member> members_, learners_;
  uint32_t write_quorum_ = 0;
  std::map<Member, Peer> peers_;
  Seq epoch_start_ = 0;
  bool active_ = false;
  bool start_durable_ = false;
  uint64_t round_ = 0;
  uint64_t match_round_ = 0;
  uint64_t reads_asked_ = 0;
  std::deque<std::pair<uint64_t, int64_t>> rounds_;  // some of them, with the time of each
  int64_t beat_ns_ = 0;
  int64_t led_since_ns_ = 0;
  bool lease_renounced_ = false;
  std::deque<Read> reads_;  // in order of their rounds
  std::optional<HandOver> handover_;
  int64_t handover_since_ns_ = 0;
};

}  // namespace holdfast
