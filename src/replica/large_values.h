// LargeValues: the values among a group's entries that are so large that the engine is to write
// them once (LogGroup::large). The primary notes them as it emits effects, a backup finds them in
// what it receives.
//
// Threads: the keyspace's.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "store/effect.h"
#include "store/keyspace.h"

namespace holdfast {

class LargeValues {
 public:
  // The next effect of the group, of entry `seq`; its value, if it has one, is at `at` of the
  // bytes.
  void note(const Effect& effect, Seq seq, uint64_t at);
  // What was found, in order; the next group begins.
  std::vector<LogGroup::Large> take() { return std::exchange(found_, {}); }

 private:
  std::vector<LogGroup::Large> found_;
};

}  // namespace holdfast
