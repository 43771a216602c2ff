// RocksWriter: the thread that does all writing of a RocksEngine, so that the reactor never waits
// for the device.
//
// Jobs are done in the order they were given. All jobs that wait when the thread comes back are one
// write batch and one flush: group commit without a timer. Completions are posted to the reactor in
// order, one task for all jobs of a batch.
//
// After the first error every job completes with kPoisoned and nothing is written any more (E3).
// Threads: everything is called on the reactor's thread, but the writer's own loop.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/options.h"
#include "base/reactor.h"
#include "engine/engine.h"

namespace holdfast {

class RocksWriter {
 public:
  using Fill = std::function<void(rocksdb::WriteBatch*)>;

  // `db` and `reactor` outlive the writer.
  RocksWriter(rocksdb::DB& db, Reactor& reactor, Durability durability);
  ~RocksWriter();

  // `fill` runs on the writer's thread; `must_sync` flushes under every durability but none.
  void submit(Fill fill, bool must_sync, Engine::Done done);
  // Does what is left, runs the completions here, ends the thread.
  void close();

  // Flush figures; the rest of EngineStats is the engine's.
  void add_stats(EngineStats* stats) const;

 private:
  struct Job {
    Fill fill;
    bool must_sync;
    Engine::Done done;
  };
  struct Finished {
    std::vector<Engine::Done> done;
    Status status;
  };

  void loop();
  bool wait_for_jobs(std::vector<Job>* jobs);
  Status write(std::vector<Job>* jobs);
  void sync_if_due();
  void post(Finished finished);
  static void complete(Finished& finished);

  rocksdb::DB& db_;
  Reactor& reactor_;
  const Durability durability_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> waiting_;
  bool closing_ = false;
  uint64_t flushes_ = 0, flush_ns_last_ = 0, flush_ns_max_ = 0;

  // The thread's own.
  Status failure_;
  bool unsynced_ = false;
  int64_t synced_ns_ = 0;

  std::vector<Finished> finished_;  // under mutex_: not yet completed on the reactor
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::thread thread_;
};

}  // namespace holdfast
