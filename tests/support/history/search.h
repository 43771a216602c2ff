// Search: the depth-first search of linearizable.h over one object's operations. It keeps its own
// stack, so that a long history needs no deep recursion.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/support/history/models.h"

namespace holdfast::history {

class Search {
 public:
  // `acts` in the order in which they were sent; `model` is empty. Both outlive the search.
  Search(const std::vector<Act>& acts, Model& model, uint64_t step_limit);

  // kCorrect: an order exists that does all that must be done. Once per Search.
  Verdict run() { return search(0); }
  // Instead of run: the texts of at most `count` states in which such orders end.
  std::vector<std::string> final_states(size_t count);

  uint64_t steps() const { return steps_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // A request or a reply, in the order of time; those that are not done yet are linked.
  struct Event {
    uint32_t act;
    bool reply;
    uint32_t previous;
    uint32_t next;
  };
  struct Place {  // in the search: the moves to try from here
    uint32_t first;
    uint32_t next;
    uint32_t end;
  };
  struct Done {
    uint32_t act;
    bool changed;
  };
  struct PrintHash {
    size_t operator()(const Fingerprint& print) const { return print.low; }
  };

  void link_events();
  void find_twins();
  Verdict search(size_t states);
  void find_moves();
  void add_open_moves(uint32_t first);
  bool try_move(uint32_t act);
  void take_back();
  bool first_time_here();
  void lift(uint32_t event);
  void unlift(uint32_t event);
  void mark(uint32_t act);

  const std::vector<Act>& acts_;
  Model& model_;
  const uint64_t step_limit_;
  uint64_t steps_ = 0;

  std::vector<Event> events_;      // [0] is the head of the list, and its end
  std::vector<uint32_t> request_;  // by act: its events
  std::vector<uint32_t> reply_;
  std::vector<uint32_t> open_number_;  // by act: its bit in open_done_, or kNone
  std::vector<uint32_t> twin_;  // by act: the open one that does the same and was sent before
  uint32_t must_left_ = 0;

  std::vector<Done> path_;
  std::vector<Place> places_;
  std::vector<uint32_t> moves_;  // of all places of the path, one after the other
  std::vector<uint32_t> open_here_, must_here_;

  Fingerprint must_done_;
  std::vector<uint64_t> open_done_;  // bits
  // Where the search has been: by state and what must be done, the sets of open operations used.
  std::unordered_map<Fingerprint, std::vector<std::vector<uint64_t>>, PrintHash> visited_;
  std::vector<std::string> states_;
};

}  // namespace holdfast::history
