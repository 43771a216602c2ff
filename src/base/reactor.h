// Reactor: the one loop that owns all state of a node. Timers, tasks posted from other threads,
// and hooks that run at the end of each turn.
//
// A turn: wait for events -> callbacks of sockets, timers and posted tasks -> turn-end hooks in
// the order they were added. The hooks are where the group commit is submitted and where replies
// are written: once a turn, not once a command.
//
// Threads: everything but post() is called on the reactor's thread only.
// The real one is LibeventReactor; the simulated one (base/sim) runs on virtual time.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"

namespace holdfast {

using Task = std::function<void()>;
using TimerId = uint64_t;  // never reused; 0 is no timer

class Reactor {
 public:
  virtual ~Reactor() = default;

  virtual Clock& clock() = 0;

  // Runs `task` once, at least `delay_ms` from now. Never inside this call.
  virtual TimerId run_after(int64_t delay_ms, Task task) = 0;
  // A timer that already ran, or 0, is ignored.
  virtual void cancel(TimerId timer) = 0;

  // Runs `task` in a later turn. The only call that any thread may make. Tasks of one thread run
  // in the order they were posted.
  virtual void post(Task task) = 0;

  // Adds a hook that runs at the end of every turn, for the reactor's whole life.
  virtual void add_turn_end(Task hook) = 0;

  // Runs turns until stop(). stop() lets the current turn end, hooks included.
  virtual void run() = 0;
  virtual void stop() = 0;
};

}  // namespace holdfast
