// DiskServer: as CommandFixture, with a DiskEngine on a simulated disk.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/sim/sim_disk.h"
#include "engine/disk/disk_engine.h"
#include "tests/support/command_fixture.h"

namespace holdfast {

class DiskServer {
 public:
  explicit DiskServer(const Options& options = {}, ServerHooks hooks = {})
      : options_(options), server_(reactor_, net_, random_, options_, shards_, std::move(hooks)) {
    REQUIRE(open_and_recover(shard_).ok());
    REQUIRE(server_.listen().ok());
    client_ = connect();
    resp3_ = connect();
    REQUIRE(resp3_->run({"HELLO", "3"})[0] == '%');
  }
  ~DiskServer() { engine_.close(); }
  std::string run(const std::vector<std::string>& args) { return client_->run(args); }
  std::string run3(const std::vector<std::string>& args) { return resp3_->run(args); }
  // The value of a field, which is a number, of a RESP3 map.
  uint64_t number(const std::vector<std::string>& args, const std::string& field) {
    const std::string reply = run3(args);
    const size_t at = reply.find("\r\n" + field + "\r\n:");
    REQUIRE_MESSAGE(at != std::string::npos, reply);
    return std::stoull(reply.substr(at + field.size() + 5));
  }
  void save() { REQUIRE(run({"SAVE"}) == "+OK\r\n"); }
  void advance_ms(int64_t ms) { reactor_.run_for(ms); }
  std::unique_ptr<TestClient> connect() {
    auto conn = net_.connect(server_.addresses()[0]);
    return std::make_unique<TestClient>(reactor_, std::move(conn.value()));
  }
  SimReactor& reactor() { return reactor_; }
  Keyspace& keyspace() { return keyspace_; }
  Shard& shard() { return shard_; }
  Server& server() { return server_; }

 private:
  SimReactor reactor_;
  SeededRandom random_{1};
  SimNet net_{reactor_, random_};
  SimDisk disk_{1};
  Options options_;
  DiskEngine engine_{reactor_, disk_, random_, "store", {.wal_bytes = 4 << 20}};
  Keyspace keyspace_{7};
  Shard shard_{reactor_, engine_, keyspace_, {}};
  Shards shards_{shard_};
  Server server_;
  std::unique_ptr<TestClient> client_, resp3_;
};

}  // namespace holdfast
