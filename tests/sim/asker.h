// Asker: a connection of somebody in a simulation who asks one thing at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/net.h"
#include "tests/sim/reply.h"

namespace holdfast {

using Request = std::vector<std::string>;
// To that host's clients' port; null: refused.
using ConnectTo = std::function<std::unique_ptr<Conn>(const std::string& host)>;

class Asker final : public ConnHandler {
 public:
  struct Hooks {
    std::function<void(const Request&, const Reply&)> answered;  // may disconnect
    std::function<void()> lost;                                  // the connection ended by itself
  };

  Asker(ConnectTo connect, Hooks hooks) : connect_(std::move(connect)), hooks_(std::move(hooks)) {}

  bool connected() const { return conn_ != nullptr; }
  // False: refused. REQUIRES: !connected().
  bool connect(const std::string& host);
  void disconnect();
  // REQUIRES: connected(), !waits().
  void ask(Request request, int64_t now_ns);
  bool waits() const { return !asked_.empty(); }
  int64_t asked_ns() const { return asked_ns_; }

  void on_readable() override;
  void on_writable() override;

 private:
  void lost();

  const ConnectTo connect_;
  const Hooks hooks_;
  std::unique_ptr<Conn> conn_;
  std::string out_, in_;
  Request asked_;  // empty: nothing
  int64_t asked_ns_ = 0;
};

}  // namespace holdfast
