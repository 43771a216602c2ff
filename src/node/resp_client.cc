// See resp_client.h.
#include "node/resp_client.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "base/net.h"

namespace holdfast {
namespace {

constexpr int kTimeoutSeconds = 5;
constexpr size_t kMaxReplyBytes = 16 << 20;
constexpr int kMaxDepth = 8;

Status no_resp() { return Status::unavailable("the reply is not in the Redis protocol"); }

}  // namespace

const RespValue& RespValue::field(std::string_view name) const {
  static const RespValue kNone;
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == name) return elements[i + 1];
  }
  return kNone;
}

RespClient::~RespClient() {
  if (fd_ >= 0) ::close(fd_);
}

Status RespClient::connect(const std::string& host, uint16_t port, std::string_view password) {
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
  if (fd_ < 0) return Status::from_errno("connect to " + where, last_error);
  if (password.empty()) return {};
  const Result<RespValue> authenticated = ask({"AUTH", std::string(password)});
  if (!authenticated.ok()) return authenticated.status();
  return authenticated.value().error() ? Status::unavailable(authenticated.value().text) : Status();
}

Result<RespValue> RespClient::ask(const std::vector<std::string>& words) {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  if (const Status sent = send(request); !sent.ok()) return sent;
  RespValue value;
  if (const Status read_it = read(&value, 0); !read_it.ok()) return read_it;
  return value;
}

bool RespClient::try_connect(const addrinfo& address) {
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

Status RespClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Status::from_errno("send", errno);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Status RespClient::receive() {
  std::array<char, 16384> chunk;
  const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
  if (got < 0 && errno == EINTR) return {};
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return Status::unavailable("no answer within " + std::to_string(kTimeoutSeconds) + " s");
  }
  if (got < 0) return Status::from_errno("receive", errno);
  if (got == 0) return Status::unavailable("the server closed the connection");
  buffer_.append(chunk.data(), static_cast<size_t>(got));
  if (buffer_.size() > kMaxReplyBytes) return Status::unavailable("the reply is too long");
  return {};
}

Result<std::string> RespClient::line() {
  size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (const Status status = receive(); !status.ok()) return status;
  }
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return text;
}

Status RespClient::read(RespValue* value, int depth) {
  const Result<std::string> head = line();
  if (!head.ok()) return head.status();
  if (head.value().empty() || depth > kMaxDepth) return no_resp();
  value->type = head.value()[0];
  value->text = head.value().substr(1);
  if (value->type == '+' || value->type == '-') return {};
  const std::string digits = std::exchange(value->text, {});
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value->number);
  if (error != std::errc() || end != digits.data() + digits.size()) return no_resp();
  if (value->type == ':' || value->number < 0) return {};
  if (value->number > int64_t{kMaxReplyBytes}) return no_resp();
  const auto size = static_cast<size_t>(value->number);
  if (value->type == '$') {
    while (buffer_.size() < size + 2) {
      if (const Status status = receive(); !status.ok()) return status;
    }
    value->text = buffer_.substr(0, size);
    buffer_.erase(0, size + 2);
    return {};
  }
  if (value->type != '*') return no_resp();
  for (size_t i = 0; i < size; ++i) {
    value->elements.emplace_back();
    if (const Status status = read(&value->elements.back(), depth + 1); !status.ok()) return status;
  }
  return {};
}

}  // namespace holdfast
