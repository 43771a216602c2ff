// ColdValues: values that are on the device only. It reads them when they are wanted, and forgets
// those that were not used for long when memory is short.
//
// A value may be forgotten when a finished checkpoint holds it and nothing has changed it since, so
// no crash and no write can make it lost. Keys, expiries and sizes stay in memory.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/reactor.h"
#include "engine/engine.h"
#include "store/keyspace.h"

namespace holdfast {

struct ColdStats {
  uint64_t cooled_bytes = 0;  // memory freed
  uint64_t fetched = 0;       // values read beside other work
  uint64_t waited = 0;        // values read while everything waited
  uint64_t unreadable = 0;
};

class ColdValues {
 public:
  using Done = std::function<void()>;

  static constexpr size_t kMaxAhead = 256;  // values on their way for what does not wait for them

  // All outlive this. An engine without refs: nothing is ever cold.
  ColdValues(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardId shard);
  ~ColdValues();
  ColdValues(const ColdValues&) = delete;
  ColdValues& operator=(const ColdValues&) = delete;

  // Called for a value that cannot be read back, which somebody else may have: `done` (may be
  // empty) is to run, in a later turn, when it is here or cannot be had. Not set: it cannot.
  using Damaged =
      std::function<void(DbId db, std::string_view key, RecordRef ref, const Done& done)>;
  void on_damaged(Damaged hook) { damaged_ = std::move(hook); }

  bool supported() const { return engine_.info().refs; }
  // Has the object's value read; `done` (may be empty) runs in a later turn, also when it could not
  // be read: then Keyspace::find_value() will tell. REQUIRES: object.cold().
  void fetch(DbId db, const KeyRef& key, const Object& object, Done done);
  size_t fetching() const { return fetches_.size(); }
  // Forgets values until about `bytes` are freed, for at most `budget_us`; gives what was freed.
  uint64_t cool(uint64_t bytes, int64_t budget_us);
  const ColdStats& stats() const { return stats_; }

 private:
  RecordKey place_of(DbId db, const KeyRef& key, const Object& object) const;
  Result<std::string> read_now(DbId db, const KeyRef& key, const Object& object);
  void fetched(DbId db, const std::string& key, RecordRef ref, const Result<std::string>& image);

  Reactor& reactor_;
  Engine& engine_;
  Keyspace& keyspace_;
  const ShardId shard_;
  void arrived(RecordRef ref);

  Damaged damaged_;
  std::unordered_map<RecordRef, std::vector<Done>> fetches_;
  ColdStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
