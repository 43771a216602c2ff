// CommandFixture: a whole server on simulated time and network, and a client connected to it.
//
//   CommandFixture f;
//   CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
//   CHECK(f.run3({"GET", "absent"}) == "_\r\n");       // RESP3
//   f.advance_ms(1500);
//   TestClient& other = f.connect();
//   other.send({"GET", "k"});
//   CHECK(other.received() == "$1\r\nv\r\n");
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/random.h"
#include "base/sim/sim_net.h"
#include "base/sim/sim_reactor.h"
#include "engine/mem_engine.h"
#include "replica/shard.h"
#include "resp/server.h"

namespace holdfast {

// "*1\r\n$4\r\nPING\r\n"
std::string encode_request(const std::vector<std::string>& args);
// Bytes of the first complete reply in `bytes`, 0 when it is not complete.
size_t reply_length(std::string_view bytes);

// A client's end of a simulated connection.
class TestClient final : public ConnHandler {
 public:
  TestClient(SimReactor& reactor, std::unique_ptr<Conn> conn);

  void send(const std::vector<std::string>& args) { send_raw(encode_request(args)); }
  void send_raw(std::string_view bytes);
  // Lets some time pass; then takes all that has arrived.
  std::string received(int64_t after_ms = 5);
  // Sends and waits for one whole reply, for at most 60 s of virtual time.
  std::string run(const std::vector<std::string>& args);
  bool closed() const { return closed_; }
  void stop_reading(bool on) { conn_->want_read(!on); }

  void on_readable() override;
  void on_writable() override;

 private:
  SimReactor& reactor_;
  std::unique_ptr<Conn> conn_;
  std::string to_send_;
  std::string inbox_;
  bool closed_ = false;
};

class CommandFixture {
 public:
  // `change` may set options before the server starts; `engine` null: a MemEngine.
  explicit CommandFixture(std::function<void(Options&)> change = {},
                          std::unique_ptr<Engine> engine = nullptr, uint64_t seed = 1,
                          ServerHooks hooks = {});

  std::string run(const std::vector<std::string>& args) { return client().run(args); }
  // Over a second connection that speaks RESP3.
  std::string run3(const std::vector<std::string>& args);
  void advance_ms(int64_t ms) { reactor_.run_for(ms); }
  TestClient& client();
  TestClient& connect();  // lives as long as the fixture

  Server& server() { return *server_; }
  Shard& shard() { return *shard_; }
  Keyspace& keyspace() { return *keyspace_; }
  SimReactor& reactor() { return reactor_; }
  Options& options() { return options_; }

 private:
  SimReactor reactor_;
  SeededRandom random_;
  SimNet net_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<Shard> shard_;
  std::unique_ptr<Shards> shards_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<TestClient>> clients_;
  TestClient* first_ = nullptr;
  TestClient* resp3_ = nullptr;
};

}  // namespace holdfast
