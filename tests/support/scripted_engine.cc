// See scripted_engine.h.
#include "tests/support/scripted_engine.h"

namespace holdfast {

void ScriptedEngine::append(ShardId shard, LogGroup group, Done done) {
  waiting_.push_back({shard, std::move(group), std::move(done)});
  if (!held_back_) release_all();
}

void ScriptedEngine::release(size_t count) {
  for (; count > 0 && !waiting_.empty(); --count) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (!poisoned_ && !failure_.ok()) poisoned_ = true;
    if (poisoned_) {
      next.done(Status(Code::kPoisoned, failure_.message()));
    } else {
      mem_.append(next.shard, std::move(next.group), std::move(next.done));
    }
  }
}

void ScriptedEngine::stop_holding() {
  held_back_ = false;
  release_all();
}

}  // namespace holdfast
