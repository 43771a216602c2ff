// The network contract, on real sockets and on the simulated network.
#include "base/net.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "tests/support/stream_ends.h"
#include "tests/support/worlds.h"

namespace holdfast {
namespace {

const Address kAnyPort = Address::tcp("127.0.0.1", 0);

}  // namespace

TEST_CASE("address: text forms and loopback") {
  CHECK(Address::tcp("127.0.0.1", 6380).to_string() == "127.0.0.1:6380");
  CHECK(Address::tcp("::1", 6380).to_string() == "[::1]:6380");
  CHECK(Address::unix_socket("/run/x.sock").to_string() == "/run/x.sock:0");
  CHECK(Address::tcp("127.9.8.7", 1).is_loopback());
  CHECK(Address::tcp("::1", 1).is_loopback());
  CHECK(Address::tcp("::ffff:127.0.0.1", 1).is_loopback());
  CHECK(Address::unix_socket("x").is_loopback());
  CHECK(!Address::tcp("10.0.0.1", 1).is_loopback());
  CHECK(!Address::tcp("128.0.0.1", 1).is_loopback());
  CHECK(!Address::tcp("::2", 1).is_loopback());
  CHECK(!Address::tcp("127.example.com", 1).is_loopback());
  CHECK(!Address::tcp("", 1).is_loopback());
}

TEST_CASE_TEMPLATE("net: echo", World, RealWorld, SimWorld) {
  World world;
  Server<Echo> server(world.net, kAnyPort);
  CHECK(server.address().port != 0);
  auto client = connect_to(world.net, server.address());
  CHECK(!client->connected);
  REQUIRE(world.run_until([&] { return client->connected; }));
  CHECK(client->writable_calls == 1);
  client->send("hello");
  REQUIRE(world.run_until([&] { return client->received == "hello"; }));
  REQUIRE(server.ends.size() == 1);
  CHECK(client->conn->peer().port == server.address().port);
  CHECK(client->conn->local().port == server.ends[0]->conn->peer().port);
  CHECK(client->conn->local().host == "127.0.0.1");
  CHECK(server.ends[0]->conn->local().port == server.address().port);
  CHECK((client->conn->fd() >= 0) == !World::kSimulated);
}

TEST_CASE_TEMPLATE("net: on_writable comes once per connect unless it is wanted", World, RealWorld,
                   SimWorld) {
  World world;
  Server<Echo> server(world.net, kAnyPort);
  auto client = connect_to(world.net, server.address());
  REQUIRE(world.run_until([&] { return client->connected; }));
  world.run_for(20);
  CHECK(client->writable_calls == 1);
  client->conn->want_write(true);
  REQUIRE(world.run_until([&] { return client->writable_calls == 2; }));
  world.run_for(20);
  CHECK(client->writable_calls == 2);  // Peer turned it off again
}

TEST_CASE_TEMPLATE("net: reads and writes before the connect is through would block", World,
                   RealWorld, SimWorld) {
  World world;
  Server<Echo> server(world.net, kAnyPort);
  auto client = connect_to(world.net, server.address());
  char byte = 'x';
  CHECK(client->conn->read(&byte, 1).kind == IoResult::kWouldBlock);
  CHECK(write_some(*client->conn, &byte, 1).kind == IoResult::kWouldBlock);
  client->send("early");
  CHECK(client->blocked);
  REQUIRE(world.run_until([&] { return client->received == "early"; }));
}

TEST_CASE_TEMPLATE("net: a refused connect is told by a read", World, RealWorld, SimWorld) {
  World world;
  Address nobody;
  {
    const Server<Echo> server(world.net, kAnyPort);
    nobody = server.address();
  }
  auto client = connect_to(world.net, nobody);
  REQUIRE(world.run_until([&] { return client->closed; }));
  CHECK(!client->connected);
  char byte = 'x';
  CHECK(client->conn->read(&byte, 1).kind == IoResult::kClosed);
  CHECK(write_some(*client->conn, &byte, 1).kind == IoResult::kClosed);
}

TEST_CASE_TEMPLATE("net: an address in use", World, RealWorld, SimWorld) {
  World world;
  auto server = std::make_unique<Server<Echo>>(world.net, kAnyPort);
  const Address address = server->address();
  const auto second = world.net.listen(address, {}, [](std::unique_ptr<Conn>) {});
  CHECK(second.status().code() == Code::kExists);
  CHECK(second.status().message().find(address.to_string()) != std::string::npos);
  server.reset();
  CHECK(world.net.listen(address, {}, [](std::unique_ptr<Conn>) {}).ok());
}

TEST_CASE_TEMPLATE("net: what was written before a close arrives before the end", World, RealWorld,
                   SimWorld) {
  World world;
  Server<Peer> server(world.net, kAnyPort);
  auto client = connect_to(world.net, server.address());
  REQUIRE(world.run_until([&] { return server.ends.size() == 1; }));
  server.ends[0]->conn->want_read(false);
  const std::string bytes = pattern_bytes(50'000);
  client->send(bytes);
  REQUIRE(world.run_until([&] { return client->sent == bytes.size(); }));
  client.reset();
  world.run_for(20);  // so that the end has arrived as well when reading begins
  CHECK(server.ends[0]->received.empty());
  server.ends[0]->conn->want_read(true);
  REQUIRE(world.run_until([&] { return server.ends[0]->closed; }));
  CHECK(server.ends[0]->received == bytes);
}

TEST_CASE_TEMPLATE("net: a reader that stops blocks the writer, and nothing is lost", World,
                   RealWorld, SimWorld) {
  World world;
  Server<Peer> server(world.net, kAnyPort);
  auto client = connect_to(world.net, server.address());
  REQUIRE(world.run_until([&] { return client->connected && server.ends.size() == 1; }));
  Peer& reader = *server.ends[0];
  reader.conn->want_read(false);

  const std::string bytes = pattern_bytes(World::kSimulated ? 1 << 20 : 32 << 20);
  client->send(bytes);
  REQUIRE(world.run_until([&] { return client->blocked; }));
  world.run_for(100);
  CHECK(client->sent < bytes.size());
  CHECK(reader.received.empty());
  const int calls = client->writable_calls;

  reader.conn->want_read(true);
  REQUIRE(world.run_until([&] { return reader.received.size() == bytes.size(); }, 60'000));
  CHECK(client->writable_calls > calls);
  CHECK((reader.received == bytes));  // without printing them
}

TEST_CASE_TEMPLATE("net: both directions at once", World, RealWorld, SimWorld) {
  World world;
  Server<Echo> server(world.net, kAnyPort);
  const std::string bytes = pattern_bytes(500'000);
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect_to(world.net, server.address()));
    clients.back()->send(bytes);
  }
  REQUIRE(world.run_until(
      [&] {
        for (const auto& client : clients) {
          if (client->received.size() < bytes.size()) return false;
        }
        return true;
      },
      60'000));
  for (const auto& client : clients) CHECK((client->received == bytes));
}

TEST_CASE_TEMPLATE("net: writing to a peer that is gone ends in kClosed", World, RealWorld,
                   SimWorld) {
  World world;
  Server<Peer> server(world.net, kAnyPort);
  auto client = connect_to(world.net, server.address());
  REQUIRE(world.run_until([&] { return client->connected && server.ends.size() == 1; }));
  server.ends.clear();
  REQUIRE(world.run_until([&] { return client->closed; }));
  for (int i = 0; i < 100 && !client->broken; ++i) {
    client->send("x");
    world.run_for(2);
  }
  CHECK(client->broken);
}

TEST_CASE_TEMPLATE("net: a handler may destroy its connection in a callback", World, RealWorld,
                   SimWorld) {
  struct Quitter final : ConnHandler {
    void on_readable() override { conn.reset(); }
    void on_writable() override { conn.reset(); }
    std::unique_ptr<Conn> conn;
  };
  World world;
  Server<Peer> server(world.net, kAnyPort);
  Quitter writer;  // goes when it is connected
  writer.conn = std::move(world.net.connect(server.address()).value());
  writer.conn->set_handler(&writer);
  REQUIRE(world.run_until([&] { return writer.conn == nullptr; }));
  REQUIRE(world.run_until([&] { return server.ends.size() == 1 && server.ends[0]->closed; }));

  Quitter reader;  // goes when there is something to read, wanting to write as well
  Peer& end = *server.ends.emplace_back(connect_to(world.net, server.address()));
  REQUIRE(world.run_until([&] { return server.ends.size() == 3; }));
  reader.conn = std::move(server.ends[2]->conn);
  reader.conn->set_handler(&reader);
  end.send("go");
  world.run_until([&] { return end.sent == 2; });
  world.run_for(5);
  REQUIRE(world.run_until([&] { return reader.conn == nullptr; }));
  REQUIRE(world.run_until([&] { return end.closed; }));
}

TEST_CASE_TEMPLATE("net: a listener may be destroyed while it accepts", World, RealWorld,
                   SimWorld) {
  World world;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Conn> kept;
  std::string said;
  listener = std::move(world.net
                           .listen(kAnyPort, {},
                                   [&, text = std::string("bye, listener, in a long string")](
                                       std::unique_ptr<Conn> conn) {
                                     kept = std::move(conn);
                                     listener.reset();
                                     said = text;
                                   })
                           .value());
  const Address address = listener->address();
  auto client = connect_to(world.net, address);
  REQUIRE(world.run_until([&] { return kept != nullptr; }));
  CHECK(said == "bye, listener, in a long string");
  Peer server(std::move(kept));
  server.send("still served");
  REQUIRE(world.run_until([&] { return client->received == "still served"; }));
}

}  // namespace holdfast
