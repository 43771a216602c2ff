// See node.h.
#include "node/node.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "engine/mem_engine.h"
#include "engine/rocks_engine.h"
#include "node/config.h"

namespace holdfast {
namespace {

constexpr int64_t kDrainPollMs = 2;
constexpr uint64_t kLogShare = 64;  // of memory.limit: what each shard keeps of its log in memory
constexpr uint64_t kLeastLogMemory = 1 << 20;

}  // namespace

Node::Node(NodeSystem system, Options options)
    : system_(std::move(system)), reactor_(system_.reactor), options_(std::move(options)) {}

Node::~Node() {
  if (in_order_) engine_->close();  // no sooner: what is under way goes on asking it until now
}

Status Node::make_engine() {
  if (options_.engine_type == EngineType::kMem) {
    log_warning("engine.type is mem: nothing survives a restart");
    engine_ = std::make_unique<MemEngine>();
    return {};
  }
  const Status made = system_.disk.make_directory(options_.data_dir);
  if (!made.ok()) return {made.code(), "data.dir " + options_.data_dir + ": " + made.message()};
  if (options_.durability != Durability::kAlways) {
    log_warning("durability is not 'always': an OK can be lost in a crash",
                {{"durability", find_option("durability")->get(options_)}});
  }
  if (options_.engine_type == EngineType::kRocks) {
    RocksOptions rocks;
    rocks.durability = options_.durability;
    engine_ = std::make_unique<RocksEngine>(reactor_, options_.data_dir, rocks);
  } else {
    DiskEngineOptions disk = system_.engine;
    disk.wal_bytes = options_.engine_wal_bytes;
    disk.wait_for_media = options_.durability == Durability::kAlways;
    // A member of a group needs nobody's word for that: it goes on, and trusts its log no more.
    const bool alone =
        options_.replication == Replication::kNone && options_.mode == Mode::kStandalone;
    disk.accept_uncertain_tail = alone && options_.engine_accept_uncertain_tail;
    engine_ = std::make_unique<DiskEngine>(reactor_, system_.disk, system_.random,
                                           options_.data_dir, disk);
  }
  return {};
}

Status Node::check() const {
  switch (options_.mode) {
    case Mode::kStorage:
      return ClusterAgent::check(options_);
    case Mode::kCoordinator:
      return Group::check(options_, options_.cluster_coordinators, "cluster.coordinators");
    case Mode::kGateway:  // gateway_process.h
    case Mode::kStandalone:
      break;
  }
  if (options_.replication == Replication::kNone) return {};
  return Group::check(options_, options_.cluster_members, "cluster.members");
}

Status Node::start() {
  Status status = check();
  if (status.ok()) status = make_engine();
  if (status.ok()) status = open_shards();
  if (status.ok()) status = make_server();
  if (status.ok()) status = join();
  if (!status.ok()) return status;
  log_listening(addresses(), options_.resp_protected_mode,
                server_->acl().default_user().no_password());
  return {};
}

// A storage node hosts what its store holds, and what it is told to later; others have one shard.
Status Node::open_shards() {
  const bool coordinator = options_.mode == Mode::kCoordinator;
  const uint64_t seed = system_.random.next();
  if (options_.mode == Mode::kStorage) {
    ClusterAgent::Hooks hooks;
    hooks.host = [this](ShardId id) {
      const Status hosted = host(recovered_shard({}, id));
      if (hosted.ok()) return;
      log_error("stopping: a shard cannot be opened",
                {{"shard", uint64_t{id}}, {"reason", hosted.message()}});
      end(ExitCode::kIoError, hosted.message());
    };
    hooks.map_changed = [this](const ClusterMap& map) { give_slots(map); };
    hooks.published = [this](const Published& message) {
      if (server_ != nullptr) server_->published_elsewhere(message);
    };
    agent_ = std::make_unique<ClusterAgent>(system_, options_, std::move(hooks));
    shards_ = std::make_unique<Shards>(seed);
  } else if (coordinator || options_.replication != Replication::kNone) {
    group_ = std::make_unique<Group>(
        system_, options_, coordinator ? options_.cluster_coordinators : options_.cluster_members);
  }
  const bool in_group = agent_ != nullptr || group_ != nullptr;
  const ShardId first = agent_ != nullptr ? 1 : 0;
  Result<std::vector<RecoveredShard>> found = open_store(*engine_, first, in_group);
  if (!found.ok()) return found.status();
  if (agent_ == nullptr) {
    const Status hosted = host(recovered_shard(found.value(), 0));
    if (hosted.ok()) shards_ = std::make_unique<Shards>(only_shard());
    return hosted;
  }
  for (const RecoveredShard& shard : found.value()) {
    const Status hosted = host(shard);
    if (!hosted.ok()) return hosted;
  }
  return {};
}

Status Node::host(const RecoveredShard& found) {
  const ShardId id = found.shard;
  Hosted& hosted = hosted_[id];
  hosted.keyspace =
      std::make_unique<Keyspace>(agent_ != nullptr ? shards_->hash_seed() : system_.random.next());
  hosted.keyspace->set_limits(options_.collections);
  ShardOptions shard;
  shard.id = id;
  shard.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  shard.memory_is_short = [this] { return memory_is_short(); };
  shard.random = &system_.random;
  shard.shares_store = agent_ != nullptr;
  shard.arrivals = arrivals_;
  if (agent_ != nullptr) {
    shard.replica = agent_->replica_options();
    shard.hooks = agent_->replica_hooks();
  } else if (group_ != nullptr) {
    shard.replica = group_->replica_options();
    shard.hooks = group_->hooks();
  }
  if (const uint64_t limit = options_.memory_limit; limit > 0) {
    shard.replica.memory_bytes =
        std::clamp(limit / kLogShare, kLeastLogMemory, shard.replica.memory_bytes);
  }
  hosted.shard = std::make_unique<Shard>(reactor_, *engine_, *hosted.keyspace, std::move(shard));
  hosted.shard->on_deposed([this, &hosted] {
    hosted.deposed = true;
    start_anew("deposed with effects that are not committed");
  });
  hosted.shard->on_replaced([this](std::string_view why) { start_anew(why); });
  const Result<RecoveryReport> recovered = hosted.shard->recover(found);
  if (!recovered.ok()) return recovered.status();
  log_info("recovered", {{"engine", engine_->info().name},
                         {"durability", find_option("durability")->get(options_)},
                         {"shard", uint64_t{id}},
                         {"records", recovered.value().records},
                         {"entries", recovered.value().entries},
                         {"ms", recovered.value().milliseconds},
                         {"seq", hosted.shard->last_seq()}});
  if (agent_ == nullptr) return {};
  agent_->add(id, *hosted.shard);
  shards_->add(*hosted.shard);
  return {};
}

void Node::give_slots(const ClusterMap& map) {
  for (auto& [id, hosted] : hosted_) {
    const ClusterShard* shard = map.shard(id);
    if (shard == nullptr || shard->slots == hosted.slots) continue;
    hosted.slots = shard->slots;
    shards_->set_slots(*hosted.shard, hosted.slots);
  }
}

Status Node::make_server() {
  ServerHooks hooks = system_.facts;
  hooks.shutdown = [this] { stop(); };
  hooks.rewrite = [this](const Options& options) { return rewrite_config(options, system_.disk); };
  hooks.disk = &system_.disk;
  if (group_ != nullptr) {
    hooks.client_address = [this](NodeId node) { return group_->client_address(node); };
    hooks.group_peer = [this](NodeId node) { return group_->peer(node); };
  } else if (agent_ != nullptr) {
    hooks.client_address = [this](NodeId node) { return agent_->client_address(node); };
    hooks.group_peer = [this](NodeId node) { return agent_->peer(node); };
    hooks.moved_to = [this](SlotId slot) { return agent_->address_of(slot); };
    hooks.cluster_map = [this] { return &agent_->map(); };
    hooks.cluster_self = [this] { return agent_->self(); };
    hooks.publish = [this](const Published& message) { return agent_->publish(message); };
  }
  server_ = std::make_unique<Server>(reactor_, system_.net, system_.random, options_, *shards_,
                                     std::move(hooks));
  server_->on_log_failure([this](const Status& failure) { log_failed(failure); });
  const Status users = server_->load_users();
  return users.ok() ? server_->listen() : users;
}

// To the other nodes.
Status Node::join() {
  if (agent_ != nullptr) {
    const std::vector<Address> addresses = server_->addresses();
    std::string announced = options_.cluster_announce;
    if (announced.empty() && !addresses.empty()) announced = addresses[0].to_string();
    return agent_->start(engine_->identity(), announced);
  }
  if (group_ == nullptr) return {};
  if (options_.mode != Mode::kCoordinator) return group_->start(only_shard());
  group_->allow_others({[this](const Message& message) {
                          if (coordinator_ != nullptr) coordinator_->receive(message);
                        },
                        [this](const Member& peer, bool up) {
                          if (coordinator_ != nullptr) coordinator_->link_changed(peer, up);
                        }});
  const Status started = group_->start(only_shard());
  if (!started.ok()) return started;
  ClusterCore::Options cluster;
  cluster.shards = options_.cluster_shards;
  cluster.replicas = options_.cluster_replicas;
  cluster.first_nodes = options_.cluster_first_nodes;
  cluster.suspect_ns = options_.cluster_failure_timeout_ms * ClusterCore::Options::kMs;
  coordinator_ = std::make_unique<Coordinator>(reactor_, only_shard(), group_->net(), cluster);
  admin_ =
      std::make_unique<CoordinatorAdmin>(*coordinator_, *group_, only_shard(), reactor_.clock());
  server_->set_admin(admin_.get());
  return {};
}

void Node::say_busy() {
  if (group_ != nullptr) group_->say_busy();
  if (agent_ != nullptr) agent_->say_busy();
}

// At start, when only loading needs memory. The log is replayed behind the records, and what it
// changes stays until a checkpoint.
bool Node::memory_is_short() const {
  return options_.memory_limit > 0 &&
         system_.facts.memory_used() + engine_->log_bytes() > options_.memory_limit / 4 * 3;
}

void Node::stop() {
  if (stopping_) return;
  stopping_ = true;
  log_info("stopping");
  for (auto& [id, hosted] : hosted_) {
    if (hosted.shard->replica() == nullptr) continue;
    hosted.led = hosted.shard->serves();
    hosted.shard->replica()->hand_over();
  }
  hand_over(reactor_.clock().mono_ns() + kHandOverMs * 1'000'000);
}

// Waits until this node leads no more and hears who does, or cannot hand over. Who leads next needs
// its answers, or waits for its lease to pass.
void Node::hand_over(int64_t deadline_ns) {
  const int64_t now_ns = reactor_.clock().boot_ns();
  const bool handing = std::ranges::any_of(hosted_, [now_ns](const auto& each) {
    const Shard& shard = *each.second.shard;
    if (shard.replica() == nullptr || shard.failed()) return false;
    const ReplicaCore& core = shard.replica()->core();
    return shard.serves() ? core.hands_over() : each.second.led && !core.hears_leader(now_ns);
  });
  if (handing && reactor_.clock().mono_ns() < deadline_ns) {
    reactor_.run_after(kDrainPollMs, [this, deadline_ns] { hand_over(deadline_ns); });
    return;
  }
  server_->stop_serving();
  drain(reactor_.clock().mono_ns() + kDrainMs * 1'000'000);
}

// Waits until everything logged is committed and everything committed is answered. Of a shard that
// was deposed nothing more will be; nor can it follow who leads now before this node starts again.
void Node::drain(int64_t deadline_ns) {
  const bool deposed =
      std::ranges::any_of(hosted_, [](const auto& each) { return each.second.deposed; });
  const bool committed = std::ranges::all_of(hosted_, [](const auto& each) {
    const Shard& shard = *each.second.shard;
    return shard.commit_seq() == shard.last_seq() || shard.failed() || each.second.deposed;
  });
  const bool late = reactor_.clock().mono_ns() >= deadline_ns;
  if (late) log_warning("not everything was committed and answered in time");
  if ((committed && (deposed || server_->drained())) || late) {
    in_order_ = true;
    log_info("stopped");
    end(ExitCode::kOk, "stopped");
    return;
  }
  reactor_.run_after(kDrainPollMs, [this, deadline_ns] { drain(deadline_ns); });
}

// A failed flush may not be retried: the pages that failed are marked clean, and the next flush
// would succeed falsely. The process ends; the next start recovers from what is on the device.
void Node::log_failed(const Status& status) {
  log_error("stopping: a write to the store failed; start again to recover",
            {{"reason", status.message()}});
  end(ExitCode::kIoError, status.message());
}

// What is in memory is not what is committed: the store is.
void Node::start_anew(std::string_view why) {
  if (stopping_) return;
  log_warning("starting anew from the store", {{"reason", why}});
  in_order_ = true;
  end(ExitCode::kAgain, why);
}

void Node::end(ExitCode code, std::string_view why) {
  stopping_ = true;
  system_.ended(code, why);
}

}  // namespace holdfast
