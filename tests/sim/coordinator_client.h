// CoordinatorClient: a person who has to do with the coordinators of a ClusterWorld: looks at the
// views, and now and then moves a primary or drains a node.
//
//   C9  what coordinators tell of the map is never older than what they told anybody before
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sim/sim_reactor.h"
#include "tests/sim/asker.h"
#include "tests/sim/campaign.h"

namespace holdfast {

class CoordinatorClient {
 public:
  // What all of them were told together. All references outlive it, but for events.
  struct Told {
    int64_t revision = 0;
  };

  CoordinatorClient(std::vector<std::string> coordinators, std::vector<std::string> nodes,
                    SimReactor& reactor, Random& random, MarkCounts& marks, Told& told,
                    ConnectTo connect);

  void start();
  // It only looks from now on.
  void change_nothing() { changes_ = false; }

 private:
  void think();
  void act();
  Request next();
  void answered(const Request& asked, const Reply& reply);

  const std::vector<std::string> coordinators_, nodes_;
  SimNodeReactor reactor_;
  Random& random_;
  MarkCounts& marks_;
  Told& told_;
  Asker asker_;
  bool changes_ = true;
  int64_t known_ = 0;  // the newest revision that was told when it asked
};

}  // namespace holdfast
