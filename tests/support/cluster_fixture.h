// ClusterFixture: a server of a cluster with several shards, each on an engine of its own whose
// commits a test delays, on simulated time and network. Shard i of n has the i-th part of all
// slots, but for the last slot, which nobody here has.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

namespace holdfast {

class ClusterFixture {
 public:
  explicit ClusterFixture(size_t count, ServerHooks hooks = {}) : count_(count) {
    for (size_t i = 0; i < count; ++i) add();
    server_ =
        std::make_unique<Server>(reactor_, net_, random_, options_, shards_, std::move(hooks));
    REQUIRE(server_->listen().ok());
  }

  // A key, the n-th of its kind, in a slot of the shard; keys of one `n` share the slot.
  std::string key(size_t shard, int n = 0, const std::string& name = "k") const {
    for (int i = 0, found = 0;; ++i) {
      const std::string tag = std::to_string(i);
      if (owner(slot_of(tag)) == shard && found++ == n) return name + "{" + tag + "}";
    }
  }
  size_t owner(SlotId slot) const {
    return slot == kSlotCount - 1 ? SIZE_MAX : slot * count_ / kSlotCount;
  }

  std::string run(const std::vector<std::string>& args) {
    if (client_ == nullptr) client_ = connect();
    return client_->run(args);
  }
  std::unique_ptr<TestClient> connect() {
    auto conn = net_.connect(server_->addresses()[0]);
    return std::make_unique<TestClient>(reactor_, std::move(conn.value()));
  }
  void advance_ms(int64_t ms) { reactor_.run_for(ms); }
  // Completions run within a turn, as those of every engine do.
  void release_all(size_t shard) {
    reactor_.post([this, shard] { engine(shard).release_all(); });
  }
  ScriptedEngine& engine(size_t i) { return *nodes_[i]->engine; }
  Shard& shard(size_t i) { return nodes_[i]->shard; }
  Keyspace& keyspace(size_t i) { return nodes_[i]->keyspace; }
  Shards& shards() { return shards_; }
  Server& server() { return *server_; }
  Options& options() { return options_; }

  // One more shard, with the slots that are its part if there are that many.
  Shard& add() {
    const auto id = static_cast<ShardId>(nodes_.size() + 1);
    nodes_.push_back(std::make_unique<Hosted>(reactor_, shards_.hash_seed(), id));
    Hosted& made = *nodes_.back();
    const auto found = made.engine->open();
    REQUIRE(made.shard.recover(recovered_shard(found.value(), id)).ok());
    shards_.add(made.shard);
    std::vector<Range> ranges;
    for (int slot = 0; slot < kSlotCount; ++slot) {
      const auto at = static_cast<SlotId>(slot);
      if (owner(at) + 1 == id) ranges.push_back({at, at});
    }
    shards_.set_slots(made.shard, ranges);
    return made.shard;
  }
  struct Range {
    SlotId first, last;
  };

 private:
  struct Hosted {
    Hosted(Reactor& reactor, uint64_t seed, ShardId id)
        : keyspace(seed), shard(reactor, *engine, keyspace, ShardOptions{.id = id}) {}
    std::unique_ptr<ScriptedEngine> engine = std::make_unique<ScriptedEngine>();
    Keyspace keyspace;
    Shard shard;
  };

  const size_t count_;
  SimReactor reactor_;
  SeededRandom random_{1};
  SimNet net_{reactor_, random_};
  Options options_;
  std::vector<std::unique_ptr<Hosted>> nodes_;
  Shards shards_{uint64_t{7}};
  std::unique_ptr<Server> server_;
  std::unique_ptr<TestClient> client_;
};

}  // namespace holdfast
