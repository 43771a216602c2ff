// A gateway under random refusals, redirects, broken connections and new maps: what each client was
// told is what happened, and in its order (G1, G2, G3).
#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <set>

#include "gateway/gateway.h"
#include "gateway/reply_framer.h"
#include "tests/support/fake_node.h"

namespace holdfast {
namespace {

// Both nodes have all keys, as if slots moved between them in no time.
struct World {
  explicit World(uint64_t seed)
      : sim(seed),
        a(
            sim, 7001, [this](const auto& args) { return run(args, "127.0.0.1:7002"); },
            &remembered),
        b(
            sim, 7002, [this](const auto& args) { return run(args, "127.0.0.1:7001"); },
            &remembered) {
    options.resp_port = 7000;
    options.gateway_retry_ms = 3000;
    gateway = std::make_unique<Gateway>(sim.reactor, sim.net, sim.random, options, GatewayHooks{});
    REQUIRE(gateway->listen().ok());
    give_map();
  }

  void give_map() {
    const bool swapped = revision > 0 && sim.random.one_in(2);
    ClusterMap map;
    map.revision = ++revision;
    for (NodeId id = 1; id <= 2; ++id) {
      NodeRecord node;
      node.id = id;
      node.resp_address = (id == 1) != swapped ? "127.0.0.1:7001" : "127.0.0.1:7002";
      map.nodes.push_back(node);
      ClusterShard shard;
      shard.id = id;
      shard.slots = {id == 1 ? SlotRange{0, 8191} : SlotRange{8192, kSlotCount - 1}};
      shard.record.active.primary = {id, 1};
      map.shards.push_back(shard);
    }
    gateway->set_map(std::move(map));
  }

  std::string run(const std::vector<std::string>& args, const std::string& other) {
    if (args[0] == "ASKING") return "+OK\r\n";
    if (faults && sim.random.one_in(6)) {
      const std::string slot = std::to_string(slot_of(args[1]));
      switch (sim.random.below(4)) {
        case 0:
          return "-TRYAGAIN not now\r\n";
        case 1:
          return "-CLUSTERDOWN not now\r\n";
        case 2:
          return "-ASK " + slot + " " + other + "\r\n";
        default:
          return "-MOVED " + slot + " " + other + "\r\n";
      }
    }
    std::string& value = values[args[1]];
    if (args[0] == "APPEND") {
      value += args[2];
      return ":" + std::to_string(value.size()) + "\r\n";
    }
    return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }

  void step() {
    sim.run_for(static_cast<int64_t>(sim.random.below(30)));
    if (!faults) return;
    if (sim.random.one_in(6)) (sim.random.one_in(2) ? a : b).cut(false);
    if (sim.random.one_in(8)) give_map();
  }

  SimWorld sim;
  std::map<std::string, std::string> values;
  bool faults = true;
  uint64_t revision = 0;
  RememberedReplies remembered;
  FakeNode a, b;
  Options options;
  std::unique_ptr<Gateway> gateway;
};

std::vector<int> numbers_of(std::string_view value) {
  std::vector<int> numbers;
  while (!value.empty()) {
    int number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    numbers.push_back(number);
    value.remove_prefix(std::min(value.find(';') + 1, value.size()));
  }
  return numbers;
}

// It alone writes its keys: what it was told decides what they hold.
class Client {
 public:
  Client(World& world, int number) : world_(world) {
    for (const char node : {'a', 'b'}) keys_.push_back(key_of(node, number));
    connect();
  }

  void connect() {
    auto conn = world_.sim.net.connect(Address::tcp("127.0.0.1", 7000));
    REQUIRE(conn.ok());
    peer_ = std::make_unique<Peer>(std::move(conn.value()));
    read_ = 0;
  }

  void send_batch() {
    if (!expected_.empty()) return;
    std::string input;
    for (uint64_t i = 0; i < 1 + world_.sim.random.below(6); ++i) {
      const std::string& key = keys_[world_.sim.random.below(keys_.size())];
      const bool write = !world_.sim.random.one_in(3);
      const int number = write ? ++last_ : 0;
      expected_.push_back({key, number});
      input +=
          write ? encoded({"APPEND", key, std::to_string(number) + ";"}) : encoded({"GET", key});
    }
    peer_->send(input);
  }

  void look() {
    while (!expected_.empty()) {
      ReplyCursor cursor(std::string_view(peer_->received).substr(read_));
      const std::string_view whole = cursor.next_whole();
      if (whole.empty()) break;
      read_ += whole.size();
      take(expected_.front(), whole);
      expected_.pop_front();
    }
    if (!peer_->closed && !peer_->broken) return;
    for (const Sent& sent : expected_) {
      if (sent.number != 0) unknown_[sent.key].insert(sent.number);
    }
    if (!expected_.empty()) ++closed_;
    expected_.clear();
    connect();
  }

  void check_end() {
    CHECK(expected_.empty());
    for (const std::string& key : keys_) check_value(key, world_.values[key]);
  }
  int acknowledged() const { return acknowledged_; }
  int refused() const { return refused_; }
  int closed() const { return closed_; }

 private:
  struct Sent {
    std::string key;
    int number;  // 0: a read
  };

  void take(const Sent& sent, std::string_view reply) {
    if (reply[0] == '-') {
      ++refused_;
      return;
    }
    if (sent.number != 0) {
      REQUIRE(reply[0] == ':');
      done_[sent.key].push_back(sent.number);
      ++acknowledged_;
    } else {
      ReplyElement element;
      REQUIRE(ReplyCursor(reply).next(&element));
      REQUIRE(element.kind == '$');
      check_value(sent.key, element.text);
    }
  }

  // What was acknowledged is there, once, in order, and nothing else but what nobody knows of.
  void check_value(const std::string& key, std::string_view value) {
    std::vector<int> known;
    std::set<int> seen;
    for (const int number : numbers_of(value)) {
      CHECK(seen.insert(number).second);
      if (!unknown_[key].contains(number)) known.push_back(number);
    }
    INFO(key << " holds " << value);
    CHECK(known == done_[key]);
  }

  World& world_;
  std::vector<std::string> keys_;
  std::unique_ptr<Peer> peer_;
  size_t read_ = 0;
  std::deque<Sent> expected_;
  int last_ = 0;
  std::map<std::string, std::vector<int>> done_;
  std::map<std::string, std::set<int>> unknown_;
  int acknowledged_ = 0, refused_ = 0, closed_ = 0;
};

}  // namespace

TEST_CASE(
    "gateway: under random faults each client's commands happen as it was told (G1, G2, G3)") {
  int acknowledged = 0, refused = 0, closed = 0;
  const char* more = std::getenv("HOLDFAST_GATEWAY_SEEDS");
  const uint64_t seeds = more == nullptr ? 60 : std::strtoull(more, nullptr, 10);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    World world(seed);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<Client>(world, i));
    for (int round = 0; round < 80; ++round) {
      for (const auto& client : clients) {
        client->look();
        client->send_batch();
      }
      world.step();
    }
    world.faults = false;
    world.sim.run_for(3000);
    for (const auto& client : clients) {
      client->look();
      client->check_end();
      acknowledged += client->acknowledged();
      refused += client->refused();
      closed += client->closed();
    }
    CHECK(world.gateway->drained());
  }
  CHECK(acknowledged > 1000);
  CHECK(refused > 0);
  INFO(acknowledged << " acknowledged, " << refused << " refused");
  // Only where a write may have been done, was sent again and refused, and a later one on its key,
  // sent again with it, was not: that is an accident here, where nodes refuse one of six.
  CHECK(closed < acknowledged / 100);
}

}  // namespace holdfast
