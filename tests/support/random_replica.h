// RandomReplica: a shard with a keyspace of its own, and random commands for it, of every type.
#pragma once

#include <string>
#include <utility>

#include "base/codec.h"
#include "base/random.h"
#include "replica/shard.h"
#include "tests/support/contents.h"
#include "tests/support/random_effects.h"

namespace holdfast {

// A shard on an engine, with a keyspace of its own.
struct RandomReplica {
  // `cold`: values stay on the device whenever they may, and are larger, so that it pays.
  RandomReplica(Reactor& reactor, Engine& engine, uint64_t checkpoint_bytes = 1 << 30,
                bool cold_values = false, ShardId id = 0)
      : cold(cold_values),
        keyspace(7),
        shard(reactor, engine, keyspace,
              {id, checkpoint_bytes, [cold_values] { return cold_values; }}) {
    keyspace.set_limits(small_limits());
  }

  // As a member of a group.
  RandomReplica(Reactor& reactor, Engine& engine, ShardOptions options)
      : cold(false), keyspace(7), shard(reactor, engine, keyspace, std::move(options)) {
    keyspace.set_limits(small_limits());
  }

  // A random command: one to four effects in one entry.
  void random_command(Random& random) {
    if (cold && random.one_in(4)) shard.cold_values().cool(UINT64_MAX, 1'000'000);
    if (cold && random.one_in(4)) fetch_some(random);
    shard.begin_command(1000);
    const uint64_t effects = 1 + random.below(4);
    for (uint64_t i = 0; i < effects; ++i) random_effect(random);
    shard.end_command();
    keyspace.collect_garbage(1000);
  }

  // Values on their way while the commands that follow change and erase their keys.
  void fetch_some(Random& random) {
    for (int i = 0; i < 8; ++i) {
      const auto db = static_cast<DbId>(random.below(3));
      const std::string name = "key:" + std::to_string(random.below(60));
      const KeyRef key = keyspace.key(name);
      const Object* object = keyspace.find(db, key);
      if (object != nullptr && object->cold()) shard.cold_values().fetch(db, key, *object, {});
    }
  }

  void random_effect(Random& random) { random_effect(random, cold ? 300 : 40); }
  void random_effect(Random& random, uint64_t longest) {
    const auto db = static_cast<DbId>(random.below(3));
    std::string name = "key:" + std::to_string(random.below(60));
    KeyRef key = keyspace.key(name);
    const uint64_t filler =
        large_values && random.one_in(40) ? random.below(200'000) : random.below(longest);
    std::string value = std::to_string(random.below(1000)) + std::string(filler, 'v');
    if (noise && random.one_in(12)) {  // of few keys, so that all together stay small
      name = "key:" + std::to_string(random.below(3));
      key = keyspace.key(name);
      value.resize(65'536 + random.below(random.one_in(8) ? 1'000'000 : 70'000));
      for (size_t at = 0; at + 8 <= value.size(); at += 8) store_fixed(&value[at], random.next());
    }
    const auto expiry = static_cast<int64_t>(random.below(2) * (5000 + random.below(1000)));
    const uint64_t what = random.below(100);
    if (what < 2) return shard.emit(Effect::flush_db(db));
    if (what < 4) return swap_databases(random);
    if (what < 5) return change_library(random);
    if (what < 12) return shard.emit(Effect::erase(db, key));
    if (what < 20) return shard.emit(Effect::set_expiry(db, key, expiry));
    if (what < 25) return copy(random, db, key, expiry);
    if (what < 35) return shard.emit(Effect::put_string(db, key, value, expiry));
    const auto emit = [this](const Effect& effect) { shard.emit(effect); };
    RandomEffects effects(random, keyspace, db, key, emit);
    Object* object = keyspace.find_value(db, key);
    if (object == nullptr && !random.one_in(3)) return effects.make();
    if (object != nullptr && object->is_collection()) return effects.change(*object);
    if (random.one_in(2)) {
      shard.emit(Effect::write_range(db, key, random.below(30), value));
    } else {
      shard.emit(Effect::put_string(db, key, value, expiry));
    }
  }

  void swap_databases(Random& random) {
    DbMap map = keyspace.db_map();
    std::swap(map[0], map[1 + random.below(2)]);
    shard.emit(Effect::map_databases({reinterpret_cast<const char*>(map.data()), map.size()}));
  }

  void change_library(Random& random) {
    const std::string name = "library" + std::to_string(random.below(3));
    if (random.one_in(3)) {
      shard.emit(Effect::erase_library(random.one_in(3) ? "" : name));
    } else {
      shard.emit(Effect::put_library(library_image(name, std::to_string(random.below(1000)))));
    }
  }

  // As COPY and RENAME do.
  void copy(Random& random, DbId db, const KeyRef& to, int64_t expiry) {
    const std::string name = "key:" + std::to_string(random.below(60));
    const KeyRef from = keyspace.key(name);
    const Object* object = keyspace.find_value(db, from);
    if (object == nullptr || name == to.bytes) return;
    std::string value;
    if (object->is_collection()) {
      collection_type(object->type()).encode(object->collection(), &value);
      shard.emit(Effect::put_value(db, to, value, expiry));
    } else {
      IntScratch scratch;
      value = object->string(scratch);
      shard.emit(Effect::put_string(db, to, value, expiry));
    }
    if (random.one_in(2)) shard.emit(Effect::erase(db, from));
  }

  void command(const Effect& effect) {
    shard.begin_command(1000);
    shard.emit(effect);
    shard.end_command();
  }
  void put(DbId db, const char* key) { command(Effect::put_string(db, keyspace.key(key), "v", 0)); }
  void flush(DbId db) { command(Effect::flush_db(db)); }
  void swap(size_t a, size_t b) {
    DbMap map = keyspace.db_map();
    std::swap(map[a], map[b]);
    command(Effect::map_databases({reinterpret_cast<const char*>(map.data()), map.size()}));
  }

  const bool cold;
  bool large_values = false;
  bool noise = false;  // some values of 64 KiB to 1 MiB that lz4 leaves alone
  Keyspace keyspace;
  Shard shard;
};

}  // namespace holdfast
