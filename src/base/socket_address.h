// Between Address (what people write) and sockaddr (what the kernel takes).
#pragma once

#include <sys/socket.h>

#include <vector>

#include "base/net.h"
#include "base/status.h"

namespace holdfast {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// All that `address` stands for, best first, at least one. Numeric hosts never block; a name is
// looked up with getaddrinfo, which may. To listen, an empty host or "*" is every IPv4 interface.
Result<std::vector<SocketAddress>> resolve(const Address& address, bool to_listen);

// Of a TCP socket: host in numeric form, and port.
Address to_address(const SocketAddress& from);

// The two ends of a connected or bound TCP socket; empty if the kernel does not know.
Address local_address(int fd);
Address peer_address(int fd);

}  // namespace holdfast
