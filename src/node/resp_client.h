// RespClient: asks a running server, for subcommands. It blocks: it runs in a process without a
// reactor. Each step has a limit of time, and all replies one of bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct addrinfo;

namespace holdfast {

// A reply of RESP2.
struct RespValue {
  char type = 0;  // + - : $ *
  std::string text;
  int64_t number = 0;
  std::vector<RespValue> elements;

  bool error() const { return type == '-'; }
  // Of a map, which is an array here. Empty, if it has none.
  const RespValue& field(std::string_view name) const;
};

class RespClient {
 public:
  RespClient() = default;
  ~RespClient();
  RespClient(const RespClient&) = delete;
  RespClient& operator=(const RespClient&) = delete;

  // Authenticates too, if `password` is not empty. REQUIRES: not connected.
  Status connect(const std::string& host, uint16_t port, std::string_view password);
  // An error reply is a value.
  Result<RespValue> ask(const std::vector<std::string>& words);

 private:
  bool try_connect(const addrinfo& address);
  Status send(std::string_view bytes);
  Status receive();
  Result<std::string> line();
  Status read(RespValue* value, int depth);

  int fd_ = -1;
  std::string buffer_;
};

}  // namespace holdfast
