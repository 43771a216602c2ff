// hiredis, asynchronous over libevent: several connections with many commands in flight; replies
// come in order on each. Usage: hiredis_async PORT
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kConnections = 10;
constexpr long long kCommands = 5000;

struct Connection {
  int number = 0;
  long long expected = 1;
  redisAsyncContext* context = nullptr;
};

int finished = 0;
event_base* base = nullptr;

void fail(const char* what) {
  std::fprintf(stderr, "hiredis_async: %s\n", what);
  std::exit(1);
}

void on_reply(redisAsyncContext*, void* reply, void* data) {
  auto* connection = static_cast<Connection*>(data);
  const auto* r = static_cast<redisReply*>(reply);
  if (r == nullptr || r->type != REDIS_REPLY_INTEGER) fail("no integer reply");
  if (r->integer != connection->expected) fail("replies out of order");
  if (connection->expected++ < kCommands) return;
  redisAsyncDisconnect(connection->context);
  if (++finished == kConnections) event_base_loopbreak(base);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) fail("usage: hiredis_async PORT");
  base = event_base_new();
  static Connection connections[kConnections];
  for (int i = 0; i < kConnections; ++i) {
    Connection& connection = connections[i];
    connection.number = i;
    connection.context = redisAsyncConnect("127.0.0.1", std::atoi(argv[1]));
    if (connection.context == nullptr || connection.context->err != 0) fail("connect");
    redisLibeventAttach(connection.context, base);
    for (long long n = 0; n < kCommands; ++n) {
      redisAsyncCommand(connection.context, on_reply, &connection, "INCR async:%d", i);
    }
  }
  event_base_dispatch(base);
  if (finished != kConnections) fail("not all connections finished");
  std::puts("hiredis_async: ok");
  return 0;
}
