// See sim_net.h. The streams themselves are in sim_stream.
#include "base/sim/sim_net.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/sim/sim_stream.h"

namespace holdfast {
namespace {

constexpr std::string_view kThisHost = "127.0.0.1";

bool means_itself(std::string_view host) {
  constexpr std::array<std::string_view, 7> kNames = {"",   "*",   "0.0.0.0",  "127.0.0.1",
                                                      "::", "::1", "localhost"};
  return std::find(kNames.begin(), kNames.end(), host) != kNames.end();
}

// The network as one host sees it.
class SimHostNet final : public Net {
 public:
  SimHostNet(std::shared_ptr<SimFabric> fabric, std::string host)
      : fabric_(std::move(fabric)), host_(std::move(host)) {}

  Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions&,
                                           OnAccept on_accept) override {
    Address bound = seen_from_here(address);
    if (!bound.is_unix() && bound.host != host_) {
      return Status::invalid("listen " + address.to_string() + ": not an address of " + host_);
    }
    while (!bound.is_unix() && bound.port == 0) {
      const uint16_t port = next_port();
      if (!taken(Address::tcp(host_, port))) bound.port = port;
    }
    if (taken(bound)) {
      return Status(Code::kExists, "listen " + address.to_string() + ": address in use");
    }
    return std::unique_ptr<Listener>(std::make_unique<SimListener>(
        fabric_, listener_key(host_, bound), bound, std::move(on_accept)));
  }

  Result<std::unique_ptr<Conn>> connect(const Address& address) override {
    SimStream::End client;
    SimStream::End server;
    client.host = host_;
    server.address = seen_from_here(address);
    server.host = address.is_unix() ? host_ : server.address.host;
    client.address = address.is_unix() ? address : Address::tcp(host_, next_port());
    auto stream = std::make_shared<SimStream>(fabric_, std::move(client), std::move(server));
    auto conn = std::make_unique<SimConn>(stream, 0);
    stream->start_connect();
    return std::unique_ptr<Conn>(std::move(conn));
  }

 private:
  Address seen_from_here(Address address) const {
    if (!address.is_unix() && means_itself(address.host)) address.host = host_;
    return address;
  }

  bool taken(const Address& address) const {
    return fabric_->listeners.contains(listener_key(host_, address));
  }

  uint16_t next_port() {
    constexpr uint16_t kFirstPort = 40000;
    const uint16_t port = fabric_->next_port;
    fabric_->next_port = port == 65535 ? kFirstPort : static_cast<uint16_t>(port + 1);
    return port;
  }

  std::shared_ptr<SimFabric> fabric_;
  std::string host_;
};

}  // namespace

std::string listener_key(const std::string& host, const Address& address) {
  return host + " " + (address.is_unix() ? address.path : std::to_string(address.port));
}

SimNet::SimNet(SimReactor& reactor, Random& random, SimNetOptions options)
    : fabric_(std::make_shared<SimFabric>(SimFabric{reactor, random, options})),
      self_(at(std::string(kThisHost))) {}

SimNet::~SimNet() = default;

std::unique_ptr<Net> SimNet::at(const std::string& host) {
  return std::make_unique<SimHostNet>(fabric_, host);
}

Result<std::unique_ptr<Listener>> SimNet::listen(const Address& address,
                                                 const ListenOptions& options, OnAccept on_accept) {
  return self_->listen(address, options, std::move(on_accept));
}

Result<std::unique_ptr<Conn>> SimNet::connect(const Address& address) {
  return self_->connect(address);
}

void SimNet::cut(const std::string& a, const std::string& b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}

void SimNet::cut_one_way(const std::string& from, const std::string& to) {
  fabric_->reactor.trace("cut " + from + " " + to);
  fabric_->cuts.emplace(from, to);
}

void SimNet::heal(const std::string& a, const std::string& b) {
  fabric_->reactor.trace("heal " + a + " " + b);
  fabric_->cuts.erase({a, b});
  fabric_->cuts.erase({b, a});
  fabric_->for_each_stream([](SimStream& stream) { stream.after_heal(); });
}

void SimNet::heal_all() {
  fabric_->reactor.trace("heal all");
  fabric_->cuts.clear();
  fabric_->for_each_stream([](SimStream& stream) { stream.after_heal(); });
}

void SimNet::reset(const std::string& a, const std::string& b) {
  fabric_->for_each_stream([&](SimStream& stream) {
    if (stream.joins(a, b)) stream.reset();
  });
}

void SimNet::power_off(const std::string& host) {
  fabric_->silent.insert(host);
  fabric_->for_each_stream([&](SimStream& stream) { stream.power_lost(host); });
}

void SimNet::pause(const std::string& host, int64_t ns) {
  int64_t& until = fabric_->paused[host];
  until = std::max(until, fabric_->reactor.clock().mono_ns() + ns);
}

void SimNet::set_latency(int64_t min_us, int64_t max_us) {
  fabric_->options.min_latency_us = min_us;
  fabric_->options.max_latency_us = max_us;
}

void SimNet::power_on(const std::string& host) {
  fabric_->silent.erase(host);
  fabric_->for_each_stream([&](SimStream& stream) { stream.power_back(host); });
}

}  // namespace holdfast
