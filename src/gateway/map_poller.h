// MapPoller: learns who serves which slot by asking nodes (CLUSTER SLOTS), where no coordinator
// tells: from the seeds first, then from any node that it has heard of.
//
// It asks every second, and at once when poll_now() says that something is different. A server that
// is not part of a cluster serves all slots.
// Threads: the reactor's. No hook destroys it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/backend.h"
#include "replica/cluster_map.h"

namespace holdfast {

// A map out of the whole answer to CLUSTER SLOTS, without revision. `asked`: the node that
// answered, whose address stands where it names none. False: that is no such answer.
bool map_of_slots(std::string_view reply, const std::string& asked, ClusterMap* map);
// One node has all slots.
ClusterMap map_of_one(const std::string& address);

class MapPoller final : public ReplySink {
 public:
  struct Learned {
    ClusterMap map;
    bool unsharded = false;
  };
  using OnMap = std::function<void(Learned)>;

  MapPoller(BackendContext& context, std::vector<std::string> seeds, std::string user,
            std::string password, OnMap on_map);
  ~MapPoller() override;

  void start();
  void poll_now();
  // No more questions: somebody else tells.
  void stop();
  // How often an answer came, and since when none.
  uint64_t answers() const { return answers_; }

  void on_reply(Call& call, std::string_view piece, bool done) override;
  void on_refused(Call& call, const NodeRefusal& refusal, std::string_view line) override;
  void on_lost(Call& call) override;

 private:
  static constexpr int64_t kEveryMs = 1000;
  static constexpr int64_t kAgainMs = 20;  // between two questions, at least
  static constexpr int64_t kSayAgainNs = 5'000'000'000;
  static constexpr int64_t kAnswerNs = 1'000'000'000;

  void schedule(int64_t delay_ms);
  void ask();
  void next_node();
  void finish(Call& call);
  void note(ClusterMap map, bool unsharded);

  BackendContext& context_;
  const std::vector<std::string> seeds_;
  const std::string user_, password_;
  OnMap on_map_;
  std::vector<std::string> known_;  // whom to ask: seeds, and primaries of the last map
  size_t at_ = 0;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Backend> leaving_;
  Call* call_ = nullptr;
  std::string answer_;
  TimerId timer_ = 0;
  int64_t due_ns_ = 0;
  int64_t asked_ns_ = 0;  // when it asked last
  int64_t said_ns_ = 0;   // when it last said that it cannot; 0: never
  uint64_t answers_ = 0;
  bool stopped_ = true;
};

}  // namespace holdfast
