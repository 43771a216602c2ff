// See sim_replica.h.
#include "tests/sim/sim_replica.h"

#include <algorithm>

#include "tests/sim/protocol_world.h"

namespace holdfast {

// --- SimLog ---

void SimLog::append(const LogSlice& slice) {
  visit_entries(*slice.entries, [&](const EntryHeader& header, std::string_view entry) {
    entries.emplace_back(position_of(header), std::make_shared<const std::string>(entry));
    return true;
  });
}

void SimLog::truncate(Seq last_kept) {
  while (!entries.empty() && entries.back().first.seq > last_kept) entries.pop_back();
}

void SimLog::release(Seq upto, const Membership& members) {
  size_t count = 0;
  while (count < entries.size() && entries[count].first.seq <= upto) {
    base.advance(entries[count].first);
    ++count;
  }
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count));
  base_members = members;
}

LogSummary SimLog::summary() const {
  LogSummary log = base;
  for (const auto& entry : entries) log.advance(entry.first);
  return log;
}

LogPosition SimLog::position(Seq seq) const {
  if (seq == base.last.seq) return base.last;
  const Seq first = base.last.seq + 1;
  if (seq < first || seq >= first + entries.size()) return {};
  return entries[seq - first].first;
}

// --- life ---

SimReplica::SimReplica(ProtocolWorld& world, Member self) : world_(world), self_(self) {
  durable_.base_members = world.first_members();
  seen_ = durable_;
}

int64_t SimReplica::local_ns() const {
  return world_.now() + clock_offset_ns + world_.now() / 1'000'000 * drift_ppm;
}

void SimReplica::start() {
  ++life_;
  paused_until_ns_ = 0;
  seen_ = durable_;
  applied_ = durable_.base.last.seq;
  if (hard_.promised_epoch < most_promised_) world_.violation("I9: a promise was forgotten");
  trusted_ = !hard_.distrusted;
  ReplicaState state{hard_, durable_.base.last, durable_.summary()};
  options.self = self_;
  if (world_.coordinated()) {
    core_ = std::make_unique<CoordinatedCore>(options, std::move(state), *this, world_.random(),
                                              local_ns());
  } else {
    auto core = std::make_unique<ElectedCore>(options, std::move(state), durable_.base_members,
                                              *this, world_.random(), local_ns());
    elected_ = core.get();
    core_ = std::move(core);
  }
  world_.note(self_, "starts at " + std::to_string(durable_.last().seq));
  tick_later();
}

void SimReplica::tick_later() {
  world_.after(10 * ProtocolWorld::kMs, [this, life = life_] {
    if (life != life_ || !alive()) return;
    step(Tick{});
    tick_later();
  });
}

// Of the writes on their way a beginning survives.
void SimReplica::crash() {
  uint64_t kept = world_.random().below(writes_.size() + 1);
  for (const auto& [number, write] : writes_) {
    if (kept-- == 0) break;
    apply(write.action);
  }
  writes_.clear();
  log_free_ns_ = hard_free_ns_ = 0;
  core_.reset();
  inbox_.clear();
  elected_ = nullptr;
  ++life_;
}

void SimReplica::damage_tail(Seq entries) {
  durable_.truncate(durable_.last().seq - std::min<Seq>(entries, durable_.entries.size()));
  trusted_ = false;
  hard_.distrusted = true;
  acknowledged_ = 0;  // what is lost is not for the core to keep
}

void SimReplica::wipe(StoreId store) {
  self_.store = store;
  hard_ = {};
  most_promised_ = 0;
  trusted_ = true;
  durable_ = {};
  if (!world_.coordinated()) durable_.base_members = world_.first_members();
}

void SimReplica::pause_for(int64_t ns) {
  paused_until_ns_ = world_.now() + ns;
  world_.after(ns, [this, life = life_] {
    while (life == life_ && running() && !inbox_.empty()) {
      const Event event = std::move(inbox_.front());
      inbox_.pop_front();
      handle(event);
    }
  });
}

void SimReplica::stall_for(int64_t ns) { log_free_ns_ = hard_free_ns_ = world_.now() + ns; }

bool SimReplica::running() const { return alive() && world_.now() >= paused_until_ns_; }

void SimReplica::step(const Event& event) {
  if (!alive()) return;
  if (running() && inbox_.empty()) {
    handle(event);
  } else {
    inbox_.push_back(event);
  }
}

void SimReplica::handle(const Event& event) {
  ReplicaCore::Actions actions;
  core_->step(event, local_ns(), &actions);
  const uint64_t life = life_;
  for (const Action& action : actions) {
    perform(action);
    if (life != life_) return;
  }
  if (core_ == nullptr) return;
  if (core_->trusted() && !hard_.distrusted) trusted_ = true;
  if (std::holds_alternative<Received>(event) && core_->leader() == self_) {
    world_.heard_copies(*this);
  }
}

// --- what the core asks for ---

void SimReplica::perform(const Action& action) {
  if (const auto* send = std::get_if<Send>(&action)) {
    const MessageBody& body = send->message.body;
    if (const auto* ok = std::get_if<PrepareOk>(&body)) acknowledges(send->message, ok->durable);
    if (const auto* ok = std::get_if<HeartbeatOk>(&body)) acknowledges(send->message, ok->durable);
    const auto* vote = std::get_if<Vote>(&body);
    const bool promises = std::holds_alternative<PrepareOk>(body) ||
                          std::holds_alternative<FenceOk>(body) ||
                          (vote != nullptr && vote->granted && !vote->pre);
    if (promises) most_promised_ = std::max(most_promised_, send->message.epoch);
    world_.send(send->message);
  } else if (const auto* append = std::get_if<AppendLog>(&action)) {
    seen_.append(append->slice);
    write(action, append->write);
    const EntryHeader first = peek_entry_header(*append->slice.entries);
    const bool own = core_->leader() == self_;
    if (own && first.kind == EntryKind::kMembers) world_.changed_members(*this);
  } else if (const auto* cut = std::get_if<TruncateLog>(&action)) {
    world_.mark("suffixes truncated");
    forgets(cut->last_kept);
    seen_.truncate(cut->last_kept);
    write(action, cut->write);
  } else if (const auto* save = std::get_if<SaveHardState>(&action)) {
    write(action, save->write);
  } else if (const auto* commit = std::get_if<Committed>(&action)) {
    committed(commit->upto);
  } else if (const auto* role = std::get_if<RoleChanged>(&action)) {
    world_.note(self_, "is " + std::string(role_name(role->role)) + " of epoch " +
                           std::to_string(role->epoch));
    if (role->role == Role::kPrimary) world_.became_primary(*this);
  } else if (const auto* ready = std::get_if<ReadReady>(&action)) {
    world_.read_ready(*this, ready->token, ready->ok);
  } else if (const auto* log_read = std::get_if<ReadLog>(&action)) {
    world_.mark("entries read back");
    world_.after(1 + world_.up_to(disk_ns), [this, read = *log_read, life = life_] {
      if (life == life_) this->read(read);
    });
  } else if (const auto* snapshot = std::get_if<SendSnapshot>(&action)) {
    world_.send_snapshot(*this, snapshot->to);
  }
}

void SimReplica::acknowledges(const Message& message, Seq durable) {
  const LogPosition at = durable_.position(durable);
  if (durable > durable_.last().seq) {
    world_.violation("I2: " + std::to_string(durable) + " is not durable");
  }
  if (acknowledged_epoch_ != message.epoch) acknowledged_ = 0;
  acknowledged_epoch_ = message.epoch;
  acknowledged_ = std::max(acknowledged_, durable);
  SimReplica* leader = world_.find(message.to);
  if (leader == nullptr || !leader->alive() || leader->core()->epoch() != message.epoch) return;
  if (leader->core()->leader() != leader->self() || at.seq == 0) return;
  if (!leader->has(at)) {
    world_.violation("I3: " + std::to_string(durable) + " is not the leader's");
  }
}

void SimReplica::forgets(Seq last_kept) {
  if (core_->epoch() == acknowledged_epoch_ && last_kept < acknowledged_) {
    world_.violation("I26: " + std::to_string(acknowledged_) + " was acknowledged, but only " +
                     std::to_string(last_kept) + " is kept");
  }
}

void SimReplica::write(const Action& action, uint64_t number) {
  const bool hard = std::holds_alternative<SaveHardState>(action);
  int64_t& free = hard ? hard_free_ns_ : log_free_ns_;
  free = std::max(free, world_.now() + 1 + world_.up_to(disk_ns));
  writes_.emplace(number, Write{action, free});
  world_.after(free - world_.now(), [this, number, life = life_] {
    if (life == life_) written(number);
  });
}

void SimReplica::written(uint64_t number) {
  const auto found = writes_.find(number);
  apply(found->second.action);
  writes_.erase(found);
  step(Written{number});
}

void SimReplica::apply(const Action& action) {
  if (const auto* append = std::get_if<AppendLog>(&action)) {
    durable_.append(append->slice);
  } else if (const auto* cut = std::get_if<TruncateLog>(&action)) {
    durable_.truncate(cut->last_kept);
  } else {
    hard_ = std::get<SaveHardState>(action).state;
  }
}

void SimReplica::committed(const LogPosition& upto) {
  for (Seq seq = applied_ + 1; seq <= upto.seq; ++seq) world_.committed(*this, seen_.position(seq));
  applied_ = upto.seq;
}

void SimReplica::checkpoint() {
  if (!running() || !inbox_.empty()) return;
  const Seq upto = std::min({core_->committed().seq, core_->durable(), applied_});
  if (upto <= durable_.base.last.seq) return;
  const Membership members = elected_ != nullptr ? elected_->membership_at(upto) : Membership{};
  durable_.release(upto, members);
  seen_.release(upto, members);
  world_.mark("logs released");
  step(Released{durable_.base.last});
}

std::string SimReplica::state() const {
  std::string text = std::to_string(self_.node) + "/" + std::to_string(self_.store);
  if (core_ == nullptr) return text + " down";
  return text + " " + std::string(role_name(core_->role())) + " epoch " +
         std::to_string(core_->epoch()) + " last " + std::to_string(core_->last().epoch) + "." +
         std::to_string(core_->last().seq) + " durable " + std::to_string(core_->durable()) +
         " committed " + std::to_string(core_->committed().seq) + " base " +
         std::to_string(seen_.base.last.seq) + (core_->trusted() ? "" : " untrusted") +
         (running() ? "" : " paused") + peers();
}

std::string SimReplica::peers() const {
  std::string text = "; members";
  for (const Member& member : core_->members()) text += " " + std::to_string(member.node);
  for (const PeerStatus& peer : core_->peer_status()) {
    text += "; " + std::to_string(peer.member.node) + " " + std::string(peer.state) + " next " +
            std::to_string(peer.next) + " durable " + std::to_string(peer.durable);
  }
  return text;
}

bool SimReplica::install(const SimLog& from) {
  if (!running() || !writes_.empty() || !core_->wants_snapshot(from.base.last)) return false;
  forgets(from.base.last.seq);
  durable_ = {from.base, from.base_members, {}};
  seen_ = durable_;
  applied_ = from.base.last.seq;
  step(SnapshotInstalled{from.base, from.base_members});
  return true;
}

void SimReplica::read(const ReadLog& read) {
  const Result<LogSlice> slice = read_entries(read.from, read.max_bytes);
  step(LogRead{read.read, slice.status(), slice.ok() ? slice.value().entries : nullptr});
}

Result<LogSlice> SimReplica::read_entries(Seq from, uint64_t max_bytes) {
  if (durable_.position(from).seq == 0 || from == durable_.base.last.seq) {
    return Status::not_found("released");
  }
  LogSlice slice;
  std::string bytes;
  for (size_t i = from - first_entry(); i < durable_.entries.size(); ++i) {
    const auto& [position, entry] = durable_.entries[i];
    if (!bytes.empty() && bytes.size() + entry->size() > max_bytes) break;
    bytes += *entry;
    slice.last = position;
  }
  slice.entries = std::make_shared<const std::string>(std::move(bytes));
  return slice;
}

}  // namespace holdfast
