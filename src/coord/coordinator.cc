// See coordinator.h.
#include "coord/coordinator.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"

namespace holdfast {
namespace {

constexpr int64_t kTickMs = 10;
constexpr DbId kDb = 0;
constexpr std::string_view kMapKey = "map";

std::string history_key(uint64_t revision) { return "history:" + std::to_string(revision); }

}  // namespace

Coordinator::Coordinator(Reactor& reactor, Shard& shard, PeerNet& peers,
                         const ClusterCore::Options& options)
    : reactor_(reactor), shard_(shard), peers_(peers), core_(options) {
  reactor_.add_turn_end([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) look();
  });
  tick_later();
}

Coordinator::~Coordinator() { *alive_ = false; }

void Coordinator::tick_later() {
  reactor_.run_after(kTickMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    ClusterCore::Actions actions;
    core_.tick(now_ns(), &actions);
    act(actions);
    tell_what_waits();
    tick_later();
  });
}

void Coordinator::tell_what_waits() {
  const std::string waits = core_.leading() ? core_.waits_for() : std::string();
  if (waits == told_) return;
  told_ = waits;
  if (!core_.leading()) return;
  if (waits.empty()) {
    log_info("the cluster waits for nothing any more");
  } else {
    log_warning("the cluster waits", {{"for", waits}});
  }
}

// Whether this coordinator leads, and what of its proposals is committed, is seen at the end of
// every turn.
void Coordinator::look() {
  const bool serves = shard_.serves() && !shard_.failed();
  if (core_.leading() && !serves) {
    log_info("this coordinator leads the cluster no more");
    core_.resign();
    to_log_ = false;
    logged_ = 0;
  }
  if (!core_.leading() && serves) {
    ClusterMap map;
    if (const std::string bytes = stored(kMapKey); !bytes.empty()) {
      Result<ClusterMap> decoded = decode_cluster_map(bytes);
      HF_ASSERT(decoded.ok());  // the engine has checked the bytes
      map = std::move(decoded.value());
    }
    log_info("this coordinator leads the cluster", {{"revision", map.revision}});
    ClusterCore::Actions actions;
    core_.lead(std::move(map), now_ns(), &actions);
    act(actions);
  }
  if (to_log_) log_proposal();
  while (logged_ != 0 && (shard_.commit_seq() >= logged_ || mutant(Mutant::kActOnProposal))) {
    logged_ = 0;
    ClusterCore::Actions actions;
    core_.decided(now_ns(), &actions);
    act(actions);
  }
}

void Coordinator::receive(const Message& message) {
  if (std::holds_alternative<Busy>(message.body)) return busy(message.from);
  ClusterCore::Actions actions;
  if (const auto* report = std::get_if<NodeReport>(&message.body)) {
    core_.report(message.from, *report, now_ns(), &actions);
    if (core_.leading() && report->revision < core_.map().revision) send_map(message.from.node);
  } else {
    core_.receive(message, now_ns(), &actions);
  }
  act(actions);
}

// Gateways wait for its answers, and hear nothing of it but from here.
void Coordinator::busy(const Member& member) {
  core_.busy(member, now_ns());
  if (!core_.leading()) return;
  for (const NodeId node : peers_.nodes()) {
    const NodeReport* report = core_.last_report(node);
    const bool gateway = report != nullptr && report->address.empty();
    if (!gateway || !peers_.link(node)->has(kFeatureBusy)) continue;
    peers_.send({0, 0, kCoordinatorMember, {node, 0}, Busy{member.node}});
  }
}

void Coordinator::link_changed(const Member& peer, bool up) {
  if (!up) core_.link_lost(peer.node, now_ns());
}

Status Coordinator::run(
    const std::function<Status(ClusterCore&, int64_t, ClusterCore::Actions*)>& what) {
  ClusterCore::Actions actions;
  Status done = what(core_, now_ns(), &actions);
  act(actions);
  return done;
}

void Coordinator::act(const ClusterCore::Actions& actions) {
  for (const ClusterCore::Action& action : actions) {
    if (const auto* send = std::get_if<Send>(&action)) {
      peers_.send(send->message);
    } else if (const auto* propose = std::get_if<ClusterCore::Propose>(&action)) {
      HF_ASSERT(logged_ == 0 && !to_log_);
      proposal_ = *propose;
      to_log_ = true;
      log_proposal();
    } else {
      publish();
    }
  }
}

void Coordinator::log_proposal() {
  if (!shard_.accepts_writes()) return;
  to_log_ = false;
  const uint64_t revision = proposal_.map.revision;
  log_info("cluster", {{"revision", revision}, {"change", proposal_.why}});
  Keyspace& keyspace = shard_.keyspace();
  const auto put = [&](const std::string& key, std::string_view value) {
    shard_.emit(Effect::put_string(kDb, keyspace.key(key), value, 0));
  };
  shard_.begin_command(reactor_.clock().wall_ms());
  put(std::string(kMapKey), encode_cluster_map(proposal_.map));
  put(history_key(revision), proposal_.why);
  if (revision > kHistory) {
    const std::string oldest = history_key(revision - kHistory);
    if (keyspace.find(kDb, keyspace.key(oldest)) != nullptr) {
      shard_.emit(Effect::erase(kDb, keyspace.key(oldest)));
    }
  }
  logged_ = shard_.end_command();
  shard_.submit();
}

std::string Coordinator::stored(std::string_view key) const {
  Keyspace& keyspace = shard_.keyspace();
  const Object* object = keyspace.find_value(kDb, keyspace.key(key));
  if (object == nullptr) return {};
  IntScratch scratch;
  return std::string(object->string(scratch));
}

std::vector<std::pair<uint64_t, std::string>> Coordinator::history(size_t most) const {
  std::vector<std::pair<uint64_t, std::string>> found;
  for (uint64_t revision = core_.map().revision; revision > 0 && found.size() < most; --revision) {
    std::string why = stored(history_key(revision));
    if (why.empty()) break;
    found.emplace_back(revision, std::move(why));
  }
  return found;
}

void Coordinator::publish() {
  encoded_ = std::make_shared<const std::string>(encode_cluster_map(core_.map()));
  if (core_.map().revision == 0) return;
  for (const NodeId node : peers_.nodes()) send_map(node);
}

void Coordinator::send_map(NodeId node) {
  const Member to{node, 0};
  peers_.send({0, 0, kCoordinatorMember, to, MapIs{core_.map().revision, encoded_}});
}

}  // namespace holdfast
