// Wal: the log of one device: appends records in groups, several writes in flight, and says when
// they are on stable media. Reading is wal_reader.h, recovery wal_scan.h.
//
// A batch is issued as soon as fewer than kDepth are in flight, or kSmallDepth if it is small: a
// device does only so many flushes a second, and what arrives meanwhile is gathered into the next
// batch (group commit: DeWitt et al. 1984). A batch begins in a new block, so no block
// is written twice (D10).
//
// Invariants:
//   W1  completions run in the order of the appends, each when its batch and all before it are on
//       stable media.
//   W2  a block between the trim point and the end is never written again.
//   W3  each block names the blocks known durable when it was issued; when the log has been idle
//       for kWitnessMs, an empty block says it of the last batch too. So at most the batches of
//       the last moment are without a witness.
//   W4  after the first failed write nothing completes with ok, and nothing more is written.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/block_writer.h"
#include "base/reactor.h"
#include "engine/disk/wal_format.h"

namespace holdfast::disk {

struct WalAppend {
  WalRecordType type = WalRecordType::kGroup;
  ShardId shard = 0;
  Seq first = 0;
  Seq last = 0;
  std::shared_ptr<const std::string> payload;                // null: empty
  std::function<void(const Status&, const WalPlace&)> done;  // may be empty

  std::string_view bytes() const { return payload == nullptr ? std::string_view() : *payload; }
};

struct WalStats {
  uint64_t flushes = 0;
  uint64_t flush_ns_last = 0;
  uint64_t flush_ns_max = 0;
  uint64_t witnesses = 0;
};

class Wal {
 public:
  static constexpr size_t kDepth = 8;  // batches in flight
  static constexpr size_t kSmallDepth = 2;
  static constexpr uint64_t kSmallBytes = 128 << 10;
  static constexpr uint64_t kBatchBytes = 4 << 20;   // a batch takes no further record above this
  static constexpr uint64_t kRecordBytes = 1 << 20;  // the largest record
  static constexpr int64_t kWitnessMs = 20;

  // Goes on at `next`, in a new generation; everything from `keep_from` on is kept. The first
  // batch is the record kOpened, and what is appended may follow at once: it completes later.
  // `reactor` and `writer` outlive the log.
  Wal(Reactor& reactor, BlockWriter& writer, const WalIdentity& identity, WalPosition next,
      uint64_t generation, uint64_t keep_from);
  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // REQUIRES: the payload is at most max_payload(). Waits for room if the ring is full.
  void append(WalAppend append);
  uint64_t max_payload() const;
  // Writes the empty block of W3 now, if it is due and all is idle.
  void bear_witness();
  // Blocks below `block` may be written again.
  void trim(uint64_t block);
  // Reads blocks as they are on the device. REQUIRES: 0 < count <= the ring's blocks.
  void read(uint64_t block, uint64_t count, BlockWriter::ReadDone done);

  // Where the next batch will begin: all that was appended and issued lies before it.
  const WalPosition& end() const { return next_; }
  // Where the oldest batch in flight begins, or the next one will.
  const WalPosition& first_in_flight() const {
    return in_flight_.empty() ? next_ : in_flight_.front().at;
  }
  uint64_t durable_block() const { return durable_block_; }
  uint64_t free_blocks() const { return identity_.ring_blocks - (next_.block - keep_from_); }
  uint64_t pending_bytes() const { return pending_bytes_; }
  size_t pending_records() const { return pending_.size(); }
  size_t batches_in_flight() const { return in_flight_.size(); }
  bool idle() const { return pending_.empty() && in_flight_.empty(); }
  const WalStats& stats() const { return stats_; }

 private:
  using Done = std::function<void(const Status&, const WalPlace&)>;
  struct Placed {
    WalPlace at;
    Done done;
  };
  struct Batch {
    WalPosition at;
    uint64_t end = 0;             // block
    std::vector<Placed> records;  // none: a witness
    int64_t issued_ns = 0;
    bool written = false;
  };

  bool may_issue() const;
  void issue();
  WalStream begin_batch(uint64_t bytes);
  void write(WalStream stream, Batch batch);
  void written(uint64_t block, const Status& status);
  void complete();
  void fail(const Status& status);
  void arm_witness();

  Reactor& reactor_;
  BlockWriter& writer_;
  const WalIdentity identity_;
  WalPosition next_;
  uint64_t keep_from_;
  uint64_t durable_block_;
  uint64_t witnessed_block_;  // what the newest block issued says
  bool opening_ = true;       // the next batch begins the generation
  std::deque<WalAppend> pending_;
  uint64_t pending_bytes_ = 0;
  std::deque<Batch> in_flight_;
  TimerId witness_timer_ = 0;
  Status failure_;
  WalStats stats_;
};

}  // namespace holdfast::disk
