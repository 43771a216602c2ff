// See world.h.
#include "tests/sim/world.h"

namespace holdfast {

void Marks::add(const Marks& other) {
  acknowledged += other.acknowledged;
  reads += other.reads;
  held_replies += other.held_replies;
  crashes += other.crashes;
  lost_groups += other.lost_groups;
  log_failures += other.log_failures;
  resets += other.resets;
  cuts += other.cuts;
  clock_steps += other.clock_steps;
  checkpoints += other.checkpoints;
  virtual_ms += other.virtual_ms;
}

std::vector<std::pair<std::string, uint64_t>> Marks::named() const {
  return {{"acknowledged writes", acknowledged},
          {"reads", reads},
          {"replies held for a commit", held_replies},
          {"crashes", crashes},
          {"crashes that lost uncommitted groups", lost_groups},
          {"failed logs", log_failures},
          {"connections reset", resets},
          {"links cut", cuts},
          {"wall clock steps", clock_steps},
          {"checkpoints", checkpoints},
          {"virtual milliseconds", virtual_ms}};
}

struct World::Process {
  Process(World& world, Engine& engine, const Options& options_now)
      : reactor(world.reactor_),
        net(world.net_.at("server")),
        options(options_now),
        keyspace(world.random_.next()),
        shard(reactor, engine, keyspace, {0, 20'000}),
        server(nullptr) {}

  SimNodeReactor reactor;
  std::unique_ptr<Net> net;
  Options options;
  Keyspace keyspace;
  Shard shard;
  std::unique_ptr<Server> server;
};

World::World(uint64_t seed)
    : random_(seed), net_(reactor_, random_), engine_(std::make_unique<ScriptedEngine>()) {
  options_.resp_bind = {"0.0.0.0"};
  options_.resp_protected_mode = false;
  commit_ms_ = static_cast<int64_t>(1 + random_.below(30));
  const int clients = static_cast<int>(2 + random_.below(6));
  for (int i = 0; i < clients; ++i) {
    const std::string host = "client" + std::to_string(i);
    auto net = std::shared_ptr<Net>(net_.at(host));
    clients_.push_back(std::make_unique<SimClient>(
        i, clients, reactor_, random_, history_, [this, net]() -> std::unique_ptr<Conn> {
          auto conn = net->connect(Address::tcp("server", options_.resp_port));
          return conn.ok() ? std::move(conn.value()) : nullptr;
        }));
  }
  start_process();
}

World::~World() = default;

void World::start_process() {
  options_.resp_port = 6380;
  engine_->hold();
  process_ = std::make_unique<Process>(*this, *engine_, options_);
  Process& p = *process_;
  const auto recovered = p.shard.recover();
  if (!recovered.ok()) throw Violation("recovery: " + recovered.status().message());
  p.server =
      std::make_unique<Server>(p.reactor, *p.net, random_, p.options, p.shard, ServerHooks{});
  p.server->on_log_failure([this](const Status&) {
    ++marks_.log_failures;
    reactor_.run_after(1, [this] { crash_process(); });
  });
  const Status listening = p.server->listen();
  if (!listening.ok()) throw Violation("listen: " + listening.message());
}

void World::crash_process() {
  if (process_ == nullptr) return;
  ++marks_.crashes;
  if (engine_->held() > 0) ++marks_.lost_groups;
  marks_.held_replies += process_->server->stats().replies_held;
  marks_.checkpoints += process_->shard.checkpoint().finished_count();
  process_->server.reset();
  process_.reset();
  auto after = std::make_unique<ScriptedEngine>(engine_->survivor());
  engine_ = std::move(after);
  reactor_.run_after(static_cast<int64_t>(1 + random_.below(200)), [this] { start_process(); });
}

void World::schedule_commits() {
  reactor_.run_after(static_cast<int64_t>(random_.below(static_cast<uint64_t>(commit_ms_)) + 1),
                     [this] {
                       engine_->release(1 + random_.below(3));
                       schedule_commits();
                     });
}

void World::schedule_fault() {
  reactor_.run_after(static_cast<int64_t>(20 + random_.below(600)), [this] {
    if (calm_) return;
    one_fault();
    schedule_fault();
  });
}

void World::one_fault() {
  const auto which = random_.below(clients_.size());
  const std::string host = "client" + std::to_string(which);
  switch (random_.below(8)) {
    case 0:
      crash_process();
      break;
    case 1:
      engine_->fail_next(Status::io("simulated write error"));
      break;
    case 2:
    case 3:
      ++marks_.resets;
      net_.reset(host, "server");
      break;
    case 4:
      ++marks_.cuts;
      if (random_.one_in(2)) {
        net_.cut(host, "server");
      } else {
        net_.cut_one_way(host, "server");
      }
      reactor_.run_after(static_cast<int64_t>(10 + random_.below(3000)),
                         [this] { net_.heal_all(); });
      break;
    case 5:
      clients_[which]->pause_reading(static_cast<int64_t>(random_.below(500)));
      break;
    case 6:
      if (process_ == nullptr) break;
      ++marks_.clock_steps;
      process_->reactor.clock().step_wall(static_cast<int64_t>(random_.below(7'200'000'000)) -
                                          3'600'000'000);
      break;
    default:
      commit_ms_ = static_cast<int64_t>(1 + random_.below(random_.one_in(5) ? 1000 : 30));
  }
}

void World::run() {
  for (auto& client : clients_) client->start();
  schedule_commits();
  schedule_fault();
  reactor_.run_for(kChaosMs);
  calm_ = true;
  commit_ms_ = 2;
  net_.heal_all();
  std::vector<uint64_t> before;
  reactor_.run_for(kCalmMs / 2);
  for (auto& client : clients_) before.push_back(client->acknowledged());
  reactor_.run_for(kCalmMs / 2);
  for (size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i]->acknowledged() == before[i]) {
      throw Violation("O4: client " + std::to_string(i) + " got no answer in the calm");
    }
    marks_.acknowledged += clients_[i]->acknowledged();
    marks_.reads += clients_[i]->reads();
  }
  marks_.virtual_ms += kChaosMs + kCalmMs;
  if (process_ != nullptr) {
    marks_.held_replies += process_->server->stats().replies_held;
    marks_.checkpoints += process_->shard.checkpoint().finished_count();
  }
}

}  // namespace holdfast
