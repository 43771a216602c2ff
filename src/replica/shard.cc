// See shard.h.
#include "replica/shard.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "replica/repairs.h"
#include "replica/snapshots.h"
#include "store/entry_replay.h"
#include "store/types/hash.h"

namespace holdfast {
Shard::Shard(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardOptions options)
    : reactor_(reactor),
      engine_(engine),
      keyspace_(keyspace),
      options_(std::move(options)),
      checkpoint_(reactor, engine, keyspace, options.id, committed_),
      cold_values_(reactor, engine, keyspace, options.id) {
  checkpoint_.on_state([this] {
    log_bytes_at_start_ = engine_.log_bytes_of(options_.id);
    return checkpoint_state();
  });
  checkpoint_.on_finished([this] { checkpoint_finished(); });
  checkpoint_.on_failure([this](const Status& status) { fail(status); });
}

Shard::~Shard() = default;

std::string Shard::checkpoint_state() const {
  const bool elects = replica_ != nullptr;
  return encode_checkpoint_state(
      committed_, elects ? replica_->core().membership_at(committed_.last.seq) : members_,
      keyspace_);
}

void Shard::emit(const Effect& effect) {
  HF_ASSERT(!failed() && serves_);  // S4: commands that write are refused before they run
  // What the effect changes is read before the entry says that it did (K4).
  if (needs_value(effect.type) && keyspace_.may_be_cold()) {
    keyspace_.find_value(effect.db, effect.key);
  }
  if (!writer_.open()) {
    ++last_.seq;  // S1
    if (pending_.empty()) pending_first_ = last_.seq;
    log_clock_ms_ = std::max(log_clock_ms_, now_ms_);
    writer_.begin({.epoch = epoch_,
                   .seq = last_.seq,
                   .log_clock_ms = log_clock_ms_,
                   .previous_crc = last_.crc});
  }
  if (observer_ != nullptr) observer_->before(*this, effect, last_.seq);
  writer_.add(effect);
  large_values_.note(effect, last_.seq, pending_.size() - effect.value.size());
  // Said in the entry too: a replay over newer images may have less in the collection than there
  // was, and could not tell when it ended.
  const bool emptied = apply(effect, last_.seq, keyspace_);
  if (emptied) writer_.add(Effect::erase(effect.db, effect.key));
  if (follower_ != nullptr) follower_->applied(*this, effect, emptied);
}

Seq Shard::end_command() {
  if (!writer_.open()) return 0;
  last_.crc = writer_.end();
  last_.epoch = epoch_;
  return last_.seq;
}

void Shard::end_own_command(std::string_view what) {
  const Seq seq = end_command();
  if (seq == 0) return;
  const int64_t now_ns = reactor_.clock().mono_ns();
  traces_.wrote({seq, 0, what, now_ns, now_ns, now_ns});
}

void Shard::submit() {
  if (failed() || deposed_) return;
  if (checkpoint_due()) checkpoint_.start();
  if (replica_ != nullptr) checkpoint_.committed();
  if (pending_.empty()) return;
  HF_ASSERT(!writer_.open());
  LogGroup group{pending_first_, last_.seq, std::move(pending_), large_values_.take()};
  pending_ = std::string();
  const uint64_t bytes = group.bytes.size();
  // The next turn will be like this one: so its entries need not be moved as they become more.
  pending_.reserve(std::min<uint64_t>(bytes + bytes / 4, kMostReserved));
  submitted_.emplace_back(last_.seq, bytes);
  GroupTrace trace{.first = group.first, .last = group.last, .epoch = epoch_, .bytes = bytes};
  trace.logged_ns = reactor_.clock().mono_ns();
  traces_.logged(trace);
  uncommitted_bytes_ += bytes;
  if (replica_ != nullptr) {
    auto entries = std::make_shared<const std::string>(std::move(group.bytes));
    replica_->propose(std::move(group), {replica_->core().last(), std::move(entries), last_});
    return;
  }
  engine_.append(options_.id, std::move(group),
                 [this, last = last_](const Status& status) { group_done(last, status); });
}

// In a group, what is not committed stays in the log however many checkpoints there are.
bool Shard::checkpoint_due() const {
  if (!engine_.info().wants_checkpoints || checkpoint_.running()) return false;
  if (in_group() && engine_.found_damage()) return true;
  if (replica_ != nullptr && committed_.last.seq <= released_) return false;
  return engine_.log_bytes_of(options_.id) >= log_bytes_kept_ + options_.checkpoint_log_bytes ||
         engine_.wants_checkpoint(options_.id);
}

// In a group, the log since the checkpoint before this one is kept for members that are behind.
void Shard::checkpoint_finished() {
  if (replica_ == nullptr) {
    engine_.release_prefix(options_.id, checkpoint_.finished_seq(), [](const Status&) {});
    return;
  }
  constexpr uint64_t kMostLogs = 8;  // checkpoints' worth of log that others may keep here
  const uint64_t before = engine_.log_bytes_of(options_.id);
  const bool short_of_room =
      engine_.wants_checkpoint(options_.id) || before > kMostLogs * options_.checkpoint_log_bytes;
  if (log_needed() >= releasable_.seq || short_of_room) {
    if (snapshots_->log_needed() < releasable_.seq) snapshots_->give_up("the log has no more room");
    replica_->step(Released{releasable_});
    if (releasable_.seq > 0) {
      engine_.release_prefix(options_.id, releasable_.seq, [](const Status&) {});
    }
  }
  released_ = releasable_.seq;
  log_bytes_kept_ = log_bytes_at_start_ -
                    std::min(log_bytes_at_start_, before - engine_.log_bytes_of(options_.id));
  releasable_ = checkpointed_;
  const Result<LogPosition> now = replica_->core().tail().position(checkpoint_.finished_seq());
  if (now.ok()) checkpointed_ = now.value();
}

// What lies behind this entry is wanted by members that are sent a snapshot or the log.
Seq Shard::log_needed() const {
  constexpr int64_t kSilenceNs = 10'000'000'000;
  Seq needed = snapshots_->log_needed();
  const int64_t now_ns = reactor_.clock().boot_ns();
  for (const PeerStatus& peer : replica_->core().peer_status()) {
    const bool follows = peer.state == "replicating" && now_ns - peer.heard_ns < kSilenceNs;
    if (follows) needed = std::min(needed, peer.next - 1);
  }
  return needed;
}

void Shard::group_done(const LogPosition& last, const Status& status) {
  if (failed()) return;
  if (status.ok()) {
    traces_.flushed(last.seq, reactor_.clock().mono_ns());
    committed(last);
  } else {
    fail(status);
  }
}

void Shard::committed(const LogPosition& upto) {
  HF_ASSERT(upto.seq >= committed_.last.seq);  // S2
  if (upto.seq > committed_.last.seq) committed_.advance(upto);
  while (!submitted_.empty() && submitted_.front().first <= upto.seq) {
    uncommitted_bytes_ -= submitted_.front().second;
    submitted_.pop_front();
  }
  if (serves_) traces_.committed(upto.seq, reactor_.clock().mono_ns(), reactor_.clock().wall_ms());
  checkpoint_.committed();
  if (snapshots_ != nullptr) snapshots_->committed();
  if (on_commit_) on_commit_();
}

// --- in a group ---

// Entries that are committed, and not this primary's own.
Status Shard::apply_upto(Seq seq) {
  EntryReplay entries(keyspace_, committed_);
  Status status;
  while (status.ok() && entries.log().last.seq < seq) {
    constexpr uint64_t kBytes = 1 << 20;
    const Result<LogSlice> slice =
        replica_->core().tail().slice(entries.log().last.seq + 1, kBytes);
    if (!slice.ok()) return slice.status();
    visit_entries(*slice.value().entries, [&](const EntryHeader& header, std::string_view entry) {
      if (header.seq > seq) return false;
      status = entries.add(entry);
      return status.ok();
    });
  }
  if (status.ok()) status = entries.flush();
  if (!status.ok()) return status;
  log_clock_ms_ = std::max(log_clock_ms_, entries.log_clock_ms());
  committed_ = entries.log();
  last_ = committed_.last;
  return {};
}

// It has no effects: there is nothing to apply.
void Shard::after_own_entry() {
  if (serves_ && last_.seq < replica_->core().last().seq) last_ = replica_->core().last();
}

std::vector<LogGroup::Large> Shard::on_received(std::string_view entries) {
  if (failed() || deposed_ || snapshots_->installing()) return {};
  LargeValues large;
  visit_entries(entries, [&](const EntryHeader& header, std::string_view entry) {
    if (!keyspace_.may_be_cold() && header.length < LogGroup::kLarge) return true;
    const Status read = read_effects(entry, keyspace_, [&](const Effect& effect) {
      const ptrdiff_t at = effect.value.empty() ? 0 : effect.value.data() - entries.data();
      large.note(effect, header.seq, static_cast<uint64_t>(at));
      fetch_ahead(effect);
    });
    return read.ok();
  });
  return large.take();
}

// Until an effect is committed there is time to read the value that it changes. What is not here by
// then is read when it is applied.
void Shard::fetch_ahead(const Effect& effect) {
  if (!keyspace_.may_be_cold() || !needs_value(effect.type)) return;
  if (cold_values_.fetching() >= ColdValues::kMaxAhead) return;
  const Object* object = keyspace_.find(effect.db, effect.key);
  if (object != nullptr && object->cold()) {
    cold_values_.fetch(effect.db, effect.key, *object, {});
  }
}

void Shard::on_committed(const LogPosition& upto) {
  if (failed() || deposed_ || snapshots_->installing() || repairs_->holds_up()) return;
  if (last_.seq < upto.seq) {
    Status applied;
    try {
      applied = apply_upto(upto.seq);
    } catch (const ValueUnreadable&) {
      // The same entries are applied again when the value is there, over what they did already.
      repairs_->hold_up(true);
      set_whole(false);
      return;
    }
    if (!applied.ok()) {
      if (!deposed_) fail(applied);
      return;
    }
  }
  committed(upto);
  set_whole(true);
  repairs_->applied();
  if (serves_ || !replica_->core().ready()) return;
  HF_ASSERT(last_ == replica_->core().last());
  epoch_ = replica_->core().epoch();
  serves_ = true;
  if (on_serving_) on_serving_(true);
}

void Shard::on_copy(NodeId at, Seq upto) {
  if (!serves_) return;
  const int64_t now_ns = reactor_.clock().mono_ns();
  if (at == replica_->core().self().node) {
    traces_.flushed(upto, now_ns);
  } else {
    traces_.copied(at, upto, now_ns);
  }
}

void Shard::on_role(Role role) {
  snapshots_->role_changed();
  if (!serves_ || role == Role::kPrimary) return;
  serves_ = false;
  if (last_.seq > committed_.last.seq) {
    deposed_ = true;
    // Whose store failed is told of that, a moment later.
    if (role != Role::kPoisoned && on_deposed_) on_deposed_();
  }
  if (on_serving_) on_serving_(false);
}

void Shard::on_send_snapshot(const Member& to) { snapshots_->send_to(to); }

void Shard::on_snapshot(const Message& message) {
  if (!failed() && !deposed_) snapshots_->receive(message);
}

// --- damage ---

void Shard::start_repairs() {
  repairs_ = std::make_unique<Repairs>(
      Repairs::Host{reactor_, engine_, keyspace_, checkpoint_, *replica_, options_.id, committed_,
                    [this] { return exact(); }, [this] { return serves_; },
                    [this] { on_committed(replica_->core().committed()); }});
  cold_values_.on_damaged(
      [this](DbId db, std::string_view key, RecordRef ref, const Repairs::Done& done) {
        repairs_->want(db, key, ref, done);
      });
  checkpoint_.on_damaged([this](DbId db, const KeyRef& key, RecordRef ref) {
    repairs_->want(db, key.bytes, ref, {});
  });
  for (const MissingRecord& one : missing_) repairs_->want_missing(one.db, one.key, one.ref);
  missing_.clear();
}

// Records may be newer than the checkpoint that they were found in: since the start the keyspace
// has come to what it shows when it has everything that was committed at a moment after that. So
// says the commit index of a leader that has committed an entry of its own epoch.
bool Shard::exact() {
  if (failed() || deposed_ || snapshots_->installing()) return false;
  const ReplicaCore& core = replica_->core();
  const Seq told = core.leader_commit();
  const LogPosition& applied = committed_.last;
  if (serves_ || (told != 0 && told <= applied.seq && applied.epoch == core.epoch())) exact_ = true;
  return exact_;
}

bool Shard::shows_committed() {
  return replica_ != nullptr && !serves_ && replica_->core().whole() && !repairs_->holds_up() &&
         exact();
}

// Without its whole state this replica may follow, and nothing else.
void Shard::set_whole(bool whole) {
  if (replica_->core().whole() != whole) replica_->step(StateWhole{whole});
}

void Shard::on_repair(const Message& message) { repairs_->receive(message); }

// Who serves has applied all of its log: what of it cannot be read is not sent to others, who get
// a snapshot. Who follows may need it: its next start cuts the log there.
void Shard::on_log_damaged(const Status& status) {
  log_error("an entry of the log cannot be read back", {{"reason", status.message()}});
  if (serves_ || failed() || deposed_) return;
  deposed_ = true;
  if (on_replaced_) on_replaced_("its log is damaged");
}

// --- what is in the log, for operators ---

Seq Shard::first_logged() const {
  const Seq first =
      replica_ != nullptr ? replica_->core().tail().base().seq + 1 : engine_.first_logged(id());
  return first <= commit_seq() ? first : 0;
}

Status Shard::read_committed(Seq from, Seq to, const Engine::EntryVisitor& visit) {
  const Seq first = first_logged();
  if (first == 0 || from < first || to > commit_seq() || from > to) {
    return Status::not_found("the log does not hold these entries");
  }
  if (replica_ == nullptr) return engine_.read_log(id(), from, to, visit);
  constexpr uint64_t kBytes = 256 << 10;  // what is committed may be on other devices than this
  for (Seq next = from; next <= to;) {
    const Result<LogSlice> slice = replica_->core().tail().slice(next, kBytes);
    if (!slice.ok()) return slice.status();
    bool more = true;
    visit_entries(*slice.value().entries, [&](const EntryHeader& header, std::string_view entry) {
      more = header.seq <= to && visit(header.seq, entry);
      return more;
    });
    if (!more) break;
    next = slice.value().last.seq + 1;
  }
  return {};
}

void Shard::disconnected(const Member& member) {
  if (snapshots_ != nullptr) snapshots_->disconnected(member);
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
  if (!accepts_writes()) return 0;
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
      end_own_command("expire-cycle");
      if (reactor_.clock().mono_ns() >= deadline_ns) {
        *more = true;
        return erased;
      }
    }
  }
  end_own_command("expire-cycle");
  return erased;
}

uint64_t Shard::expire_due_fields(int64_t now_ms, int64_t budget_us, const FieldsVisitor& expired,
                                  bool* more) {
  constexpr uint32_t kPerEntry = 64;
  *more = false;
  if (!accepts_writes()) return 0;
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
      end_own_command("expire-cycle");
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
