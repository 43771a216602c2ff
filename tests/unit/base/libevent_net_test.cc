// What only real sockets have: half-closed streams, unix sockets and their files, host names,
// IPv6, and running out of descriptors.
#include "base/libevent_net.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "base/libevent_conn.h"
#include "base/log.h"
#include "base/socket_address.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/stream_ends.h"
#include "tests/support/worlds.h"

namespace holdfast {
namespace {

int option_of(const Conn& conn, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(conn.fd(), level, name, &value, &size) == 0);
  return value;
}

// Leaves a socket file with nobody behind it.
void make_stale_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
}

}  // namespace

TEST_CASE("libevent net: a half-closed stream still carries the answer") {
  RealWorld world;
  struct Answer final : Peer {
    using Peer::Peer;
    void on_readable() override {
      Peer::on_readable();
      if (closed) send("got " + std::to_string(received.size()));
    }
  };
  Server<Answer> server(world.net, Address::tcp("127.0.0.1", 0));
  auto client = connect_to(world.net, server.address());
  client->send("question");
  REQUIRE(world.run_until([&] { return client->sent == 8; }));
  REQUIRE(::shutdown(client->conn->fd(), SHUT_WR) == 0);
  REQUIRE(world.run_until([&] { return client->received == "got 8"; }));
  server.ends.clear();
  REQUIRE(world.run_until([&] { return client->closed; }));
}

TEST_CASE("libevent net: options of accepted and of made connections") {
  RealWorld world;
  Server<Echo> server(world.net, Address::tcp("127.0.0.1", 0));
  auto client = connect_to(world.net, server.address());
  client->conn->set_keepalive(60);
  REQUIRE(world.run_until([&] { return client->connected && server.ends.size() == 1; }));
  for (const Conn* conn : {client->conn.get(), server.ends[0]->conn.get()}) {
    CHECK(option_of(*conn, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK((::fcntl(conn->fd(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(option_of(*client->conn, SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option_of(*client->conn, IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  CHECK(option_of(*client->conn, IPPROTO_TCP, TCP_KEEPINTVL) == 20);
  client->conn->set_keepalive(0);
  CHECK(option_of(*client->conn, SOL_SOCKET, SO_KEEPALIVE) == 0);
}

TEST_CASE("libevent net: every address of a name is tried until one accepts") {
  RealWorld world;
  Server<Echo> server(world.net, Address::tcp("127.0.0.1", 0));
  Address nobody;
  {
    const Server<Echo> gone(world.net, Address::tcp("127.0.0.1", 0));
    nobody = gone.address();
  }
  std::vector<SocketAddress> candidates;
  for (const Address& each : {nobody, nobody, server.address(), nobody}) {
    candidates.push_back(resolve(each, false).value().front());
  }
  auto conn = std::make_unique<LibeventConn>(world.reactor, nobody, candidates);
  conn->set_keepalive(30);
  REQUIRE(conn->start().ok());
  Peer client(std::move(conn));
  client.send("x");
  REQUIRE(world.run_until([&] { return client.received == "x"; }));
  CHECK(client.writable_calls == 1);
  CHECK(option_of(*client.conn, IPPROTO_TCP, TCP_KEEPIDLE) == 30);  // asked of the first socket
}

TEST_CASE("libevent net: host names") {
  RealWorld world;
  // "localhost" may stand for ::1 first; the server is on 127.0.0.1 only.
  Server<Echo> server(world.net, Address::tcp("127.0.0.1", 0));
  auto client = connect_to(world.net, Address::tcp("localhost", server.address().port));
  client->send("x");
  REQUIRE(world.run_until([&] { return client->received == "x"; }));
  const auto bad = world.net.connect(Address::tcp("no such host", 1));
  CHECK(bad.status().code() == Code::kInvalid);
}

TEST_CASE("libevent net: all interfaces, IPv4 and IPv6 at one port") {
  RealWorld world;
  Server<Echo> v4(world.net, Address::tcp("*", 0));
  CHECK(v4.address().host == "0.0.0.0");
  auto made = world.net.listen(Address::tcp("::", v4.address().port), {}, [](auto) {});
  if (!made.ok()) {
    MESSAGE("no IPv6 here: " << made.status().message());
    return;
  }
  made = Status::unavailable("closed");
  Server<Echo> v6(world.net, Address::tcp("::1", v4.address().port));
  auto client = connect_to(world.net, v6.address());
  client->send("six");
  REQUIRE(world.run_until([&] { return client->received == "six"; }));
  CHECK(client->conn->local().host == "::1");
  CHECK(v6.ends.size() == 1);
}

TEST_CASE("libevent net: unix sockets") {
  RealWorld world;
  const ScratchDirectory directory;
  const Address address = Address::unix_socket(directory.file("hf.sock"));
  {
    Server<Echo> server(world.net, address, {.unix_mode = 0640});
    struct stat info {};
    REQUIRE(::stat(address.path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0640);
    auto client = connect_to(world.net, address);
    client->send(pattern_bytes(1 << 20));
    REQUIRE(world.run_until([&] { return client->received.size() == 1 << 20; }));
    CHECK(server.ends[0]->conn->peer().to_string() == address.path + ":0");
    const auto second = world.net.listen(address, {}, [](std::unique_ptr<Conn>) {});
    CHECK(second.status().code() == Code::kExists);
    CHECK(::access(address.path.c_str(), F_OK) == 0);
  }
  CHECK(::access(address.path.c_str(), F_OK) != 0);
  CHECK(world.net.connect(address).status().code() == Code::kNotFound);
}

TEST_CASE("libevent net: a stale unix socket is replaced, another file is not") {
  RealWorld world;
  const ScratchDirectory directory;
  const Address stale = Address::unix_socket(directory.file("stale"));
  make_stale_socket(stale.path);
  REQUIRE(!world.net.connect(stale).ok());
  Server<Echo> server(world.net, stale);
  auto client = connect_to(world.net, stale);
  client->send("x");
  CHECK(world.run_until([&] { return client->received == "x"; }));

  const Address file = Address::unix_socket(directory.file("file"));
  std::ofstream(file.path) << "precious";
  CHECK(world.net.listen(file, {}, [](auto) {}).status().code() == Code::kExists);
  CHECK(::access(file.path.c_str(), F_OK) == 0);

  const Address endless = Address::unix_socket("/" + std::string(200, 'x'));
  CHECK(world.net.listen(endless, {}, [](auto) {}).status().code() == Code::kInvalid);
}

TEST_CASE("libevent net: out of descriptors, clients wait and are served later") {
  const ScratchDirectory directory;
  REQUIRE(configure_log({.file = directory.file("log")}).ok());
  RealWorld world;
  Server<Echo> server(world.net, Address::tcp("127.0.0.1", 0));
  // One client at a time: its socket fits, the accepted one does not.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  // Sanitizers open descriptors the first time they see a type; so they see the logger's now.
  log_warning("running out", {{"reason", "two words"}, {"number", int64_t{1}}});
  const int next_free = ::dup(0);
  ::close(next_free);
  const rlimit tight = {static_cast<rlim_t>(next_free) + 1, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  auto client = connect_to(world.net, server.address());
  client->send("patience");
  world.run_for(250);
  CHECK(client->connected);  // by the kernel's backlog
  CHECK(server.ends.empty());
  const int64_t pauses_ns = world.reactor.clock().mono_ns();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(world.run_until([&] { return client->received == "patience"; }));
  CHECK(world.reactor.clock().mono_ns() - pauses_ns < 1'000'000'000);
  CHECK(configure_log({}).ok());
  std::ifstream log(directory.file("log"));
  std::string line;
  CHECK(std::getline(log, line));
  CHECK(std::getline(log, line));
  CHECK(line.find("accepting clients paused") != std::string::npos);
  CHECK(!std::getline(log, line));  // several pauses, one line
}

}  // namespace holdfast
