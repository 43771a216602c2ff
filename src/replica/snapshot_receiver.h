// SnapshotReceiver: puts a snapshot in place of everything that a replica has, in its store; the
// replica then starts anew from there.
//
// What was there before goes and what comes takes its place as one step:
//  - an engine that finds records by ref writes the new ones beside the old ones, and its
//    finish_checkpoint changes over to them: a crash leaves the old state or the new one;
//  - an engine that finds them by key overwrites. There the checkpoint is first made one that says
//    that the records are of no use (encode_unfinished_state), then everything is erased. A crash
//    leaves that: the replica comes back empty, and not trusted, so it neither votes nor
//    acknowledges anything until a leader has brought it up to its own log, or to a snapshot.
//
// The log: what is behind the base goes before (a leader that sends a snapshot does not have it,
// so it is not committed), what is before the base afterwards. An interruption between leaves
// entries before the base, which Shard drops when it starts.
//
// Whatever goes wrong (another leader, another snapshot, rows that are not what the end says) ends
// in a start from the store as it then is, and a leader that sees that begins anew.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replica/snapshots.h"

namespace holdfast {

class SnapshotReceiver {
 public:
  // From the leader of the newest epoch, whole, and of a log that this one does not contain.
  static bool may_begin(const SnapshotHost& host, const Message& message,
                        const SnapshotBegin& begin);

  // REQUIRES: may_begin(). The host outlives the receiver.
  SnapshotReceiver(const SnapshotHost& host, const Member& from, const SnapshotBegin& begin);
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  void receive(const Message& message);
  // While this one is received.
  void begun_again(const Message& message);
  void leader_changed();

 private:
  static constexpr int64_t kTellMs = 1000;
  static constexpr int64_t kSilenceMs = 30'000;
  static constexpr size_t kMostWaiting = 64;  // chunks; the sender's window is smaller

  void make_room();
  void erase_all();
  void next();
  void write(const SnapshotChunk& chunk);
  Status read_rows(const SnapshotChunk& chunk, std::vector<RecordWrite>* writes);
  void install(const SnapshotEnd& end);
  void installed();
  void tell(bool installed);
  void tell_later();
  void abandon(std::string_view why);
  // A completion of the engine: `then` if it is well.
  Engine::Done then(void (SnapshotReceiver::*task)());

  const SnapshotHost& host_;
  const Member from_;
  const SnapshotBegin begin_;
  bool ready_ = false;  // the old state is out of the way
  bool busy_ = false;   // a chunk is being written, or it is installed
  bool over_ = false;   // installed, or abandoned
  std::deque<MessageBody> waiting_;
  uint64_t chunks_ = 0, rows_ = 0;
  uint32_t digest_ = 0;
  int64_t heard_ns_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
