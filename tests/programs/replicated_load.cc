// Loads a server with SETs from many connections, each sending a batch and waiting for all of its
// answers; with --wait each batch ends with WAIT N, whose answer has to be at least N. Prints
// requests (SETs) per second and p99 of a batch in milliseconds.
//
//   replicated_load PORT --clients N --pipeline N --requests N --keys N [--wait N]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int port = 0, clients = 50, pipeline = 1, wait = 0;
  long requests = 100000, keys = 1000000;
};

struct Client {
  int fd = -1;
  std::string out, in;
  int answers = 0;  // awaited
  Clock::time_point sent;
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "replicated_load: %s\n", why.c_str());
  std::exit(1);
}

int open_socket(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_batch(Client& client, const Options& options) {
  client.out.clear();
  for (int i = 0; i < options.pipeline; ++i) {
    char text[160];
    const int length = std::snprintf(
        text, sizeof text, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012ld\r\n$64\r\n%064ld\r\n",
        random() % options.keys, random());
    client.out.append(text, static_cast<size_t>(length));
  }
  client.answers = options.pipeline;
  if (options.wait > 0) {
    client.out += "*3\r\n$4\r\nWAIT\r\n$1\r\n" + std::to_string(options.wait) + "\r\n$1\r\n0\r\n";
    ++client.answers;
  }
  client.sent = Clock::now();
  size_t sent = 0;
  while (sent < client.out.size()) {
    const ssize_t n = write(client.fd, client.out.data() + sent, client.out.size() - sent);
    if (n <= 0) fail("the connection was closed");
    sent += static_cast<size_t>(n);
  }
}

// True when the batch is answered.
bool take_answers(Client& client, const Options& options) {
  char buffer[65536];
  const ssize_t n = read(client.fd, buffer, sizeof buffer);
  if (n <= 0) fail("the connection was closed");
  client.in.append(buffer, static_cast<size_t>(n));
  size_t at = 0;
  for (size_t end; (end = client.in.find("\r\n", at)) != std::string::npos; at = end + 2) {
    const std::string line = client.in.substr(at, end - at);
    const bool ok = line == "+OK" ||
                    (line[0] == ':' && std::atoi(line.c_str() + 1) >= options.wait);
    if (!ok) fail("answered " + line);
    --client.answers;
  }
  client.in.erase(0, at);
  return client.answers == 0;
}

void run(const Options& options) {
  const int epoll = epoll_create1(0);
  std::vector<Client> clients(static_cast<size_t>(options.clients));
  for (Client& client : clients) {
    client.fd = open_socket(options.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &client;
    epoll_ctl(epoll, EPOLL_CTL_ADD, client.fd, &event);
  }
  std::vector<double> latencies;
  long sent = 0, done = 0;
  const auto start = Clock::now();
  for (Client& client : clients) {
    send_batch(client, options);
    sent += options.pipeline;
  }
  epoll_event events[256];
  while (done < sent) {
    const int count = epoll_wait(epoll, events, 256, 30000);
    if (count == 0) fail("no answer for 30 s");
    for (int i = 0; i < count; ++i) {
      Client& client = *static_cast<Client*>(events[i].data.ptr);
      if (!take_answers(client, options)) continue;
      done += options.pipeline;
      latencies.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - client.sent).count());
      if (sent >= options.requests) continue;
      send_batch(client, options);
      sent += options.pipeline;
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(latencies.begin(), latencies.end());
  std::printf("%.0f %.3f\n", double(done) / seconds, latencies[latencies.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc < 2) fail("which port?");
  options.port = std::atoi(argv[1]);
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const long value = std::atol(argv[i + 1]);
    if (flag == "--clients") options.clients = static_cast<int>(value);
    if (flag == "--pipeline") options.pipeline = static_cast<int>(value);
    if (flag == "--requests") options.requests = value;
    if (flag == "--keys") options.keys = value;
    if (flag == "--wait") options.wait = static_cast<int>(value);
  }
  run(options);
}
