// The engines under one face: a fixture opens an engine, closes it and opens it again, and turns
// calls with a completion into calls that wait for it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/real_disk.h"
#include "engine/disk/disk_engine.h"
#include "engine/mem_engine.h"
#include "engine/rocks_engine.h"
#include "tests/support/manual_reactor.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/scripted_engine.h"

namespace holdfast {

inline constexpr ShardId kShard = 3;

// An entry as far as an engine looks into it: its own length, then anything.
inline std::string make_entry(std::string_view payload) {
  std::string entry;
  put_fixed(entry, static_cast<uint32_t>(payload.size() + 4));
  return entry.append(payload);
}

// Entries first..last; each entry's bytes follow from its seq and `flavor`.
inline std::string entry_of(Seq seq, std::string_view flavor = "e") {
  return make_entry(std::string(flavor) + std::to_string(seq) + std::string(seq % 7, '\0'));
}

inline LogGroup make_group(Seq first, Seq last, std::string_view flavor = "e") {
  LogGroup group{first, last, {}};
  for (Seq seq = first; seq <= last; ++seq) group.bytes += entry_of(seq, flavor);
  return group;
}

using Entries = std::map<Seq, std::string>;
using Records = std::vector<std::pair<std::string, std::string>>;  // "db/slot/key" -> image

inline std::string name_of(const RecordKey& key) {
  return std::to_string(key.db) + "/" + std::to_string(key.slot) + "/" + std::string(key.key);
}

class EngineFixture {
 public:
  virtual ~EngineFixture() = default;

  // Closes the engine if it is open.
  virtual void reopen() = 0;

  Engine& engine() { return *engine_; }
  ManualReactor& reactor() { return reactor_; }
  const std::vector<RecoveredShard>& recovered() const { return recovered_; }
  RecoveredShard recovered(ShardId shard) const {
    for (const RecoveredShard& one : recovered_) {
      if (one.shard == shard) return one;
    }
    return {};
  }

  Status wait(const std::function<void(Engine::Done)>& call) {
    bool done = false;
    Status result;
    call([&](const Status& status) {
      result = status;
      done = true;
    });
    REQUIRE(reactor_.wait_for([&done] { return done; }));
    return result;
  }
  Status append(LogGroup group, ShardId shard = kShard) {
    return wait([&](Engine::Done d) { engine_->append(shard, std::move(group), std::move(d)); });
  }
  Status truncate(Seq last_kept) {
    return wait([&](Engine::Done d) { engine_->truncate_suffix(kShard, last_kept, std::move(d)); });
  }
  Status release(Seq seq) {
    return wait([&](Engine::Done d) { engine_->release_prefix(kShard, seq, std::move(d)); });
  }
  Status save(HardState state, ShardId shard = kShard) {
    return wait([&](Engine::Done d) { engine_->save_hard_state(shard, state, std::move(d)); });
  }
  // Keeps the refs, as the owner of the records does.
  Status write(std::vector<RecordWrite> writes, ShardId shard = kShard) {
    std::vector<RecordRef*> kept;
    for (RecordWrite& write : writes) {
      kept.push_back(&ref_of(shard, write.key));
      write.key.ref = std::exchange(*kept.back(), 0);
    }
    return wait([&](const Engine::Done& done) {
      engine_->write_records(
          shard, writes, [&kept, done](const Status& status, const std::vector<RecordRef>& refs) {
            CHECK((refs.empty() || refs.size() == kept.size()));
            for (size_t i = 0; i < refs.size(); ++i) *kept[i] = refs[i];
            done(status);
          });
    });
  }
  Status finish(const CheckpointMeta& meta, ShardId shard = kShard) {
    return wait([&](Engine::Done d) { engine_->finish_checkpoint(shard, meta, std::move(d)); });
  }
  Status erase_database(DbId db, ShardId shard = kShard) {
    std::erase_if(refs_, [&](const auto& ref) {
      return ref.first.starts_with(std::to_string(shard) + "/" + std::to_string(db) + "/");
    });
    return wait([&](Engine::Done d) { engine_->erase_database(shard, db, std::move(d)); });
  }
  Entries read(Seq from, Seq to, ShardId shard = kShard) {
    Entries entries;
    const Status status = engine_->read_log(shard, from, to, [&](Seq seq, std::string_view entry) {
      CHECK(entries.emplace(seq, entry).second);
      return true;
    });
    CHECK_MESSAGE(status.ok(), status.message());
    return entries;
  }
  Result<std::string> fetch(Seq from, Seq to, uint64_t max_bytes, ShardId shard = kShard) {
    std::optional<Result<std::string>> got;
    engine_->fetch_log(shard, from, to, max_bytes,
                       [&got](Result<std::string> entries) { got = std::move(entries); });
    REQUIRE(reactor_.wait_for([&got] { return got.has_value(); }));
    return *got;
  }
  // In the order of their names.
  Records records(DbId db, ShardId shard = kShard) {
    Records all;
    const Status status =
        engine_->visit_records(shard, [&](const RecordKey& key, std::string_view image) {
          ref_of(shard, key) = key.ref;
          if (key.db == db) all.emplace_back(name_of(key), image);
          return true;
        });
    CHECK_MESSAGE(status.ok(), status.message());
    std::sort(all.begin(), all.end());
    return all;
  }
  Result<std::string> read_record(RecordKey key, ShardId shard = kShard) {
    key.ref = ref_of(shard, key);
    return engine_->read_record(shard, key);
  }
  RecordRef& ref_of(ShardId shard, const RecordKey& key) {
    return refs_[std::to_string(shard) + "/" + name_of(key)];
  }

 protected:
  void open() {
    Result<std::vector<RecoveredShard>> found = engine_->open();
    REQUIRE_MESSAGE(found.ok(), found.status().message());
    recovered_ = found.value();
  }

  ManualReactor reactor_;
  std::unique_ptr<Engine> engine_;
  std::vector<RecoveredShard> recovered_;
  std::map<std::string, RecordRef> refs_;
};

class MemFixture final : public EngineFixture {
 public:
  MemFixture() {
    engine_ = std::make_unique<MemEngine>(true);
    open();
  }
  void reopen() override {
    engine_->close();
    open();
  }
};

class ScriptedFixture final : public EngineFixture {
 public:
  ScriptedFixture() {
    engine_ = std::make_unique<ScriptedEngine>();
    open();
  }
  void reopen() override {
    engine_->close();
    open();
  }
  ScriptedEngine& scripted() { return static_cast<ScriptedEngine&>(*engine_); }
};

class RocksFixture final : public EngineFixture {
 public:
  explicit RocksFixture(Durability durability = Durability::kAlways) : durability_(durability) {
    reopen();
  }
  void reopen() override {
    close();
    engine_ = std::make_unique<RocksEngine>(reactor_, directory(), RocksOptions{durability_});
    open();
  }
  void close() {
    if (engine_ != nullptr) engine_->close();
    engine_.reset();
  }
  // The end of the engine's life without close().
  void destroy() { engine_.reset(); }
  std::string directory() const { return scratch_.file("store"); }
  const ScratchDirectory& scratch() const { return scratch_; }

 private:
  ScratchDirectory scratch_;
  Durability durability_;
};

// On real files, with a small log.
class DiskFixture final : public EngineFixture {
 public:
  explicit DiskFixture(DiskEngineOptions options = {.wal_bytes = 4 << 20}) : options_(options) {
    reopen();
  }
  ~DiskFixture() override { close(); }
  void reopen() override {
    close();
    engine_ = std::make_unique<DiskEngine>(reactor_, disk_, random_, directory(), options_);
    open();
  }
  void close() {
    if (engine_ != nullptr) engine_->close();
    engine_.reset();
  }
  std::string directory() const { return scratch_.file("store"); }

 private:
  ScratchDirectory scratch_;
  RealDisk disk_;
  SeededRandom random_{secure_seed()};
  DiskEngineOptions options_;
};

}  // namespace holdfast
