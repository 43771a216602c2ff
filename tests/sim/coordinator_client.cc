// See coordinator_client.h.
#include "tests/sim/coordinator_client.h"

#include <algorithm>

#include "tests/sim/violation.h"

namespace holdfast {
namespace {

constexpr uint64_t kThinkMs = 120;
constexpr int64_t kPatienceNs = 1'000'000'000;
constexpr uint64_t kShards = 2;

}  // namespace

CoordinatorClient::CoordinatorClient(std::vector<std::string> coordinators,
                                     std::vector<std::string> nodes, SimReactor& reactor,
                                     Random& random, MarkCounts& marks, Told& told,
                                     ConnectTo connect)
    : coordinators_(std::move(coordinators)),
      nodes_(std::move(nodes)),
      reactor_(reactor),
      random_(random),
      marks_(marks),
      told_(told),
      asker_(
          std::move(connect),
          {[this](const Request& asked, const Reply& reply) { answered(asked, reply); }, [] {}}) {}

void CoordinatorClient::start() { think(); }

void CoordinatorClient::think() {
  reactor_.run_after(1 + static_cast<int64_t>(random_.below(kThinkMs)), [this] {
    act();
    think();
  });
}

void CoordinatorClient::act() {
  const int64_t now_ns = reactor_.clock().mono_ns();
  if (!asker_.connected()) {
    asker_.connect(coordinators_[random_.below(coordinators_.size())]);
  } else if (!asker_.waits()) {
    known_ = told_.revision;
    asker_.ask(next(), now_ns);
  } else if (now_ns - asker_.asked_ns() > kPatienceNs) {
    asker_.disconnect();
  }
}

Request CoordinatorClient::next() {
  const std::string shard = std::to_string(1 + random_.below(kShards));
  const std::string& node = nodes_[random_.below(nodes_.size())];
  if (!changes_ || !random_.one_in(12)) return {"VIEW", "LIST"};
  switch (random_.below(6)) {
    case 0:
      return {"SHARD", "FAILOVER", shard};
    case 1:
      return {"SHARD", "HANDOVER", shard, node};
    case 2:
      return {"SHARD", "HANDOVER", shard};
    case 3:
      return {"NODE", "DRAIN", node};
    case 4:
      return {"NODE", "DRAIN", node, "OFF"};
    default:
      return {"NODE", "CAN-STOP", node};
  }
}

void CoordinatorClient::answered(const Request& asked, const Reply& reply) {
  if (reply.error()) {
    ++marks_["coordinators refused"];
    if (reply.code() != "ERR") asker_.disconnect();  // another leads, or nobody
    return;
  }
  ++marks_[asked[0] + " " + asked[1]];
  if (asked[1] != "LIST") return;
  const int64_t revision = reply.elements[1].number;  // it comes first
  if (revision < known_) {
    throw Violation("C9: a coordinator tells of revision " + std::to_string(revision) +
                    " of the map; before it was asked, " + std::to_string(known_) +
                    " had been told");
  }
  told_.revision = std::max(told_.revision, revision);
}

}  // namespace holdfast
