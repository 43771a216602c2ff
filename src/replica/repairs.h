// Repairs: what this replica's store cannot give back, got from the other members.
//
// A record on the device is damaged: it is asked for by its key, of one member after the other. Any
// member whose keyspace is the state after a committed entry may answer, with that entry's position
// and what the key was then.
//
// Why an answer is right (I28). A position in the log, with its checksum, stands for everything
// before it, and the state after an entry is the same on all members. So what another member had at
// a position of this replica's own log is what this one had there, or will have:
//   P1  an answer counts only if its position is in this replica's own log, checksum and all, and
//       not before what was applied here when the damage was found: the damaged record, which was
//       the newest of the key then, holds nothing newer;
//   P2  if it has been applied here, the answer is the value, provided that nothing has changed the
//       key since: it still waits for its value in that record. Type, size and expiry must be the
//       object's;
//   P3  if it has not, it takes the place of the object under the number of its position: replay
//       leaves out what it contains, as with any image that is newer than its checkpoint. Nobody
//       leads before its log is applied, so nobody sees it too early.
//   P4  a member answers only if its keyspace holds nothing behind the position it names: not a key
//       that an uncommitted entry changed, and nothing at all while it may hold records that are
//       newer than what it has applied (Host::exact). Only a serving primary says that a key is
//       absent.
//
// What is repaired is written anew, elsewhere, by a checkpoint that follows.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/reactor.h"
#include "engine/engine.h"
#include "replica/checkpoint.h"
#include "replica/replica.h"
#include "store/effect.h"
#include "store/keyspace.h"

namespace holdfast {

struct RepairStats {
  uint64_t repaired = 0;  // records, here
  uint64_t refused = 0;   // answers that were not what was expected
  uint64_t answered = 0;  // records sent to others
};

class Repairs {
 public:
  using Done = std::function<void()>;

  // What a shard lends to its repairs. All of it outlives them.
  struct Host {
    Reactor& reactor;
    Engine& engine;
    Keyspace& keyspace;
    Checkpoint& checkpoint;
    Replica& replica;
    ShardId shard;
    const LogSummary& committed;  // and applied
    std::function<bool()> exact;  // P4: nothing in the keyspace is newer than that
    std::function<bool()> serves;
    std::function<void()> resume;  // what waited for a repair may go on
  };

  static constexpr int64_t kPatienceMs = 3000;

  explicit Repairs(Host host);
  ~Repairs();
  Repairs(const Repairs&) = delete;
  Repairs& operator=(const Repairs&) = delete;

  // The record of an object whose value is on the device only. `done` (may be empty) runs in a
  // later turn: when it is repaired, or not needed any more, or has been asked for in vain for
  // kPatienceMs.
  void want(DbId db, std::string_view key, RecordRef ref, Done done);
  // At start: the record of a key that is not in the keyspace therefore. Nothing may be applied
  // until holds_up() is false.
  void want_missing(DbId db, std::string_view key, RecordRef ref);
  // An entry needs a value that is asked for: nothing may be applied before.
  void hold_up(bool held) { held_up_ = held; }
  bool holds_up() const { return missing_ > 0 || (held_up_ && !wanted_.empty()); }

  void receive(const Message& message);
  // More is committed and applied.
  void applied();

  size_t waiting() const { return wanted_.size(); }
  const RepairStats& stats() const { return stats_; }

 private:
  static constexpr size_t kMostAsked = 64;  // at a time
  static constexpr int64_t kTickMs = 20;
  static constexpr int64_t kAnswerMs = 200;
  static constexpr int64_t kSlowMs = 1000;      // between two questions, when patience has ended
  static constexpr size_t kMostWanted = 65536;  // more: when they are found again

  using Name = std::pair<DbId, std::string>;
  struct Wanted {
    RecordRef ref = 0;
    bool missing = false;
    Seq from = 0;
    int64_t since_ns = 0;
    int64_t ask_ns = 0;                      // when to ask the next member
    size_t asked = 0;                        // questions
    bool slow = false;                       // patience has ended
    std::shared_ptr<const RecordIs> answer;  // waits for the log, or for being applied
    Member answerer;
    std::vector<Done> done;
  };
  using Map = std::map<Name, Wanted>;

  Map::iterator add(DbId db, std::string_view key, RecordRef ref);
  void tick_later();
  void tick();
  void look_at(Map::iterator at, int64_t now_ns, size_t* questions);
  void ask(const Name& name, Wanted& wanted);
  void answer(const Message& message, const GetRecord& get);
  void answer_from_device(const Message& message, const GetRecord& get, const Object& object);
  void take(const Message& message, const RecordIs& is);
  void try_answer(Map::iterator at);
  void take_value(Map::iterator at, const RecordImage& image);
  void take_place(Map::iterator at, const RecordImage* image);
  bool needed(const Name& name, const Wanted& wanted) const;
  void refuse(Map::iterator at, std::string_view why);
  void repaired(Map::iterator at);
  void drop(Map::iterator at);
  void run_done(Wanted& wanted);

  const Host host_;
  Map wanted_;
  size_t missing_ = 0;
  bool held_up_ = false;
  bool ticking_ = false;
  bool rewrite_ = false;  // something was repaired that no checkpoint has written anew yet
  RepairStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
