// See shard.h.
#include "replica/shard.h"

#include <algorithm>

#include "base/assert.h"
#include "replica/record_loader.h"
#include "store/entry_replay.h"
#include "store/types/hash.h"

namespace holdfast {

Shard::Shard(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardOptions options)
    : reactor_(reactor),
      engine_(engine),
      keyspace_(keyspace),
      options_(std::move(options)),
      checkpoint_(reactor, engine, keyspace, options.id, commit_seq_),
      cold_values_(reactor, engine, keyspace, options.id) {
  checkpoint_.on_failure([this](const Status& status) { fail(status); });
}

Result<RecoveryReport> Shard::recover() {
  const int64_t start_ns = reactor_.clock().mono_ns();
  Result<std::vector<RecoveredShard>> opened = engine_.open();
  if (!opened.ok()) return opened.status();
  RecoveredShard own;
  for (const RecoveredShard& shard : opened.value()) {
    if (shard.shard == options_.id) own = shard;
  }
  Status status = load_checkpoint_state(own.checkpoint.state, keyspace_);
  if (status.ok()) status = load_records(own);
  try {
    if (status.ok()) status = replay(own);
  } catch (const ValueUnreadable& unreadable) {
    status = Status::corrupt(unreadable.what());
  }
  if (!status.ok()) return status;
  recovery_.milliseconds = (reactor_.clock().mono_ns() - start_ns) / 1000000;
  return recovery_;
}

Status Shard::load_records(const RecoveredShard& recovered) {
  for (const auto& [db, count] : recovered.records) keyspace_.reserve(db, count);
  RecordLoader loader(keyspace_, recovered.checkpoint.seq, options_.memory_is_short);
  Status loaded;
  Status status =
      engine_.visit_records(options_.id, [&](const RecordKey& record, std::string_view image) {
        loaded = loader.add(record, image);
        return loaded.ok();
      });
  if (status.ok()) status = loaded;
  if (status.ok()) status = loader.finish();
  if (!status.ok()) return status;
  recovery_.records = loader.count();
  checkpoint_.begin_tracking(recovered.checkpoint.seq);
  loader.replace_newer();
  return {};
}

Status Shard::replay(const RecoveredShard& recovered) {
  last_seq_ = std::max(recovered.checkpoint.seq, recovered.last_seq);
  commit_seq_ = last_seq_;
  if (recovered.last_seq <= recovered.checkpoint.seq) return {};
  EntryReplay entries(keyspace_);
  Status applied;
  Status status = engine_.read_log(options_.id, recovered.checkpoint.seq + 1, recovered.last_seq,
                                   [&](Seq seq, std::string_view entry) {
                                     applied = entries.add(seq, entry);
                                     return applied.ok();
                                   });
  if (status.ok()) status = applied;
  if (status.ok()) status = entries.flush();
  log_clock_ms_ = entries.log_clock_ms();
  recovery_.entries = entries.count();
  return status;
}

void Shard::emit(const Effect& effect) {
  HF_ASSERT(!failed());  // S4: commands that write are refused before they run
  const bool needs_value = effect.type == EffectType::kWriteRange ||
                           effect.type == EffectType::kSetExpiry || edits_collection(effect.type);
  // What the effect changes is read before the entry says that it did (K4).
  if (needs_value && keyspace_.may_be_cold()) keyspace_.find_value(effect.db, effect.key);
  if (!writer_.open()) {
    ++last_seq_;  // S1
    if (pending_.empty()) pending_first_ = last_seq_;
    log_clock_ms_ = std::max(log_clock_ms_, now_ms_);
    writer_.begin(epoch_, last_seq_, log_clock_ms_);
  }
  if (observer_ != nullptr) observer_->before(effect, last_seq_);
  writer_.add(effect);
  note_large(effect);
  // Said in the entry too: a replay over newer images may have less in the collection than there
  // was, and could not tell when it ended.
  const bool emptied = apply(effect, last_seq_, keyspace_);
  if (emptied) writer_.add(Effect::erase(effect.db, effect.key));
  if (follower_ != nullptr) follower_->applied(effect, emptied);
}

// Large values of the turn, for the engine to write once. What an entry says of the key afterwards
// makes the value's image another one than the object's.
void Shard::note_large(const Effect& effect) {
  for (auto at = pending_large_.rbegin(); at != pending_large_.rend() && at->seq == last_seq_;
       ++at) {
    const bool same =
        effect.type == EffectType::kFlushDb ||
        (has_key(effect.type) && at->slot == effect.key.slot && at->key == effect.key.bytes);
    if (same && at->db == effect.db) at->final = false;
  }
  const uint64_t size = effect.value.size();
  if (effect.type != EffectType::kPutString || size < LogGroup::kLarge) return;
  pending_large_.push_back({pending_.size() - size, size, last_seq_, effect.db, effect.key.slot,
                            std::string(effect.key.bytes),
                            string_record_head(last_seq_, effect.expire_at_ms, size)});
}

Seq Shard::end_command() {
  if (!writer_.open()) return 0;
  writer_.end();
  return last_seq_;
}

void Shard::submit() {
  if (failed()) return;
  if (checkpoint_due()) checkpoint_.start();
  if (pending_.empty()) return;
  HF_ASSERT(!writer_.open());
  LogGroup group{pending_first_, last_seq_, std::move(pending_), std::move(pending_large_)};
  pending_ = std::string();
  pending_large_.clear();
  const Seq last = group.last;
  const uint64_t bytes = group.bytes.size();
  // The next turn will be like this one: so its entries need not be moved as they become more.
  pending_.reserve(std::min<uint64_t>(bytes + bytes / 4, kMostReserved));
  uncommitted_bytes_ += bytes;
  engine_.append(options_.id, std::move(group),
                 [this, last, bytes](const Status& status) { group_done(last, bytes, status); });
}

bool Shard::checkpoint_due() const {
  if (!engine_.info().wants_checkpoints || checkpoint_.running()) return false;
  return engine_.log_bytes() >= options_.checkpoint_log_bytes || engine_.wants_checkpoint();
}

void Shard::group_done(Seq last, uint64_t bytes, const Status& status) {
  if (failed()) return;
  if (!status.ok()) {
    fail(status);
    return;
  }
  HF_ASSERT(last > commit_seq_);  // S2
  commit_seq_ = last;
  uncommitted_bytes_ -= bytes;
  checkpoint_.committed();
  if (on_commit_) on_commit_();
}

void Shard::fail(const Status& status) {
  if (failed()) return;
  failure_ = status;
  if (on_failure_) on_failure_(failure_);
}

uint64_t Shard::expire_due(int64_t now_ms, int64_t budget_us, const KeyVisitor& expiring,
                           bool* more) {
  constexpr int kPerEntry = 64;  // erases that share an entry, and a look at the clock
  *more = false;
  if (failed()) return 0;
  const int64_t deadline_ns = reactor_.clock().mono_ns() + budget_us * 1000;
  uint64_t erased = 0;
  begin_command(now_ms);
  for (int i = 0; i < kDbCount; ++i) {
    const auto db = static_cast<DbId>(i);
    while (Object* object = keyspace_.next_due(db, now_ms)) {
      const KeyRef key = keyspace_.key(object->key());
      if (expiring) expiring(db, key);
      emit(Effect::erase(db, key));
      if (++erased % kPerEntry != 0) continue;
      end_command();
      if (reactor_.clock().mono_ns() >= deadline_ns) {
        *more = true;
        return erased;
      }
    }
  }
  end_command();
  return erased;
}

uint64_t Shard::expire_due_fields(int64_t now_ms, int64_t budget_us, const FieldsVisitor& expired,
                                  bool* more) {
  constexpr uint32_t kPerEntry = 64;
  *more = false;
  if (failed()) return 0;
  const int64_t deadline_ns = reactor_.clock().mono_ns() + budget_us * 1000;
  uint64_t deleted = 0;
  std::string fields;
  for (int i = 0; i < kDbCount; ++i) {
    const auto db = static_cast<DbId>(i);
    while (Object* hash = keyspace_.next_hash_due(db, now_ms)) {
      begin_command(now_ms);
      const std::string name(hash->key());  // the object may go
      const KeyRef key = keyspace_.key(name);
      fields.clear();
      const uint32_t taken = hash_take_due(hash->collection(), now_ms, kPerEntry, &fields);
      const bool emptied = taken == hash_size(hash->collection());
      emit(Effect::edit(EffectType::kHashDelete, db, key, fields));
      end_command();
      deleted += taken;
      if (expired) expired(db, key, emptied);
      if (reactor_.clock().mono_ns() < deadline_ns) continue;
      *more = true;
      return deleted;
    }
  }
  return deleted;
}

bool Shard::expire_fields(DbId db, const KeyRef& key, const Object& hash, int64_t now_ms) {
  std::string fields;
  const uint32_t taken = hash_take_due(hash.collection(), now_ms, UINT32_MAX, &fields);
  const bool emptied = taken == hash_size(hash.collection());
  emit(Effect::edit(EffectType::kHashDelete, db, key, fields));
  return emptied;
}

}  // namespace holdfast
