// See rocks_writer.h.
#include "engine/rocks_writer.h"

#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "engine/rocks_store.h"

namespace holdfast {
namespace {

constexpr int64_t kFlushIntervalNs = 1'000'000'000;  // durability: interval

// The reactor's clock belongs to its thread.
int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

RocksWriter::RocksWriter(rocksdb::DB& db, Reactor& reactor, Durability durability)
    : db_(db), reactor_(reactor), durability_(durability), thread_([this] { loop(); }) {}

RocksWriter::~RocksWriter() {
  stop();
  *alive_ = false;
}

void RocksWriter::submit(Sync sync, Fill fill, Engine::Done done, Task after) {
  submit({sync, std::move(fill), std::move(done), std::move(after), {}});
}

void RocksWriter::submit_failure(Status failure, Engine::Done done) {
  HF_ASSERT(!failure.ok());
  submit({Sync::kNever, {}, std::move(done), {}, std::move(failure)});
}

void RocksWriter::submit(Job job) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    HF_ASSERT(!closing_);
    was_empty = waiting_.empty();
    waiting_.push_back(std::move(job));
  }
  if (was_empty) wake_.notify_one();
}

void RocksWriter::close() {
  stop();
  run_completions();
}

void RocksWriter::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
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
  if (unflushed_) {
    wake_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(flush_due_ns_ - now_ns(), 0)),
                   ready);
  } else {
    wake_.wait(lock, ready);
  }
  jobs->swap(waiting_);
  return !jobs->empty() || !closing_;
}

void RocksWriter::loop() {
  std::vector<Job> jobs;
  while (wait_for_jobs(&jobs)) {
    for (size_t next = 0; next < jobs.size();) next = do_some(jobs, next);
    jobs.clear();
    sync_if_due();
  }
  flush_rest();
}

// One batch: the jobs from `from` on, up to the one whose number is returned.
size_t RocksWriter::do_some(std::vector<Job>& jobs, size_t from) {
  batch_.Clear();
  bool sync = false;
  size_t end = from;
  for (; end < jobs.size() && batch_.GetDataSize() < kMaxBatchBytes; ++end) {
    if (!poison_.ok()) continue;
    if (!jobs[end].failure.ok()) break;
    jobs[end].fill(&batch_);
    sync |= wants_flush(jobs[end].sync);
  }
  Status status = poison_;
  if (end == from) {
    status = jobs[end++].failure;
    poison(status);
  } else if (status.ok()) {
    status = write(&batch_, sync);
  }
  std::vector<Finished> finished;
  finished.reserve(end - from);
  for (size_t i = from; i < end; ++i) {
    if (status.ok() && jobs[i].after) jobs[i].after();
    finished.push_back({std::move(jobs[i].done), status});
  }
  post(std::move(finished));
  return end;
}

bool RocksWriter::wants_flush(Sync sync) const {
  if (durability_ == Durability::kNone) return false;
  return sync == Sync::kForced || (sync == Sync::kPolicy && durability_ == Durability::kAlways);
}

Status RocksWriter::write(rocksdb::WriteBatch* batch, bool sync) {
  if (batch->Count() == 0 && !sync) return {};
  rocksdb::WriteOptions how;
  how.sync = sync;
  const int64_t start = now_ns();
  const rocksdb::Status status = db_.Write(how, batch);
  const int64_t end = now_ns();
  if (!status.ok()) {
    poison(from_rocks("write of the log", status));
    return poison_;
  }
  if (sync) {
    flushed(start, end);
  } else if (!unflushed_ && durability_ == Durability::kInterval) {
    unflushed_ = true;
    flush_due_ns_ = start + kFlushIntervalNs;
  }
  return {};
}

void RocksWriter::sync_if_due() {
  if (unflushed_ && now_ns() >= flush_due_ns_) flush_rest();
}

// A flush takes all that was written before with it, also what asked for none.
void RocksWriter::flush_rest() {
  if (durability_ == Durability::kNone || !poison_.ok()) return;
  const int64_t start = now_ns();
  const rocksdb::Status status = db_.SyncWAL();
  if (status.ok()) {
    flushed(start, now_ns());
  } else {
    poison(from_rocks("flush of the log", status));
  }
}

// Latched: what a failed flush left behind is unknown, and a second one may succeed falsely.
void RocksWriter::poison(const Status& cause) {
  poison_ = Status(Code::kPoisoned, cause.message());
  unflushed_ = false;
}

void RocksWriter::flushed(int64_t start_ns, int64_t end_ns) {
  unflushed_ = false;
  std::lock_guard lock(mutex_);
  ++flushes_;
  flush_ns_last_ = static_cast<uint64_t>(end_ns - start_ns);
  flush_ns_max_ = std::max(flush_ns_max_, flush_ns_last_);
}

void RocksWriter::post(std::vector<Finished> finished) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = finished_.empty();
    for (Finished& one : finished) finished_.push_back(std::move(one));
  }
  if (!first) return;  // the task that is on its way takes these too
  reactor_.post([alive = alive_, this] {
    if (*alive) run_completions();
  });
}

void RocksWriter::run_completions() {
  std::vector<Finished> finished;
  {
    std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (Finished& one : finished) one.done(one.status);
}

}  // namespace holdfast
