// SnapshotSender: sends one member a copy of the whole state, beside everything else.
//
// The copy is as fuzzy as a checkpoint: its base is what was committed when it began, each object
// is as it was when its slot was read, and the log behind the base brings all of it to one moment.
// What it shows may not be committed yet; so its end is sent when everything is that the keyspace
// showed when the last slot had been read, and before its end nothing of it is used.
//
// Bounds: a slot is visited in one go, so that no key is in it twice; the values of it that are on
// the device only are read after that, kReadBytes at a time. kWindow chunks are on their way, of
// about kChunkBytes each (more, if one object is larger); a member that says nothing for kSilenceMs
// is given up.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "replica/snapshot_rows.h"
#include "replica/snapshots.h"

namespace holdfast {

class SnapshotSender {
 public:
  // `ended` is called once, maybe inside of a call, with whether the snapshot is installed.
  // The host outlives the sender.
  SnapshotSender(const SnapshotHost& host, const Member& to, std::function<void(bool)> ended);
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  Seq base() const { return base_; }
  bool ended() const { return ended_; }

  void acknowledged(const SnapshotOk& ok);
  // Sends what may be sent now.
  void pump();
  void give_up(std::string_view why);

 private:
  static constexpr size_t kChunkBytes = 256 << 10;
  static constexpr uint64_t kWindow = 8;
  static constexpr size_t kReadBytes = 256 << 10;
  static constexpr size_t kReadLeast = 4 << 10;    // what a small value costs
  static constexpr uint32_t kSlotsPerTurn = 1024;  // looked at, empty ones too
  static constexpr int64_t kLookMs = 1000;
  static constexpr int64_t kSilenceMs = 10'000;

  void begin();
  void watch();
  void gather_later();
  void gather();
  void gather_slot(DbId db, SlotId slot);
  void add_row(DbId db, const Object& object);
  void add_image(DbId db, std::string_view key);
  void read_cold();
  void read(DbId db, const std::string& key, const Object& object);
  void was_read(DbId db, const std::string& key, RecordRef ref, const Result<std::string>& image);
  bool records_are_old() const;
  void close_chunk();
  void send_end();
  void end(bool installed);
  // The task, unless the sender is gone or has ended by then.
  std::function<void()> later(void (SnapshotSender::*task)());

  const SnapshotHost& host_;
  const Member to_;
  const std::function<void(bool)> on_ended_;
  const uint64_t id_;
  Seq base_;
  int64_t begun_ns_, heard_ns_;
  uint64_t checkpoints_ = 0;  // finished when this began; none was running then

  uint32_t next_slot_ = 0;                         // of all databases, one behind the other
  bool gathering_ = false;                         // a turn of it is asked for
  std::deque<std::pair<DbId, std::string>> cold_;  // keys of visited slots, still to be read
  size_t reading_bytes_ = 0;
  bool gathered_ = false;  // all of it
  Seq shown_ = 0;          // the newest entry that may be in it, once all is gathered
  SnapshotRows rows_;
  std::string image_;
  std::deque<Bytes> chunks_;  // read and not sent
  uint64_t sent_ = 0, acknowledged_ = 0;
  uint64_t row_count_ = 0, bytes_ = 0;
  uint32_t digest_ = 0;
  bool end_sent_ = false;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
