// See rocks_writer.h.
#include "engine/rocks_writer.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace holdfast {
namespace {

constexpr auto kSyncInterval = std::chrono::seconds(1);  // durability: interval
constexpr int64_t kSyncIntervalNs = 1'000'000'000;

}  // namespace

RocksWriter::RocksWriter(rocksdb::DB& db, Reactor& reactor, Durability durability)
    : db_(db), reactor_(reactor), durability_(durability), thread_([this] { loop(); }) {}

RocksWriter::~RocksWriter() {
  *alive_ = false;
  close();
}

void RocksWriter::submit(Fill fill, bool must_sync, Engine::Done done) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    was_empty = waiting_.empty();
    waiting_.push_back({std::move(fill), must_sync, std::move(done)});
  }
  if (was_empty) wake_.notify_one();
}

void RocksWriter::close() {
  {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
  for (Finished& finished : finished_) complete(finished);
  finished_.clear();
}

void RocksWriter::add_stats(EngineStats* stats) const {
  std::lock_guard lock(mutex_);
  stats->flushes = flushes_;
  stats->flush_ns_last = flush_ns_last_;
  stats->flush_ns_max = flush_ns_max_;
}

bool RocksWriter::wait_for_jobs(std::vector<Job>* jobs) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return closing_ || !waiting_.empty(); };
  if (durability_ == Durability::kInterval && unsynced_) {
    wake_.wait_for(lock, kSyncInterval, ready);
  } else {
    wake_.wait(lock, ready);
  }
  jobs->swap(waiting_);
  return !jobs->empty() || !closing_;
}

void RocksWriter::loop() {
  std::vector<Job> jobs;
  while (wait_for_jobs(&jobs)) {
    if (!jobs.empty()) {
      Finished finished;
      finished.status = failure_.ok() ? write(&jobs) : failure_;
      for (Job& job : jobs) finished.done.push_back(std::move(job.done));
      jobs.clear();
      post(std::move(finished));
    }
    sync_if_due();
  }
}

Status RocksWriter::write(std::vector<Job>* jobs) {
  rocksdb::WriteBatch batch;
  bool sync = false;
  for (Job& job : *jobs) {
    job.fill(&batch);
    sync |=
        durability_ == Durability::kAlways || (job.must_sync && durability_ != Durability::kNone);
  }
  rocksdb::WriteOptions how;
  how.sync = sync;
  const int64_t start = reactor_.clock().mono_ns();
  const rocksdb::Status status = db_.Write(how, &batch);
  const int64_t end = reactor_.clock().mono_ns();
  if (!status.ok()) {
    // Latched: what a failed flush left behind is unknown, and a second one may succeed falsely.
    failure_ = Status(Code::kPoisoned, "write of the log: " + status.ToString());
    return failure_;
  }
  unsynced_ = !sync;
  if (sync) {
    synced_ns_ = end;
    std::lock_guard lock(mutex_);
    ++flushes_;
    flush_ns_last_ = static_cast<uint64_t>(end - start);
    flush_ns_max_ = std::max(flush_ns_max_, flush_ns_last_);
  }
  return {};
}

void RocksWriter::sync_if_due() {
  if (durability_ != Durability::kInterval || !unsynced_ || !failure_.ok()) return;
  const int64_t now = reactor_.clock().mono_ns();
  if (now - synced_ns_ < kSyncIntervalNs) return;
  const rocksdb::Status status = db_.SyncWAL();
  unsynced_ = false;
  synced_ns_ = now;
  if (!status.ok()) failure_ = Status(Code::kPoisoned, "flush of the log: " + status.ToString());
  std::lock_guard lock(mutex_);
  ++flushes_;
}

void RocksWriter::post(Finished finished) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = finished_.empty();
    finished_.push_back(std::move(finished));
  }
  if (!first) return;  // the task that is on its way takes this one too
  reactor_.post([alive = alive_, this] {
    if (!*alive) return;
    std::vector<Finished> done;
    {
      std::lock_guard lock(mutex_);
      done.swap(finished_);
    }
    for (Finished& f : done) complete(f);
  });
}

void RocksWriter::complete(Finished& finished) {
  for (Engine::Done& done : finished.done) done(finished.status);
}

}  // namespace holdfast
