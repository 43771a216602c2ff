// See socket_address.h.
#include "base/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace holdfast {
namespace {

Result<std::vector<SocketAddress>> resolve_unix(const Address& address) {
  SocketAddress found;
  auto* un = reinterpret_cast<sockaddr_un*>(&found.storage);
  if (address.path.size() >= sizeof un->sun_path) {
    return Status::invalid("unix socket path is longer than " +
                           std::to_string(sizeof un->sun_path - 1) + " bytes: " + address.path);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, address.path.data(), address.path.size());
  found.size = sizeof(sockaddr_un);
  return std::vector{found};
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const Address& address, bool to_listen) {
  if (address.is_unix()) return resolve_unix(address);
  std::string host = address.host;
  if (to_listen && (host.empty() || host == "*")) host = "0.0.0.0";

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const std::string port = std::to_string(address.port);
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0) {
    return Status::invalid("address " + address.to_string() + ": " + gai_strerror(error));
  }
  std::vector<SocketAddress> found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    SocketAddress one;
    std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
    one.size = each->ai_addrlen;
    found.push_back(one);
  }
  freeaddrinfo(list);
  if (found.empty()) return Status::invalid("address " + address.to_string() + ": nothing found");
  return found;
}

Address to_address(const SocketAddress& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return Address::tcp(text, ntohs(v4->sin_port));
  }
  if (from.family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return Address::tcp(text, ntohs(v6->sin6_port));
  }
  return {};
}

Address local_address(int fd) {
  SocketAddress end;
  end.size = sizeof end.storage;
  if (getsockname(fd, end.raw(), &end.size) != 0) return {};
  return to_address(end);
}

Address peer_address(int fd) {
  SocketAddress end;
  end.size = sizeof end.storage;
  if (getpeername(fd, end.raw(), &end.size) != 0) return {};
  return to_address(end);
}

}  // namespace holdfast
