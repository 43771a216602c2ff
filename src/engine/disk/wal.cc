// See wal.h.
#include "engine/disk/wal.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"

namespace holdfast::disk {

Wal::Wal(Reactor& reactor, BlockWriter& writer, const WalIdentity& identity, WalPosition next,
         uint64_t generation, uint64_t keep_from)
    : reactor_(reactor),
      writer_(writer),
      identity_(identity),
      next_(next),
      keep_from_(keep_from),
      durable_block_(next.block),
      witnessed_block_(next.block) {
  HF_ASSERT(generation > next.generation && keep_from <= next.block);
  next_.generation = generation;
  append({WalRecordType::kOpened, 0, generation, next.block, {}, {}});
}

Wal::~Wal() { reactor_.cancel(witness_timer_); }

// A sixteenth of the ring at most, so that a record never needs what a checkpoint must free first.
uint64_t Wal::max_payload() const {
  return std::min(kRecordBytes, identity_.ring_blocks / 16 * kWalPayload) - kWalRecordHeader;
}

void Wal::append(WalAppend append) {
  HF_ASSERT(append.bytes().size() <= max_payload());
  if (mutant(Mutant::kRetryFailedFlush)) failure_ = {};
  if (!failure_.ok()) {
    reactor_.post([done = std::move(append.done), reason = failure_.message()] {
      if (done) done({Code::kPoisoned, "an earlier write failed: " + reason}, {});
    });
    return;
  }
  pending_bytes_ += append.bytes().size();
  pending_.push_back(std::move(append));
  issue();
}

void Wal::trim(uint64_t block) {
  HF_ASSERT(block >= keep_from_ && block <= next_.block);
  keep_from_ = block;
  issue();
}

bool Wal::may_issue() const {
  return in_flight_.size() < (pending_bytes_ < kSmallBytes ? kSmallDepth : kDepth);
}

// Issues what waits, while a write may be in flight and the ring has room.
void Wal::issue() {
  while (!pending_.empty() && may_issue() && failure_.ok()) {
    const uint64_t room = free_blocks() * kWalPayload;
    uint64_t bytes = 0;
    size_t count = 0;
    for (; count < pending_.size() && bytes < kBatchBytes; ++count) {
      const uint64_t more = kWalRecordHeader + pending_[count].bytes().size();
      if (bytes + more > room) break;
      bytes += more;
    }
    if (count == 0) return;  // the ring is full: trim() goes on
    WalStream stream = begin_batch(bytes);
    Batch batch;
    batch.at = next_;
    for (uint64_t offset = 0; count > 0; --count) {
      WalAppend& one = pending_.front();
      const WalPlace place{batch.at, offset, kWalRecordHeader + one.bytes().size(), next_.chain};
      offset += place.size;
      char header[kWalRecordHeader];
      next_.chain = encode_wal_record({one.type, one.shard, one.first, one.last, one.bytes()},
                                      next_.chain, header);
      stream.append({header, sizeof header});
      stream.append(one.bytes());
      batch.records.push_back({place, std::move(one.done)});
      pending_bytes_ -= one.bytes().size();
      pending_.pop_front();
    }
    write(std::move(stream), std::move(batch));
  }
}

WalStream Wal::begin_batch(uint64_t bytes) {
  witnessed_block_ = durable_block_;
  const bool begins_generation = std::exchange(opening_, false);
  return {bytes,
          {next_.block, next_.generation, durable_block_, 0, begins_generation, true},
          identity_};
}

void Wal::write(WalStream stream, Batch batch) {
  const uint64_t block = next_.block;
  AlignedBuffer blocks = stream.finish();
  batch.end = block + blocks.size() / kBlock;
  batch.issued_ns = reactor_.clock().mono_ns();
  next_.block = batch.end;
  in_flight_.push_back(std::move(batch));
  const uint64_t ring_end = (block / identity_.ring_blocks + 1) * identity_.ring_blocks;
  const auto first = static_cast<size_t>(std::min(ring_end, next_.block) - block) * kBlock;
  if (first == blocks.size()) {
    writer_.write(identity_.offset(block), std::move(blocks),
                  [this, block](const Status& status) { written(block, status); });
    return;
  }
  // The batch runs over the ring's end: two writes, which complete together.
  AlignedBuffer head(first), tail(blocks.size() - first);
  std::memcpy(head.data(), blocks.data(), head.size());
  std::memcpy(tail.data(), blocks.data() + first, tail.size());
  auto left = std::make_shared<int>(2);
  auto result = std::make_shared<Status>();
  const auto done = [this, block, left, result](const Status& status) {
    if (!status.ok() && result->ok()) *result = status;  // the first names the cause
    if (--*left == 0) written(block, *result);
  };
  writer_.write(identity_.offset(block), std::move(head), done);
  writer_.write(identity_.offset(ring_end), std::move(tail), done);
}

void Wal::read(uint64_t block, uint64_t count, BlockWriter::ReadDone done) {
  const uint64_t ring_end = (block / identity_.ring_blocks + 1) * identity_.ring_blocks;
  const auto size = static_cast<size_t>(count) * kBlock;
  const auto first = static_cast<size_t>(std::min(ring_end, block + count) - block) * kBlock;
  if (first == size) return writer_.read(identity_.offset(block), size, std::move(done));
  auto all = std::make_shared<AlignedBuffer>(AlignedBuffer::uninitialized(size));
  auto left = std::make_shared<int>(2);
  auto result = std::make_shared<Status>();
  const auto read_part = [this, all, left, result, done = std::move(done)](uint64_t from, size_t at,
                                                                           size_t bytes) {
    writer_.read(identity_.offset(from), bytes,
                 [=](const Status& status, const AlignedBuffer& part) {
                   if (status.ok()) std::memcpy(all->data() + at, part.data(), bytes);
                   if (!status.ok() && result->ok()) *result = status;
                   if (--*left == 0) done(*result, std::move(*all));
                 });
  };
  read_part(block, 0, first);
  read_part(ring_end, first, size - first);
}

void Wal::written(uint64_t block, const Status& status) {
  if (!failure_.ok()) return;
  if (!status.ok() && !mutant(Mutant::kAckFailedFlush)) {
    fail(status);
    return;
  }
  for (Batch& batch : in_flight_) {
    if (batch.at.block == block) batch.written = true;
  }
  complete();
  issue();
  arm_witness();
}

void Wal::complete() {
  while (!in_flight_.empty() && in_flight_.front().written) {  // W1
    const Batch batch = std::move(in_flight_.front());
    in_flight_.pop_front();
    durable_block_ = batch.end;
    if (batch.records.empty()) witnessed_block_ = batch.end;  // it carries nothing to vouch for
    ++stats_.flushes;
    stats_.flush_ns_last = static_cast<uint64_t>(reactor_.clock().mono_ns() - batch.issued_ns);
    stats_.flush_ns_max = std::max(stats_.flush_ns_max, stats_.flush_ns_last);
    for (const Placed& record : batch.records) {
      if (record.done) record.done({}, record.at);
    }
  }
}

// W4. What is in flight may or may not reach the medium: its outcome is unknown.
void Wal::fail(const Status& status) {
  failure_ = status;
  std::deque<Batch> in_flight = std::move(in_flight_);
  std::deque<WalAppend> pending = std::move(pending_);
  in_flight_.clear();
  pending_.clear();
  for (const Batch& batch : in_flight) {
    for (const Placed& record : batch.records) {
      if (record.done) record.done(failure_, {});
    }
  }
  for (const WalAppend& append : pending) {
    if (append.done) append.done(failure_, {});
  }
}

void Wal::arm_witness() {
  if (witness_timer_ != 0 || !idle() || witnessed_block_ == durable_block_) return;
  witness_timer_ = reactor_.run_after(kWitnessMs, [this] {
    witness_timer_ = 0;
    bear_witness();
  });
}

// W3.
void Wal::bear_witness() {
  if (!idle() || !failure_.ok() || witnessed_block_ == durable_block_) return;
  if (free_blocks() < identity_.ring_blocks / 8) return;  // the last of a full ring is for records
  ++stats_.witnesses;
  Batch batch;
  batch.at = next_;
  write(begin_batch(0), std::move(batch));
}

}  // namespace holdfast::disk
