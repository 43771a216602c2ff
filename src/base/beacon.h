// Beacon: tells, from a thread of its own, that the reactor's thread computes.
//
// A node is one thread. While that is at one long command it answers nobody, and to others it looks
// as if it were gone; to replace it would only give the command to the next node. What must hold:
// it is told of nobody who cannot go on. A thread that is stopped, or that waits for its device,
// gets no processor time, and is as silent as before (I18).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/reactor.h"

namespace holdfast {

// What a thread does, as it looks from outside at regular instants.
class BusyWatch {
 public:
  // `limit_ns`: how long one task is believed to go on.
  explicit BusyWatch(int64_t limit_ns) : limit_ns_(limit_ns) {}

  // Whether it is at one task since the last look, and for no longer than the limit. `turns`: how
  // many it has ended. `processor_ns`: the time that it was given.
  bool look(int64_t now_ns, uint64_t turns, int64_t processor_ns);

 private:
  static constexpr int64_t kLeastShare = 10;  // one part in so many, on a busy machine

  const int64_t limit_ns_;
  int64_t seen_ns_ = 0;
  uint64_t turns_ = 0;
  int64_t processor_ns_ = 0;
  int64_t since_ns_ = 0;  // of the task; 0: there is none
};

class Beacon {
 public:
  static constexpr int64_t kPeriodMs = 50;

  // `say` is called by the beacon's thread, once each period while this thread, which must be the
  // reactor's, is at one task, for `limit_ms` at most. Both outlive the beacon.
  Beacon(Reactor& reactor, int64_t limit_ms, std::function<void()> say);
  ~Beacon();
  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;

 private:
  void run();

  const std::function<void()> say_;
  const std::shared_ptr<std::atomic<uint64_t>> turns_;
  clockid_t processor_time_{};  // of the reactor's thread
  BusyWatch watch_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // under mutex_
  std::thread thread_;     // last: it starts when all else is there
};

}  // namespace holdfast
