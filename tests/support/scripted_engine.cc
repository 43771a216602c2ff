// See scripted_engine.h.
#include "tests/support/scripted_engine.h"

namespace holdfast {

void ScriptedEngine::append(ShardId shard, LogGroup group, Done done) {
  submit({[this, shard, group = std::move(group)](Done d) mutable {
            mem_.append(shard, std::move(group), std::move(d));
          },
          std::move(done)});
}

// Held too: it must not pass by the appends that it undoes.
void ScriptedEngine::truncate_suffix(ShardId shard, Seq last, Done done) {
  submit({[this, shard, last](Done d) { mem_.truncate_suffix(shard, last, std::move(d)); },
          std::move(done)});
}

void ScriptedEngine::submit(Waiting waiting) {
  waiting_.push_back(std::move(waiting));
  if (!held_back_) release_all();
}

void ScriptedEngine::release(size_t count) {
  for (; count > 0 && !waiting_.empty(); --count) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (refused(next.done)) continue;
    if (failure_.ok()) {
      next.commit(next.done);
    } else {
      poisoned_ = true;
      next.done(failure_);
    }
  }
}

bool ScriptedEngine::refused(const Done& done) const {
  if (poisoned_) done(Status(Code::kPoisoned, failure_.message()));
  return poisoned_;
}

void ScriptedEngine::stop_holding() {
  held_back_ = false;
  release_all();
}

void ScriptedEngine::crash() {
  waiting_.clear();
  failure_ = Status();
  poisoned_ = false;
}

}  // namespace holdfast
