// SimReplica: one protocol core with a clock and a disk of its own, for ProtocolWorld. Its disk
// keeps what is durable apart from what was only written: a crash keeps a beginning of the rest.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replica/coordinated_core.h"
#include "replica/elected_core.h"

namespace holdfast {

class ProtocolWorld;

// A log with what lies before it.
struct SimLog {
  LogSummary base;
  Membership base_members;
  std::vector<std::pair<LogPosition, Bytes>> entries;  // one each

  LogPosition last() const { return entries.empty() ? base.last : entries.back().first; }
  void append(const LogSlice& slice);
  void truncate(Seq last_kept);
  void release(Seq upto, const Membership& members);
  LogSummary summary() const;
  // Epoch 0: not there.
  LogPosition position(Seq seq) const;
};

class SimReplica final : public LogSource {
 public:
  SimReplica(ProtocolWorld& world, Member self);

  // --- life ---
  void start();
  void crash();
  // The end of the log is lost and cannot be proven, or the whole disk is.
  void damage_tail(Seq entries);
  void wipe(StoreId store);
  void pause_for(int64_t ns);
  // No write completes for so long.
  void stall_for(int64_t ns);
  bool alive() const { return core_ != nullptr; }
  bool running() const;
  std::string state() const;
  ReplicaCore* core() { return core_.get(); }
  ElectedCore* elected() { return elected_; }
  const Member& self() const { return self_; }
  uint64_t life() const { return life_; }
  int64_t local_ns() const;

  // Does nothing without a core; waits for the end of a pause.
  void step(const Event& event);
  // Releases the log up to what is committed.
  void checkpoint();
  const SimLog& durable() const { return durable_; }
  bool trusted() const { return trusted_; }
  // Has that entry, or released it.
  bool has(const LogPosition& entry) const {
    return entry.seq < seen_.base.last.seq || seen_.position(entry.seq) == entry;
  }
  // The same on its disk.
  bool keeps(const LogPosition& entry) const {
    return entry.seq < durable_.base.last.seq || durable_.position(entry.seq) == entry;
  }
  bool install(const SimLog& from);

  Result<LogSlice> read_entries(Seq from, uint64_t max_bytes) override;
  Seq first_entry() const { return durable_.base.last.seq + 1; }

  // Knobs, drawn by the world.
  int64_t clock_offset_ns = 0;
  int64_t drift_ppm = 0;
  int64_t disk_ns = 1'000'000;  // a write takes up to so long
  ReplicaOptions options;

 private:
  struct Write {
    Action action;
    int64_t done_ns;
  };

  std::string peers() const;
  void handle(const Event& event);
  void forgets(Seq last_kept);
  void acknowledges(const Message& message, Seq durable);
  void perform(const Action& action);
  void tick_later();
  void write(const Action& action, uint64_t number);
  void written(uint64_t number);
  void read(const ReadLog& read);
  void apply(const Action& action);
  void committed(const LogPosition& upto);

  ProtocolWorld& world_;
  Member self_;
  std::unique_ptr<ReplicaCore> core_;
  ElectedCore* elected_ = nullptr;
  uint64_t life_ = 0;
  int64_t paused_until_ns_ = 0;
  std::deque<Event> inbox_;  // of a pause

  HardState hard_;
  SimLog durable_;
  SimLog seen_;
  bool trusted_ = true;
  std::map<uint64_t, Write> writes_;  // by number: not durable yet
  int64_t log_free_ns_ = 0, hard_free_ns_ = 0;
  Seq applied_ = 0;
  Epoch most_promised_ = 0;  // in a message that depends on it
  Epoch acknowledged_epoch_ = 0;
  Seq acknowledged_ = 0;  // in that epoch
};

}  // namespace holdfast
