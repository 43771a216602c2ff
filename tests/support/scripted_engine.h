// ScriptedEngine: an engine whose commits a test delays, loses or fails.
//
//   hold():          appends and truncations complete only when released
//   release(n):      the oldest n held ones are durable and complete (in this call)
//   fail_next(why):  the next one to be released completes with `why`, and every write after it,
//                    of any kind, with kPoisoned (E3)
//   crash():         what was not released is lost, with its completion; open() starts anew
//
// Behind it a MemEngine that keeps its log is what survives. Other writes pass by those held: a
// checkpoint's records are durable at once.
#pragma once

#include <deque>
#include <memory>

#include "engine/mem_engine.h"

namespace holdfast {

class ScriptedEngine final : public Engine {
 public:
  ScriptedEngine() = default;
  // Goes on with what survived another one.
  explicit ScriptedEngine(std::unique_ptr<MemEngine> survivor) : mem_(std::move(*survivor)) {}

  void hold() { held_back_ = true; }
  size_t held() const { return waiting_.size(); }
  void release(size_t count);
  void release_all() { release(waiting_.size()); }
  void stop_holding();
  void fail_next(Status status) { failure_ = std::move(status); }
  void crash();
  void set_out_of_space(bool on) { out_of_space_ = on; }
  bool out_of_space() const override { return out_of_space_; }
  // A copy of what would be found after a crash now.
  std::unique_ptr<MemEngine> survivor() const { return std::make_unique<MemEngine>(mem_); }

  EngineInfo info() const override { return {"scripted", true, true, true}; }
  Result<std::vector<RecoveredShard>> open() override { return mem_.open(); }
  void close() override {}
  void append(ShardId shard, LogGroup group, Done done) override;
  Status read_log(ShardId s, Seq from, Seq to, const EntryVisitor& v) override {
    return mem_.read_log(s, from, to, v);
  }
  void truncate_suffix(ShardId s, Seq last, Done d) override;
  void release_prefix(ShardId s, Seq seq, Done d) override {
    if (!refused(d)) mem_.release_prefix(s, seq, std::move(d));
  }
  void save_hard_state(ShardId s, const HardState& h, Done d) override {
    if (!refused(d)) mem_.save_hard_state(s, h, std::move(d));
  }
  void write_records(ShardId s, const std::vector<RecordWrite>& w, RecordsDone d) override {
    if (!refused([&d](const Status& status) { d(status, {}); })) {
      mem_.write_records(s, w, std::move(d));
    }
  }
  void erase_database(ShardId s, DbId db, Done d) override {
    if (!refused(d)) mem_.erase_database(s, db, std::move(d));
  }
  void finish_checkpoint(ShardId s, const CheckpointMeta& m, Done d) override {
    if (!refused(d)) mem_.finish_checkpoint(s, m, std::move(d));
  }
  Result<std::string> read_record(ShardId s, const RecordKey& k) override {
    return mem_.read_record(s, k);
  }
  Status visit_records(ShardId s, const RecordVisitor& v) override {
    return mem_.visit_records(s, v);
  }
  uint64_t log_bytes() const override { return mem_.log_bytes(); }
  Seq first_logged(ShardId s) const override { return mem_.first_logged(s); }
  uint64_t log_bytes_of(ShardId s) const override { return mem_.log_bytes_of(s); }
  EngineStats stats() const override { return mem_.stats(); }

 private:
  struct Waiting {
    std::function<void(Done)> commit;
    Done done;
  };

  void submit(Waiting waiting);
  // Completes `done` when the engine is poisoned.
  bool refused(const Done& done) const;

  MemEngine mem_{true};
  bool held_back_ = false;
  Status failure_;
  bool poisoned_ = false;
  bool out_of_space_ = false;
  std::deque<Waiting> waiting_;
};

}  // namespace holdfast
