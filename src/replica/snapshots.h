// Snapshots: the copies of the whole state that a replica sends to members that are too far behind
// its log, and the one that it may be receiving itself.
//
// Threads: the reactor's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/reactor.h"
#include "engine/engine.h"
#include "replica/arrivals.h"
#include "replica/checkpoint.h"
#include "replica/replica.h"
#include "store/keyspace.h"
#include "store/log_position.h"

namespace holdfast {

// What a shard lends to its snapshots. All of it outlives them.
struct SnapshotHost {
  Reactor& reactor;
  Engine& engine;
  Keyspace& keyspace;
  Checkpoint& checkpoint;
  Replica& replica;
  Random& random;
  Arrivals& arrivals;
  ShardId shard;
  const LogSummary& committed;
  std::function<std::string()> state;  // as a checkpoint of now would keep it
  std::function<Seq()> applied;        // the newest entry that the keyspace may show
  // The store is to be read anew; nothing is called afterwards.
  std::function<void(std::string_view why)> start_anew;
  std::function<void(const Status&)> store_failed;
  // The record of an object whose value is nowhere else cannot be read.
  std::function<void(DbId db, const Object& object)> damaged;
};

class SnapshotSender;
class SnapshotReceiver;

class Snapshots {
 public:
  explicit Snapshots(SnapshotHost host);
  ~Snapshots();
  Snapshots(const Snapshots&) = delete;
  Snapshots& operator=(const Snapshots&) = delete;

  // SnapshotSent follows, in a later turn.
  void send_to(const Member& to);
  void receive(const Message& message);
  void committed();
  // Of another role, or of another epoch than before.
  void role_changed();
  void disconnected(const Member& member);
  // The log has no room: what is being sent is given up.
  void give_up(std::string_view why);

  // Nothing of the keyspace may be changed any more: its store is being replaced.
  bool installing() const;
  // Entries behind this one are still needed for who is being sent a snapshot, or was a moment ago
  // and starts anew with it.
  Seq log_needed() const;

 private:
  static constexpr int64_t kStartNs = 60'000'000'000;

  void sent(const Member& to, bool installed);

  const SnapshotHost host_;
  std::map<Member, std::unique_ptr<SnapshotSender>> senders_;
  std::unique_ptr<SnapshotReceiver> receiver_;
  Seq last_base_ = 0;  // of the last that was installed somewhere
  int64_t last_installed_ns_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
