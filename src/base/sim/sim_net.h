// SimNet: streams between simulated hosts, on a SimReactor. SimNet itself is the network as
// 127.0.0.1 sees it; at() gives it as any other host sees it. A wildcard or loopback address means
// the host itself.
//
// What always holds, as with TCP: bytes of one direction arrive in order, each once; a stream that
// ends says so only after all that arrived has been read; a buffer is bounded, so a reader that
// stops makes its writer see kWouldBlock, and later on_writable.
//
// Faults and freedoms, all drawn from the Random:
//  - every segment takes its own latency; what is written is split anywhere; reads and writes may
//    move less than they could;
//  - a Conn destroyed with unread bytes resets the stream, and bytes it sent last may be lost;
//  - cut: what is sent stays on the way until heal (ends and resets too); one way or both;
//  - reset: both ends see the stream end, bytes on the way are lost;
//  - power_off: a host goes silent without a word to its peers; power_on: its old streams are
//    reset when a peer has sent or sends something;
//  - pause: a host hears and accepts nothing for a time, while its system goes on to receive;
//  - set_latency: of what is sent from then on;
//  - a connect to a host that is cut off or silent fails after connect_timeout_ms, one that nobody
//    listens for is refused.
//
// Every delivery is traced. Threads: the reactor's. The reactor and the Random outlive the SimNet,
// its Conns and its Listeners.
#pragma once

#include <memory>
#include <string>

#include "base/net.h"
#include "base/random.h"
#include "base/sim/sim_reactor.h"

namespace holdfast {

struct SimFabric;

struct SimNetOptions {
  int64_t min_latency_us = 50;
  int64_t max_latency_us = 500;
  size_t buffer_bytes = 64 << 10;  // of one direction: on the way and unread together
  uint64_t short_io_one_in = 4;    // of the reads and writes that move less than they could
  size_t max_splits = 3;           // of one write
  int64_t connect_timeout_ms = 5000;
};

class SimNet final : public Net {
 public:
  SimNet(SimReactor& reactor, Random& random, SimNetOptions options = {});
  ~SimNet() override;

  std::unique_ptr<Net> at(const std::string& host);

  Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options,
                                           OnAccept on_accept) override;
  Result<std::unique_ptr<Conn>> connect(const Address& address) override;

  void cut(const std::string& a, const std::string& b);
  void cut_one_way(const std::string& from, const std::string& to);
  void heal(const std::string& a, const std::string& b);
  void heal_all();
  void reset(const std::string& a, const std::string& b);
  void power_off(const std::string& host);
  void power_on(const std::string& host);
  void pause(const std::string& host, int64_t ns);
  void set_latency(int64_t min_us, int64_t max_us);

 private:
  std::shared_ptr<SimFabric> fabric_;
  std::unique_ptr<Net> self_;
};

}  // namespace holdfast
