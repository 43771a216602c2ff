// LibeventNet: TCP and unix sockets on a LibeventReactor.
//
// IPv4, IPv6 and host names. A name that stands for several addresses is tried in the resolver's
// order until one accepts. TCP connections send without delay (TCP_NODELAY): a turn's replies are
// already gathered into one write.
//
// When the process is out of descriptors, accepting pauses for 100 ms and clients wait in the
// backlog; the first such pause is logged, and the next one after accepting has worked again.
//
// Threads: the reactor's. Outlives nothing: Conns and Listeners need the reactor, not this object.
#pragma once

#include <memory>

#include "base/libevent_reactor.h"
#include "base/net.h"

namespace holdfast {

class LibeventNet final : public Net {
 public:
  explicit LibeventNet(LibeventReactor& reactor) : reactor_(reactor) {}

  Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options,
                                           OnAccept on_accept) override;
  Result<std::unique_ptr<Conn>> connect(const Address& address) override;

 private:
  LibeventReactor& reactor_;
};

}  // namespace holdfast
