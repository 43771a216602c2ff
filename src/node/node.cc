// See node.h.
#include "node/node.h"

#include <unistd.h>

#include <cstdio>

#include "base/log.h"
#include "base/process.h"
#include "engine/disk/disk_engine.h"
#include "engine/mem_engine.h"
#include "engine/rocks_engine.h"
#include "node/config.h"
#include "node/memory.h"

namespace holdfast {
namespace {

constexpr int64_t kDrainPollMs = 2;

}  // namespace

Node::Node(Reactor& reactor, Net& net, Options options)
    : reactor_(reactor), net_(net), options_(std::move(options)), random_(secure_seed()) {}

Node::~Node() {
  if (exit_code_ == ExitCode::kAgain) engine_->close();  // the next one opens the store again
}

Status Node::make_engine() {
  if (options_.engine_type == EngineType::kMem) {
    log_warning("engine.type is mem: nothing survives a restart");
    engine_ = std::make_unique<MemEngine>();
    return {};
  }
  const Status made = disk_.make_directory(options_.data_dir);
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
    DiskEngineOptions disk;
    disk.wal_bytes = options_.engine_wal_bytes;
    disk.wait_for_media = options_.durability == Durability::kAlways;
    disk.accept_uncertain_tail = options_.engine_accept_uncertain_tail;
    engine_ = std::make_unique<DiskEngine>(reactor_, disk_, random_, options_.data_dir, disk);
  }
  return {};
}

Status Node::start() {
  const uint64_t startup_memory = memory_allocated();
  Status status = Group::check(options_);
  if (!status.ok()) return status;
  status = make_engine();
  if (!status.ok()) return status;
  keyspace_ = std::make_unique<Keyspace>(random_.next());
  keyspace_->set_limits(options_.collections);
  ShardOptions shard;
  shard.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  shard.memory_is_short = [this] { return memory_is_short(); };
  if (options_.replication != Replication::kNone) {
    group_ = std::make_unique<Group>(reactor_, net_, random_, options_);
    shard.replica = group_->replica_options();
    shard.hooks = group_->hooks();
    shard.random = &random_;
  }
  shard_ = std::make_unique<Shard>(reactor_, *engine_, *keyspace_, std::move(shard));
  shard_->on_deposed([this] { start_anew("deposed with effects that are not committed"); });
  shard_->on_replaced([this](std::string_view why) { start_anew(why); });
  const Result<RecoveryReport> recovered = open_and_recover(*shard_);
  if (!recovered.ok()) return recovered.status();
  log_info("recovered", {{"engine", engine_->info().name},
                         {"durability", find_option("durability")->get(options_)},
                         {"records", recovered.value().records},
                         {"entries", recovered.value().entries},
                         {"ms", recovered.value().milliseconds},
                         {"seq", shard_->last_seq()}});
  ServerHooks hooks;
  hooks.shutdown = [this] { stop(); };
  hooks.exit_now = [] {
    log_warning("stopped by SHUTDOWN NOSAVE during a script");
    std::_Exit(0);
  };
  hooks.rewrite = [this](const Options& options) { return rewrite_config(options, disk_); };
  hooks.memory_used = memory_allocated;
  hooks.allocator_name = memory_allocator_name;
  hooks.allocator_stats = memory_allocator_report;
  hooks.allocator_usage = memory_usage;
  hooks.purge_memory = memory_purge;
  hooks.process_usage = process_usage;
  hooks.process = process_facts();
  hooks.disk = &disk_;
  if (group_ != nullptr) {
    hooks.client_address = [this](NodeId node) { return group_->client_address(node); };
    hooks.group_peer = [this](NodeId node) { return group_->peer(node); };
  }
  hooks.startup_memory = startup_memory;
  shards_ = std::make_unique<Shards>(*shard_);
  server_ = std::make_unique<Server>(reactor_, net_, random_, options_, *shards_, std::move(hooks));
  server_->on_log_failure([this](const Status& failure) { log_failed(failure); });
  status = server_->load_users();
  if (status.ok()) status = server_->listen();
  if (status.ok() && group_ != nullptr) status = group_->start(*shard_);
  if (status.ok()) announce();
  return status;
}

// At start, when only loading needs memory. The log is replayed behind the records, and what it
// changes stays until a checkpoint.
bool Node::memory_is_short() const {
  return options_.memory_limit > 0 &&
         memory_allocated() + engine_->log_bytes() > options_.memory_limit / 4 * 3;
}

void Node::announce() {
  const std::vector<Address> addresses = server_->addresses();
  for (const Address& address : addresses) {
    log_info("listening", {{"resp", address.to_string()}});
    if (!address.is_loopback() && options_.resp_protected_mode &&
        server_->acl().default_user().no_password()) {
      log_warning("protected mode: clients on other hosts are refused; set resp.password",
                  {{"resp", address.to_string()}});
    }
  }
  std::printf("ready: resp=%s\n", addresses.empty() ? "none" : addresses[0].to_string().c_str());
  std::fflush(stdout);
}

void Node::stop() {
  if (stopping_) return;
  stopping_ = true;
  log_info("stopping");
  server_->stop_serving();
  drain(reactor_.clock().mono_ns() + kDrainMs * 1'000'000);
}

// Waits until everything logged is committed and everything committed is answered.
void Node::drain(int64_t deadline_ns) {
  const bool committed = shard_->commit_seq() == shard_->last_seq() || shard_->failed();
  if ((committed && server_->drained()) || reactor_.clock().mono_ns() >= deadline_ns) {
    engine_->close();
    log_info("stopped", {{"seq", shard_->commit_seq()}});
    reactor_.stop();
    return;
  }
  reactor_.run_after(kDrainPollMs, [this, deadline_ns] { drain(deadline_ns); });
}

// A failed flush may not be retried: the pages that failed are marked clean, and the next flush
// would succeed falsely. The process ends; the next start recovers from what is on the device.
void Node::log_failed(const Status& status) {
  log_error("stopping: a write to the store failed; start again to recover",
            {{"reason", status.message()},
             {"commit_seq", shard_->commit_seq()},
             {"last_seq", shard_->last_seq()}});
  exit_code_ = ExitCode::kIoError;
  stopping_ = true;
  reactor_.stop();
}

// What is in memory is not what is committed: the store is.
void Node::start_anew(std::string_view why) {
  if (stopping_) return;
  log_warning("starting anew from the store", {{"reason", why}});
  stopping_ = true;
  exit_code_ = ExitCode::kAgain;
  reactor_.stop();
}

}  // namespace holdfast
