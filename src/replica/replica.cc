// See replica.h.
#include "replica/replica.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "replica/coordinated_core.h"
#include "replica/elected_core.h"

namespace holdfast {
namespace {

constexpr int64_t kTickMs = 20;

}  // namespace

Replica::Replica(Reactor& reactor, Engine& engine, Random& random, Owner& owner, ReplicaHooks hooks)
    : reactor_(reactor),
      engine_(engine),
      random_(random),
      owner_(owner),
      hooks_(std::move(hooks)) {}

Replica::~Replica() { *alive_ = false; }

void Replica::start(const ReplicaOptions& options, ReplicaState state, Membership members) {
  HF_ASSERT(core_ == nullptr);
  shard_ = options.shard;
  silent_ns_ = options.silent_ns;
  logged_ = state.log.last.seq;
  if (options.coordinated) {
    core_ = std::make_unique<CoordinatedCore>(options, std::move(state), *this, random_, now_ns());
  } else {
    core_ = std::make_unique<ElectedCore>(options, std::move(state), std::move(members), *this,
                                          random_, now_ns());
  }
  tick_later();
}

void Replica::tick_later() {
  reactor_.run_after(kTickMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    step(Tick{});
    tick_later();
  });
}

void Replica::step(const Event& event) {
  if (core_ == nullptr || failed_) return;
  if (acting_) {
    events_.push_back(event);
    return;
  }
  if (std::holds_alternative<ChangeMembers>(event)) owner_.before_own_entry();
  acting_ = true;
  handle(event);
  while (!events_.empty() && !failed_) {
    const Event next = std::move(events_.front());
    events_.pop_front();
    handle(next);
  }
  acting_ = false;
}

void Replica::handle(const Event& event) {
  ReplicaCore::Actions actions;
  core_->step(event, now_ns(), &actions);
  lease_end_ns_ = core_->lease_end_ns();
  for (Action& action : actions) perform(action);
  if (std::holds_alternative<ChangeMembers>(event)) owner_.after_own_entry();
}

void Replica::receive(const Message& message) {
  const MessageBody& body = message.body;
  const bool snapshot =
      std::holds_alternative<SnapshotBegin>(body) || std::holds_alternative<SnapshotChunk>(body) ||
      std::holds_alternative<SnapshotEnd>(body) || std::holds_alternative<SnapshotOk>(body);
  const bool repair =
      std::holds_alternative<GetRecord>(body) || std::holds_alternative<RecordIs>(body);
  if (!snapshot && !repair) {
    note_copy(message);
    step(Received{message});
    return;
  }
  if (core_ == nullptr || failed_) return;
  if (message.shard != shard_ || message.to != core_->self()) return;
  if (snapshot) {
    owner_.on_snapshot(message);
  } else {
    owner_.on_repair(message);
  }
}

void Replica::note_copy(const Message& message) {
  if (core_ == nullptr || message.shard != shard_ || message.to != core_->self()) return;
  if (message.epoch != core_->epoch()) return;
  if (const auto* ok = std::get_if<PrepareOk>(&message.body)) {
    owner_.on_copy(message.from.node, ok->durable);
  } else if (const auto* beat = std::get_if<HeartbeatOk>(&message.body)) {
    owner_.on_copy(message.from.node, beat->durable);
  }
}

void Replica::send(MessageBody body, const Member& to) {
  hooks_.send({shard_, core_->epoch(), core_->self(), to, std::move(body)});
}

bool Replica::hand_over() {
  if (core_ == nullptr || failed_ || !core_->serving()) return false;
  const std::vector<Member>& members = core_->members();
  Member to;
  Seq most = 0;
  for (const PeerStatus& peer : core_->peer_status()) {
    const bool votes = std::find(members.begin(), members.end(), peer.member) != members.end();
    const bool heard = now_ns() - peer.heard_ns < silent_ns_;
    if (!votes || !heard || peer.durable < most) continue;
    to = peer.member;
    most = peer.durable;
  }
  if (to.valid()) step(HandOver{to});
  return to.valid();
}

void Replica::propose(LogGroup group, LogSlice slice) {
  HF_ASSERT(!acting_);
  proposed_ = std::move(group);
  step(Proposed{std::move(slice)});
}

Engine::Done Replica::when_written(uint64_t write, Seq upto) {
  return [this, write, upto, alive = std::weak_ptr<bool>(alive_)](const Status& status) {
    if (alive.expired() || failed_) return;
    if (status.ok()) {
      if (upto != 0) owner_.on_copy(core_->self().node, upto);
      step(Written{write});
      return;
    }
    step(StoreFailed{});
    failed_ = true;
    owner_.on_store_failed(status);
  };
}

void Replica::append(const AppendLog& append) {
  LogGroup group;
  if (proposed_.first == append.slice.previous.seq + 1) {
    group = std::move(proposed_);
  } else {
    group = {append.slice.previous.seq + 1,
             append.slice.last.seq,
             {},
             owner_.on_received(*append.slice.entries)};
  }
  proposed_ = {};
  group.bytes = *append.slice.entries;
  logged_ = group.last;
  engine_.append(shard_, std::move(group), when_written(append.write, append.slice.last.seq));
}

void Replica::perform(Action& action) {
  if (auto* send = std::get_if<Send>(&action)) {
    hooks_.send(send->message);
  } else if (const auto* log = std::get_if<AppendLog>(&action)) {
    append(*log);
  } else if (const auto* cut = std::get_if<TruncateLog>(&action)) {
    log_info("log truncated", {{"shard", uint64_t{shard_}}, {"kept", cut->last_kept}});
    logged_ = cut->last_kept;
    engine_.truncate_suffix(shard_, cut->last_kept, when_written(cut->write, 0));
  } else if (const auto* save = std::get_if<SaveHardState>(&action)) {
    engine_.save_hard_state(shard_, save->state, when_written(save->write, 0));
  } else if (const auto* committed = std::get_if<Committed>(&action)) {
    owner_.on_committed(committed->upto);
  } else if (const auto* role = std::get_if<RoleChanged>(&action)) {
    log_info(
        "role",
        {{"shard", uint64_t{shard_}}, {"role", role_name(role->role)}, {"epoch", role->epoch}});
    owner_.on_role(role->role);
  } else if (const auto* log_read = std::get_if<ReadLog>(&action)) {
    read(*log_read);
  } else if (const auto* snapshot = std::get_if<SendSnapshot>(&action)) {
    owner_.on_send_snapshot(snapshot->to);
  }
}

void Replica::read(const ReadLog& read) {
  const auto done = [this, number = read.read,
                     alive = std::weak_ptr<bool>(alive_)](Result<std::string> entries) {
    if (alive.expired() || failed_) return;
    note_damage(entries.status());
    if (!entries.ok()) return step(LogRead{number, entries.status(), nullptr});
    step(LogRead{number, {}, std::make_shared<const std::string>(std::move(entries.value()))});
  };
  engine_.fetch_log(shard_, read.from, logged_, read.max_bytes, done);
}

void Replica::note_damage(const Status& read) {
  if (!read.ok() && read.code() != Code::kNotFound) owner_.on_log_damaged(read);
}

Result<LogSlice> Replica::read_entries(Seq from, uint64_t max_bytes) {
  LogSlice slice;
  std::string bytes;
  const Status read = engine_.read_log(shard_, from, logged_, [&](Seq, std::string_view entry) {
    if (!bytes.empty() && bytes.size() + entry.size() > max_bytes) return false;
    bytes.append(entry);
    slice.last = position_of(peek_entry_header(entry));
    return bytes.size() < max_bytes;
  });
  note_damage(read);
  if (!read.ok()) return read;
  slice.entries = std::make_shared<const std::string>(std::move(bytes));
  return slice;
}

}  // namespace holdfast
