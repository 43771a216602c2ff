// See status_command.h.
#include "node/status_command.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/net.h"
#include "node/exit_codes.h"

namespace holdfast {
namespace {

constexpr int kTimeoutSeconds = 5;
constexpr size_t kMaxReplyBytes = 1 << 20;

// A blocking connection that closes itself.
class Socket {
 public:
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }

  Status connect(const std::string& host, uint16_t port) {
    const std::string where = Address::tcp(host, port).to_string();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) return Status::unavailable(where + ": " + gai_strerror(error));
    int last_error = ECONNREFUSED;
    for (const addrinfo* each = found; each != nullptr && fd_ < 0; each = each->ai_next) {
      if (!try_connect(*each)) last_error = errno;
    }
    freeaddrinfo(found);
    return fd_ >= 0 ? Status() : Status::from_errno("connect to " + where, last_error);
  }

  Status send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return Status::from_errno("send", errno);
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return {};
  }

  // One reply: the text of a simple or bulk string; an error reply is an error.
  Result<std::string> reply() {
    Result<std::string> line = until_line_end();
    if (!line.ok()) return line;
    const std::string& head = line.value();
    const std::string rest = head.empty() ? head : head.substr(1);
    if (head.starts_with('+')) return rest;
    if (head.starts_with('-')) return Status::unavailable(rest);
    size_t size = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    if (!head.starts_with('$') || error != std::errc() || end != rest.data() + rest.size() ||
        size > kMaxReplyBytes) {
      return Status::unavailable("the reply is not in the Redis protocol");
    }
    while (buffer_.size() < size + 2) {
      if (const Status status = receive(); !status.ok()) return status;
    }
    std::string text = buffer_.substr(0, size);
    buffer_.erase(0, size + 2);
    return text;
  }

 private:
  bool try_connect(const addrinfo& address) {
    const int fd = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const timeval limit{kTimeoutSeconds, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect too
    if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) {
      fd_ = fd;
      return true;
    }
    const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    ::close(fd);
    errno = error;
    return false;
  }

  Status receive() {
    std::array<char, 16384> chunk;
    const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) return {};
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return Status::unavailable("no answer within " + std::to_string(kTimeoutSeconds) + " s");
    }
    if (got < 0) return Status::from_errno("receive", errno);
    if (got == 0) return Status::unavailable("the server closed the connection");
    buffer_.append(chunk.data(), static_cast<size_t>(got));
    if (buffer_.size() > 2 * kMaxReplyBytes) return Status::unavailable("the reply is too long");
    return {};
  }

  Result<std::string> until_line_end() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (const Status status = receive(); !status.ok()) return status;
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }

  int fd_ = -1;
  std::string buffer_;
};

std::string_view field_of(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const size_t end = std::min(info.find("\r\n"), info.size());
    const std::string_view line = info.substr(0, end);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return line.substr(name.size() + 1);
    }
    info.remove_prefix(std::min(info.size(), end + 2));
  }
  return {};
}

struct Shown {
  std::string_view field;  // of INFO
  std::string_view label;
};
struct Topic {
  std::string_view name;
  std::array<Shown, 4> shown;
};

constexpr std::array<Topic, 6> kTopics = {{
    {"server",
     {{{"holdfast_version", "version"},
       {"role", "role"},
       {"process_id", "pid"},
       {"uptime_in_seconds", "up seconds"}}}},
    {"clients",
     {{{"connected_clients", "connected"},
       {"blocked_clients", "blocked"},
       {"maxclients", "at most"},
       {"rejected_connections", "refused"}}}},
    {"memory",
     {{{"used_memory_human", "used"},
       {"used_memory_peak_human", "peak"},
       {"used_memory_rss_human", "of the process"},
       {"maxmemory_human", "limit"}}}},
    {"commands",
     {{{"total_commands_processed", "done"},
       {"instantaneous_ops_per_sec", "a second"},
       {"total_error_replies", "errors"},
       {"", ""}}}},
    {"data",
     {{{"engine", "engine"},
       {"durability", "durability"},
       {"loading", "loading"},
       {"expired_keys", "expired"}}}},
    {"reads", {{{"keyspace_hits", "hits"}, {"keyspace_misses", "misses"}, {"", ""}, {"", ""}}}},
}};

void add_line(std::string& out, std::string_view topic, std::string_view text) {
  constexpr size_t kColumn = 10;
  out.append(topic).append(kColumn - std::min(kColumn - 1, topic.size()), ' ');
  out.append(text).append("\n");
}

}  // namespace

std::string format_status(std::string_view info) {
  std::string out;
  for (const Topic& topic : kTopics) {
    std::string line;
    for (const Shown& each : topic.shown) {
      const std::string_view value = each.field.empty() ? "" : field_of(info, each.field);
      if (value.empty()) continue;
      line.append(line.empty() ? "" : ", ").append(each.label).append(" ").append(value);
    }
    if (!line.empty()) add_line(out, topic.name, line);
  }
  constexpr int kDatabases = 16;
  for (int i = 0; i < kDatabases; ++i) {
    const std::string name = "db" + std::to_string(i);
    const std::string_view value = field_of(info, name);
    if (!value.empty()) add_line(out, name, value);
  }
  return out;
}

Result<std::string> ask_info(const StatusCommand& command, std::string_view password) {
  Socket socket;
  Status status = socket.connect(command.host, command.port);
  if (!status.ok()) return status;
  if (!password.empty()) {
    status = socket.send("*2\r\n$4\r\nAUTH\r\n$" + std::to_string(password.size()) + "\r\n" +
                         std::string(password) + "\r\n");
    if (!status.ok()) return status;
    if (Result<std::string> authenticated = socket.reply(); !authenticated.ok()) {
      return authenticated;
    }
  }
  status = socket.send("*1\r\n$4\r\nINFO\r\n");
  if (!status.ok()) return status;
  return socket.reply();
}

int run_status(const StatusCommand& command) {
  const char* password = std::getenv("HOLDFAST_PASSWORD");
  const Result<std::string> info = ask_info(command, password == nullptr ? "" : password);
  if (!info.ok()) {
    std::fprintf(stderr, "holdfast: status: %s\n", info.status().message().c_str());
    return static_cast<int>(ExitCode::kUnavailable);
  }
  std::fputs(format_status(info.value()).c_str(), stdout);
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace holdfast
