// How a shard starts: what its store holds is loaded, and the log behind it replayed, or, in a
// group, given to the replica. A member of a group that finds damage gives up as little as it may.
#include "replica/shard.h"

#include "base/assert.h"
#include "base/log.h"
#include "replica/record_loader.h"
#include "replica/repairs.h"
#include "replica/snapshots.h"
#include "store/entry_replay.h"

namespace holdfast {
namespace {

Status other_entry() {
  return Status::corrupt("the checkpoint's state is of another entry than the checkpoint");
}

// What an operator can do about a damaged store that others have copies of.
Status with_advice(const Status& status, bool in_group) {
  if (status.code() != Code::kCorrupt || !in_group) return status;
  return Status::corrupt(status.message() +
                         ". The group has copies: empty data.dir and start this node again, then, "
                         "on the primary, SHARD REMOVEMEMBER with its number and the store that "
                         "SHARD INFO shows of it, and SHARD ADDMEMBER with its number");
}

// A member of a group gives up what is damaged and can be had from the others, as little as it may.
Result<std::vector<RecoveredShard>> salvage_store(Engine& engine, ShardId id, const Status& damage,
                                                  Salvage how) {
  Result<std::vector<RecoveredShard>> salvaged = engine.salvage(id, how);
  if (salvaged.status().code() == Code::kInvalid) return damage;
  if (!salvaged.ok()) return salvaged.status();
  log_error(how == Salvage::kCutLog
                ? "the log is damaged: what follows is given up, and the group has to send it"
                : "the store is damaged: it is emptied, and the group has to send everything",
            {{"reason", damage.message()}});
  return salvaged;
}

}  // namespace

Result<std::vector<RecoveredShard>> open_store(Engine& engine, ShardId id, bool in_group) {
  Result<std::vector<RecoveredShard>> opened = engine.open();
  if (opened.ok()) return opened;
  if (opened.status().code() != Code::kCorrupt || !in_group) return opened.status();
  opened = salvage_store(engine, id, opened.status(), Salvage::kCutLog);
  if (!opened.ok() && opened.status().code() == Code::kCorrupt) {
    opened = salvage_store(engine, id, opened.status(), Salvage::kEmpty);
  }
  if (!opened.ok()) return with_advice(opened.status(), in_group);
  return opened;
}

Result<RecoveryReport> open_and_recover(Shard& shard) {
  Result<std::vector<RecoveredShard>> opened =
      open_store(shard.engine(), shard.id(), shard.in_group());
  if (!opened.ok()) return opened.status();
  return shard.recover(recovered_shard(opened.value(), shard.id()));
}

Result<RecoveryReport> Shard::recover(const RecoveredShard& own) {
  HF_ASSERT(own.shard == options_.id);
  const int64_t start_ns = reactor_.clock().mono_ns();
  Status status = load(own);
  if (status.code() == Code::kCorrupt && in_group() && !options_.shares_store) {
    const auto emptied = salvage_store(engine_, options_.id, status, Salvage::kEmpty);
    if (emptied.ok()) {
      forget_all();
      status = load(recovered_shard(emptied.value(), options_.id));
    } else {
      status = emptied.status();
    }
  }
  if (!status.ok()) return with_advice(status, in_group());
  recovery_.milliseconds = (reactor_.clock().mono_ns() - start_ns) / 1000000;
  return recovery_;
}

void Shard::forget_all() {
  keyspace_.track_dirty(nullptr);
  for (int db = 0; db < kDbCount; ++db) keyspace_.flush(static_cast<DbId>(db), 0);
  DbMap map;
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<DbId>(i);
  keyspace_.map_databases(map, 0);
  keyspace_.erase_library("", 0);
  committed_ = {};
  members_ = {};
  missing_.clear();
}

Status Shard::load(const RecoveredShard& recovered) {
  bool whole = true;
  Status status =
      load_checkpoint_state(recovered.checkpoint.state, &committed_, &members_, keyspace_, &whole);
  if (!status.ok()) return status;
  if (!whole) return join_emptied(recovered);
  status = load_records(recovered);
  if (!status.ok()) return status;
  try {
    return in_group() ? join_group(recovered, true) : replay(recovered);
  } catch (const ValueUnreadable& unreadable) {
    return Status::corrupt(unreadable.what());
  }
}

Status Shard::load_records(const RecoveredShard& recovered) {
  for (const auto& [db, count] : recovered.records) keyspace_.reserve(db, count);
  RecordLoader loader(keyspace_, recovered.checkpoint.seq, options_.memory_is_short);
  Status loaded;
  const Engine::RecordVisitor add = [&](const RecordKey& record, std::string_view image) {
    loaded = loader.add(record, image);
    return loaded.ok();
  };
  Status status =
      !in_group() ? engine_.visit_records(options_.id, add)
                  : engine_.visit_records_of(
                        options_.id, add, [this](const RecordKey& record, const Status& damage) {
                          log_error("a record is damaged; the group has to send it",
                                    {{"reason", damage.message()}});
                          missing_.push_back({record.db, std::string(record.key), record.ref});
                        });
  if (status.ok()) status = loaded;
  if (status.ok()) status = loader.finish();
  if (!status.ok()) return status;
  recovery_.records = loader.count();
  checkpoint_.begin_tracking(recovered.checkpoint.seq);
  loader.replace_newer();
  return {};
}

// A snapshot was to take the place of everything, and is not whole: what is there is of no use, and
// neither is this replica's word on what it has acknowledged (SnapshotReceiver).
Status Shard::join_emptied(RecoveredShard recovered) {
  if (!in_group()) {
    return Status::corrupt("the store holds a part of a snapshot: only its group can complete it");
  }
  log_warning("the store holds a part of a snapshot, and waits for a whole one", {});
  const auto failed = [this](const Status& status) {
    if (!status.ok()) fail(status);
  };
  for (int db = 0; db < kDbCount; ++db) {
    engine_.erase_database(options_.id, static_cast<DbId>(db), failed);
  }
  if (recovered.last_seq != 0) engine_.truncate_suffix(options_.id, 0, failed);
  engine_.finish_checkpoint(options_.id, {0, encode_unfinished_state(members_)}, failed);
  checkpoint_.begin_tracking(0);
  recovered.checkpoint.seq = recovered.first_seq = recovered.last_seq = 0;
  return join_group(recovered, false);
}

// Entries that are not of the checkpoint's log lie before it, if it is a snapshot's that was
// installed a moment before a crash.
Status Shard::drop_replaced_log(const RecoveredShard& recovered) {
  const LogPosition& base = committed_.last;
  if (recovered.last_seq == 0 || recovered.first_seq > base.seq) return {};
  bool same = false;
  if (recovered.last_seq >= base.seq) {
    const Status read =
        engine_.read_log(options_.id, base.seq, base.seq, [&](Seq, std::string_view entry) {
          const Result<EntryHeader> header = read_entry_header(entry);
          same = header.ok() && position_of(header.value()) == base;
          return false;
        });
    if (!read.ok()) return read;
  }
  if (!same) engine_.release_prefix(options_.id, base.seq, [](const Status&) {});
  return {};
}

// Where the log leads, behind the checkpoint. Of what cannot be read nothing is kept.
Status Shard::read_positions(const RecoveredShard& recovered, LogSummary* log) {
  if (recovered.last_seq <= log->last.seq) return {};
  Status chained;
  Status read = engine_.read_log(
      options_.id, log->last.seq + 1, recovered.last_seq, [&](Seq, std::string_view entry) {
        const Result<EntryHeader> header = read_entry_header(entry);
        chained = header.status();
        if (!chained.ok()) return false;
        if (header.value().previous_crc != log->last.crc) {
          chained = Status::corrupt("log entry " + std::to_string(log->last.seq + 1) +
                                    " does not follow the one before");
          return false;
        }
        log->advance(position_of(header.value()));
        return true;
      });
  if (read.ok()) read = chained;
  if (read.code() != Code::kCorrupt) return read;
  const Status cut = engine_.cut_log(options_.id, log->last.seq);
  if (cut.code() == Code::kInvalid) return read;
  log_error("the log is damaged: what follows is given up, and the group has to send it",
            {{"reason", read.message()}, {"kept", log->last.seq}});
  return cut;
}

// What lies behind the checkpoint is applied when the group says that it is committed.
Status Shard::join_group(const RecoveredShard& recovered, bool trusted) {
  if (Status status = drop_replaced_log(recovered); !status.ok()) return status;
  if (committed_.last.seq != recovered.checkpoint.seq) return other_entry();
  LogSummary log = committed_;
  if (Status status = read_positions(recovered, &log); !status.ok()) return status;
  HardState hard_state = recovered.hard_state;
  if (log.last.seq < recovered.last_seq) hard_state.distrusted = true;
  serves_ = false;
  last_ = committed_.last;
  checkpointed_ = releasable_ = committed_.last;
  Replica::Owner& owner = *this;
  replica_ = std::make_unique<Replica>(reactor_, engine_, *options_.random, owner, options_.hooks);
  ReplicaOptions replica = options_.replica;
  replica.shard = options_.id;
  const uint64_t store = engine_.identity();
  replica.self.store = store != 0 ? store : options_.random->next() | 1;
  checkpoint_.on_durable([this] { return replica_->core().durable(); });
  snapshots_ = std::make_unique<Snapshots>(SnapshotHost{
      reactor_, engine_, keyspace_, checkpoint_, *replica_, *options_.random, *options_.arrivals,
      options_.id, committed_, [this] { return checkpoint_state(); }, [this] { return last_.seq; },
      [this](std::string_view why) {
        if (on_replaced_) on_replaced_(why);
      },
      [this](const Status& status) { fail(status); },
      [this](DbId db, const Object& object) {
        repairs_->want(db, object.key(), object.ref(), {});
      }});
  replica_->start(replica, {hard_state, committed_.last, log, trusted, missing_.empty()}, members_);
  start_repairs();
  return {};
}

Status Shard::replay(const RecoveredShard& recovered) {
  if (committed_.last.seq != recovered.checkpoint.seq) {
    return other_entry();
  }
  EntryReplay entries(keyspace_, committed_);
  Status status;
  if (recovered.last_seq > recovered.checkpoint.seq) {
    Status applied;
    status = engine_.read_log(options_.id, recovered.checkpoint.seq + 1, recovered.last_seq,
                              [&](Seq, std::string_view entry) {
                                applied = entries.add(entry);
                                return applied.ok();
                              });
    if (status.ok()) status = applied;
    if (status.ok()) status = entries.flush();
  }
  committed_ = entries.log();
  last_ = committed_.last;
  log_clock_ms_ = entries.log_clock_ms();
  recovery_.entries = entries.count();
  return status;
}

}  // namespace holdfast
