// ClusterClient: one client of a ClusterWorld: a connection to one of the nodes, with a few
// requests on the way. It follows MOVED, tries another node when it is refused, when its connection
// ends, and when no answer comes in time. It never sends an operation again: what it was not told
// stays open.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/sim/sim_reactor.h"
#include "tests/sim/asker.h"
#include "tests/sim/workload.h"

namespace holdfast {

class ClusterClient final : public ConnHandler {
 public:
  struct Manner {
    int64_t think_ms = 20;  // at most, between two things it asks
    size_t pipeline = 4;
    int64_t patience_ms = 1000;
    // Only reads, from one node whatever that says: it asks a primary that was deposed, too.
    bool watches = false;
    bool through_gateway = false;  // where nobody is sent elsewhere
  };

  // `servers`: where it may ask. All references outlive it, but for events: it may be destroyed at
  // any time.
  ClusterClient(uint32_t number, std::vector<std::string> servers, SimReactor& reactor,
                Random& random, Workload& workload, const Manner& manner, ConnectTo connect);

  void start();
  // Asks for nothing more but this, one after the other, each until it is answered.
  using Ask = std::function<Asked()>;
  void finish(const std::vector<Ask>& last) {
    finishing_ = true;
    last_ = {last.begin(), last.end()};
  }
  bool finished() const { return finishing_ && last_.empty() && waiting_.empty(); }
  // For a person.
  std::string state() const;
  void pause_reading(int64_t ms);
  uint64_t moved() const { return moved_; }
  uint64_t timeouts() const { return timeouts_; }
  const Manner& manner() const { return manner_; }
  // Of what it asked.
  uint64_t acknowledged() const { return acknowledged_; }

  void on_readable() override;
  void on_writable() override;

 private:
  struct Waiting {
    Asked asked;
    std::vector<Reply> replies;
    int64_t since_ns;
    Ask again;  // of finish(): what to do if it fails
  };

  void think();
  void ask();
  void connect();
  void connect_soon();
  void disconnect();
  void take_replies();
  void redirected(const Reply& reply);
  bool stays() const { return manner_.watches && !finishing_; }
  void watch();

  const uint32_t number_;
  const std::vector<std::string> servers_;
  SimNodeReactor reactor_;
  Random& random_;
  Workload& workload_;
  const Manner manner_;
  const ConnectTo connect_;
  std::unique_ptr<Conn> conn_;
  std::string out_, in_;
  std::deque<Waiting> waiting_;
  size_t at_ = 0;        // which server
  bool leaves_ = false;  // for another node, when all is answered
  bool connecting_ = false;
  bool finishing_ = false;
  bool refused_ = false;  // one who watches was, just now
  std::deque<Ask> last_;
  uint64_t moved_ = 0, timeouts_ = 0, acknowledged_ = 0;
};

}  // namespace holdfast
