// See net.h: what an Address can say about itself without asking the kernel.
#include "base/net.h"

#include <charconv>

#include <arpa/inet.h>

namespace holdfast {

std::string Address::to_string() const {
  if (is_unix()) return path + ":0";
  if (host.find(':') != std::string::npos) return "[" + host + "]:" + std::to_string(port);
  return host + ":" + std::to_string(port);
}

Result<Address> Address::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const bool numbered = colon != std::string_view::npos && colon > 0;
  const auto [at, error] = numbered ? std::from_chars(text.data() + colon + 1, end, port)
                                    : std::from_chars_result{text.data(), std::errc()};
  std::string_view host = text.substr(0, numbered ? colon : 0);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!numbered || error != std::errc() || at != end || host.empty()) {
    return Status::invalid("not HOST:PORT: " + std::string(text));
  }
  return tcp(std::string(host), port);
}

bool Address::is_loopback() const {
  if (is_unix()) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace holdfast
