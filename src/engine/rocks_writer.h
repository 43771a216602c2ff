// RocksWriter: the thread that does all writing of a RocksEngine, so that the reactor never waits
// for the device.
//
// Jobs are done in the order they were given. The jobs that wait when the thread comes back are one
// write batch and one flush: group commit without a timer. Completions are posted to the reactor in
// order, one task for all that finished since the last one ran.
//
//   E1  a job completes after its batch, and with it everything before, has been flushed as its
//       Sync and the durability ask.
//   E3  after the first error every job completes with kPoisoned and nothing is written any more.
//
// Under `interval` nothing stays unflushed for longer than a second; close() flushes the rest.
// Bounds: a batch takes jobs until it has kMaxBatchBytes; the jobs that wait are bounded by those
// who give them (uncommitted bytes of a shard, one slice of a checkpoint).
// Threads: everything is called on the reactor's thread, but the writer's own loop.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/options.h"
#include "base/reactor.h"
#include "engine/engine.h"

namespace holdfast {

// What a job's completion promises.
enum class Sync : uint8_t {
  kNever,   // that it is in order before what comes later
  kPolicy,  // stable media under `always`; a second later at most under `interval`
  kForced,  // stable media, unless the durability is `none`
};

class RocksWriter {
 public:
  using Fill = std::function<void(rocksdb::WriteBatch*)>;

  static constexpr size_t kMaxBatchBytes = 16 << 20;

  // `db` and `reactor` outlive the writer.
  RocksWriter(rocksdb::DB& db, Reactor& reactor, Durability durability);
  // Writes what is left; completions that did not run yet never will.
  ~RocksWriter();
  RocksWriter(const RocksWriter&) = delete;
  RocksWriter& operator=(const RocksWriter&) = delete;

  // `fill` runs on the writer's thread, and `after` (may be empty) when the batch is written.
  void submit(Sync sync, Fill fill, Engine::Done done, Task after = {});
  // In its turn: `done` gets `failure`, and it counts as an error of the writer (E3).
  void submit_failure(Status failure, Engine::Done done);
  // Does what is left, runs the completions here, ends the thread.
  void close();

  // Flush figures; the rest of EngineStats is the engine's.
  void add_stats(EngineStats* stats) const;

 private:
  struct Job {
    Sync sync = Sync::kNever;
    Fill fill;
    Engine::Done done;
    Task after;
    Status failure;
  };
  struct Finished {
    Engine::Done done;
    Status status;
  };

  void submit(Job job);
  void loop();
  bool wait_for_jobs(std::vector<Job>* jobs);
  size_t do_some(std::vector<Job>& jobs, size_t from);
  bool wants_flush(Sync sync) const;
  Status write(rocksdb::WriteBatch* batch, bool sync);
  void sync_if_due();
  void flush_rest();
  void poison(const Status& cause);
  void flushed(int64_t start_ns, int64_t end_ns);
  void post(std::vector<Finished> finished);
  void run_completions();
  void stop();

  rocksdb::DB& db_;
  Reactor& reactor_;
  const Durability durability_;

  mutable std::mutex mutex_;  // guards this block
  std::condition_variable wake_;
  std::vector<Job> waiting_;
  std::vector<Finished> finished_;  // not yet completed on the reactor
  bool closing_ = false;
  uint64_t flushes_ = 0, flush_ns_last_ = 0, flush_ns_max_ = 0;

  // The thread's own.
  Status poison_;
  rocksdb::WriteBatch batch_;
  bool unflushed_ = false;
  int64_t flush_due_ns_ = 0;  // if unflushed_

  // False once the writer is gone: read and written on the reactor only.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::thread thread_;  // last: it starts when all else is there
};

}  // namespace holdfast
