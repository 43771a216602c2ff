// Effects and entries: the bytes (pinned; docs/ONDISK.md shows the same example), damage, and
// replay over records that are newer than the log.
#include "store/effect.h"
#include "store/entry_replay.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/random.h"

using namespace holdfast;

namespace {

constexpr uint64_t kSeed = 42;

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

// An effect that owns its bytes.
struct Owned {
  EffectType type;
  DbId db = 0;
  std::string key;
  int64_t expire_at_ms = 0;
  uint64_t offset = 0;
  std::string value;

  Effect effect(const Keyspace& keyspace) const {
    return {type, db, has_key(type) ? keyspace.key(key) : KeyRef{}, expire_at_ms, offset, value};
  }
  bool operator==(const Owned&) const = default;
};

std::string encode(const std::vector<Owned>& effects, Epoch epoch, Seq seq, int64_t clock_ms,
                   uint32_t previous_crc = 0) {
  const Keyspace keyspace(kSeed);
  std::string out;
  EntryWriter writer(&out);
  writer.begin(
      {.epoch = epoch, .seq = seq, .log_clock_ms = clock_ms, .previous_crc = previous_crc});
  for (const Owned& effect : effects) writer.add(effect.effect(keyspace));
  writer.end();
  return out;
}

LogPosition position_of(std::string_view entry) {
  const EntryHeader header = peek_entry_header(entry);
  return {header.epoch, header.seq, header.crc};
}

// Gives a changed entry its right checksum back.
std::string resealed(std::string entry) {
  store_fixed(entry.data() + 4, crc32c(entry.data() + 8, entry.size() - 8));
  return entry;
}

std::vector<Owned> decode(std::string_view entry, Status* status) {
  const Keyspace keyspace(kSeed);
  std::vector<Owned> effects;
  *status = read_effects(entry, keyspace, [&](const Effect& e) {
    effects.push_back(
        {e.type, e.db, std::string(e.key.bytes), e.expire_at_ms, e.offset, std::string(e.value)});
  });
  return effects;
}

std::string identity_map() {
  std::string map;
  for (char i = 0; i < kDbCount; ++i) map.push_back(i);
  return map;
}

std::string random_map(Random& random) {
  std::string map = identity_map();
  for (int i = 0; i < 2; ++i) std::swap(map[random.below(kDbCount)], map[random.below(kDbCount)]);
  return map;
}

// Few keys, so that entries meet.
Owned random_effect(Random& random) {
  const auto db = static_cast<DbId>(random.below(2));
  const std::string key = "key" + std::to_string(random.below(25));
  const auto time = static_cast<int64_t>(1 + random.below(1000));
  switch (random.below(16)) {
    case 0:
      return {EffectType::kFlushDb, db, "", 0, 0, ""};
    case 1:
      return {EffectType::kMapDatabases, 0, "", 0, 0, random_map(random)};
    case 2:
    case 3:
    case 4:
      return {EffectType::kErase, db, key, 0, 0, ""};
    case 5:
    case 6:
      return {EffectType::kSetExpiry, db, key, random.one_in(3) ? 0 : time, 0, ""};
    case 7:
    case 8:
    case 9:
    case 10:
      return {EffectType::kWriteRange,
              db,
              key,
              0,
              random.below(30),
              std::string(random.below(10), static_cast<char>('a' + random.below(26)))};
    default:
      return {EffectType::kPutString,      db, key,
              random.one_in(2) ? time : 0, 0,  std::to_string(random.next())};
  }
}

std::vector<Owned> random_effects(Random& random) {
  std::vector<Owned> effects;
  const uint64_t count = random.one_in(3) ? 1 + random.below(6) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    effects.push_back(random_effect(random));
    // Often the same key again, as in SET and EXPIRE of one transaction.
    if (i > 0 && !effects[i].key.empty() && !effects[i - 1].key.empty() && random.one_in(2)) {
      effects[i].key = effects[i - 1].key;
    }
  }
  return effects;
}

// Everything that can be asked of a keyspace, as text.
std::map<std::string, std::string> contents(Keyspace& keyspace) {
  std::map<std::string, std::string> all;
  for (DbId db = 0; db < kDbCount; ++db) {
    uint64_t cursor = 0;
    do {
      cursor = keyspace.scan(db, cursor, [&](Object* object) {
        IntScratch scratch;
        all[std::to_string(db) + "/" + std::string(object->key())] =
            std::string(object->string(scratch)) + " expires " +
            std::to_string(object->expire_at_ms()) + " changed " +
            std::to_string(object->mod_seq());
      });
    } while (cursor != 0);
  }
  for (const DbId db : keyspace.db_map()) all["map"] += std::to_string(db) + " ";
  return all;
}

const std::vector<Owned> kGoldenEffects = {
    {EffectType::kPutString, 0, "user:1", 1700000060000, 0, "Ada"},
    {EffectType::kWriteRange, 1, "log", 0, 300, "xyz"},
    {EffectType::kErase, 2, "old", 0, 0, ""},
    {EffectType::kSetExpiry, 0, "user:1", 0, 0, ""},
    {EffectType::kFlushDb, 15, "", 0, 0, ""},
    {EffectType::kMapDatabases, 0, "", 0, 0,
     std::string("\1\0\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16)},
};

}  // namespace

TEST_CASE("entry: golden bytes of libraries") {
  const std::string entry =
      encode({{EffectType::kPutLibrary, 0, "", 0, 0, library_image("l", "x=1")},
              {EffectType::kEraseLibrary, 0, "", 0, 0, "l"},
              {EffectType::kEraseLibrary, 0, "", 0, 0, ""}},
             1, 1, 0);
  CHECK(hex(entry.substr(kEntryHeaderBytes)) ==
        "0800"
        "05016c783d31"
        "0900016c"
        "090000");
}

TEST_CASE("libraries: put, replaced, erased; an image without a name is refused") {
  Keyspace keyspace(kSeed);
  apply(Effect::put_library(library_image("a", "1")), 1, keyspace);
  apply(Effect::put_library(library_image("b", "2")), 2, keyspace);
  apply(Effect::put_library(library_image("a", "3")), 3, keyspace);
  CHECK(keyspace.libraries().size() == 2);
  CHECK(keyspace.libraries().at("a") == "3");
  CHECK(keyspace.libraries_at() == 3);
  apply(Effect::erase_library("a"), 4, keyspace);
  apply(Effect::erase_library("no"), 5, keyspace);
  CHECK(keyspace.libraries().size() == 1);
  apply(Effect::erase_library({}), 6, keyspace);
  CHECK(keyspace.libraries().empty());
  for (const std::string& value : {std::string(), std::string(1, '\0'), std::string("\5ab")}) {
    Status status;
    decode(encode({{EffectType::kPutLibrary, 0, "", 0, 0, value}}, 1, 1, 0), &status);
    CHECK(status.code() == Code::kCorrupt);
  }
}

TEST_CASE("entry: golden bytes") {
  const std::string entry = encode(kGoldenEffects, 3, 7, 1700000000123, 0x04030201);
  CHECK(hex(entry) ==
        "70000000"
        "752a6079"
        "02"
        "00"
        "0000"
        "06000000"
        "0300000000000000"
        "0700000000000000"
        "7b68e5cf8b010000"
        "01020304"
        "01"
        "00"
        "06757365723a31"
        "e0a499ffbc31"
        "03416461"
        "02"
        "01"
        "036c6f67"
        "ac02"
        "0378797a"
        "03"
        "02"
        "036f6c64"
        "04"
        "00"
        "06757365723a31"
        "00"
        "05"
        "0f"
        "06"
        "00"
        "10"
        "010002030405060708090a0b0c0d0e0f");
}

TEST_CASE("record: golden bytes") {
  Keyspace keyspace(kSeed);
  apply(Effect::put_string(0, keyspace.key("user:1"), "Ada", 1700000060000), 7, keyspace);
  std::string record;
  encode_record(*keyspace.find(0, keyspace.key("user:1")), &record);
  CHECK(hex(record) ==
        "01"
        "00"
        "0700000000000000"
        "e0a499ffbc31"
        "03416461");
}

TEST_CASE("entry: what was written is read back") {
  SeededRandom random(1);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Owned> effects = random_effects(random);
    if (random.one_in(50))
      effects.push_back({EffectType::kErase, 0, std::string(70'000, 'k'), 0, 0, ""});
    if (random.one_in(50)) {
      effects.push_back({EffectType::kPutString, 7, "", INT64_MAX, 0, std::string(200'000, 'v')});
    }
    const Seq seq = random.next() >> 16;
    const Epoch epoch = random.next();
    const auto clock_ms = static_cast<int64_t>(random.next() >> 1);
    const std::string entry = encode(effects, epoch, seq, clock_ms);
    // More entries behind it do not matter.
    Result<EntryHeader> header = read_entry_header(entry + "next");
    REQUIRE(header.ok());
    CHECK(header.value().length == entry.size());
    CHECK(header.value().effects == effects.size());
    CHECK(header.value().epoch == epoch);
    CHECK(header.value().seq == seq);
    CHECK(header.value().log_clock_ms == clock_ms);
    Status status;
    CHECK((decode(entry + "next", &status) == effects));
    CHECK(status.ok());
  }
}

TEST_CASE("entry: every flipped bit and every cut is found") {
  const std::string entry = encode(kGoldenEffects, 3, 7, 1700000000123, 0x04030201);
  for (size_t bit = 0; bit < entry.size() * 8; ++bit) {
    std::string flipped = entry;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    Keyspace keyspace(kSeed);
    EntryReplay replay(keyspace, {.last = {3, 6, 0x04030201}, .ended = {}});
    Status status = replay.add(flipped);
    if (status.ok()) status = replay.flush();
    if (status.code() != Code::kCorrupt) FAIL("bit " << bit << " went unnoticed");
    CHECK(keyspace.size(0) + keyspace.size(1) == 0);
    CHECK(keyspace.physical(0) == 0);
    // Also when other bytes follow, so that a longer length finds something to read.
    CHECK_FALSE(read_entry_header(flipped + std::string(1000, '\0')).ok());
  }
  for (size_t size = 0; size < entry.size(); ++size) {
    CHECK_FALSE(read_entry_header(entry.substr(0, size)).ok());
  }
}

TEST_CASE("replay: an entry that does not follow the one before is refused") {
  const LogSummary from{.last = {3, 6, 77}, .ended = {}};
  const auto adds = [&from](Epoch epoch, Seq seq, uint32_t previous_crc) {
    Keyspace keyspace(kSeed);
    EntryReplay replay(keyspace, from);
    return replay.add(encode({}, epoch, seq, 0, previous_crc)).code();
  };
  CHECK(adds(3, 7, 77) == Code::kOk);
  CHECK(adds(4, 7, 77) == Code::kOk);
  CHECK(adds(3, 7, 78) == Code::kCorrupt);
  CHECK(adds(3, 8, 77) == Code::kCorrupt);
  CHECK(adds(3, 6, 77) == Code::kCorrupt);
  CHECK(adds(2, 7, 77) == Code::kCorrupt);
}

TEST_CASE("log summary: remembers where the newest epochs ended") {
  LogSummary log;
  log.advance({1, 3, 5});
  CHECK(log.ended.empty());
  log.advance({4, 4, 6});
  log.advance({4, 9, 7});
  CHECK((log.ended == std::vector<EpochEnd>{{1, 3}}));
  for (Seq seq = 10; seq < 100; ++seq) log.advance({seq, seq, 1});
  CHECK(log.ended.size() == LogSummary::kMaxEpochs);
  CHECK((log.ended.back() == EpochEnd{98, 98}));
}

TEST_CASE("entry: right checksums over nonsense are safe") {
  const std::string entry = encode(kGoldenEffects, 3, 7, 1700000000123, 0x04030201);
  SeededRandom random(2);
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string changed = entry;
    for (uint64_t n = 1 + random.below(3); n > 0; --n) {
      const size_t at = 12 + random.below(changed.size() - 12);
      changed[at] = static_cast<char>(random.next());
    }
    Status status;
    decode(resealed(changed), &status);
    if (!status.ok()) ++refused;
  }
  CHECK(refused > 10'000);

  const auto refuses = [&](size_t at, char byte) {
    std::string changed = entry;
    changed[at] = byte;
    Status status;
    decode(resealed(changed), &status);
    return status.code() == Code::kCorrupt;
  };
  CHECK(refuses(8, 4));                  // a newer version
  CHECK(refuses(8, 1));                  // an older one
  CHECK(refuses(9, 4));                  // no such kind
  CHECK(refuses(10, 1));                 // unknown flags
  CHECK(refuses(12, 5));                 // fewer effects than there are
  CHECK(refuses(12, 7));                 // more
  CHECK(refuses(44, 0));                 // no such effect
  CHECK(refuses(44, 10));                //
  CHECK(refuses(45, 16));                // no such database
  CHECK(refuses(entry.size() - 1, 16));  // in the map too
  CHECK(refuses(entry.size() - 1, 14));  // a map that names a database twice
}

TEST_CASE("record: what was written is loaded, clean and with its own number") {
  SeededRandom random(3);
  for (int i = 0; i < 300; ++i) {
    Keyspace from(kSeed);
    const std::string key(random.below(40), 'k');
    const int64_t at = random.one_in(2) ? static_cast<int64_t>(random.next() >> 1) : 0;
    const Seq seq = random.next() >> 16;
    apply(Effect::put_string(3, from.key(key), std::string(random.below(3000), 'v'), at), seq,
          from);
    std::string record;
    encode_record(*from.find(3, from.key(key)), &record);
    Keyspace to(kSeed + 1);
    REQUIRE(load_record(3, to.key(key), record, to).ok());
    CHECK((contents(to) == contents(from)));
    CHECK_FALSE(to.find(3, to.key(key))->dirty());
  }
}

// The engine compresses a record as a whole; its nodes one by one would be slower, and double work.
TEST_CASE("record: a list of any form is loaded again, and was not compressed") {
  for (const size_t size : {20, 3000, 20000}) {
    for (const int count : {1, 5, 500}) {
      Keyspace from(kSeed);
      std::string operands(1, '\0');  // at the front
      for (int i = 0; i < count; ++i) {
        put_bytes(operands, std::string(size, 'e') + std::to_string(i));
        put_bytes(operands, std::to_string(i));
      }
      apply(Effect::edit(EffectType::kListPush, 0, from.key("l"), operands), 7, from);
      std::string record;
      encode_record(*from.find(0, from.key("l")), &record);
      CHECK(record.size() > size * static_cast<size_t>(count));
      Keyspace to(kSeed + 1);
      REQUIRE(load_record(0, to.key("l"), record, to).ok());
      std::string again;
      encode_record(*to.find(0, to.key("l")), &again);
      CHECK(again == record);
    }
  }
}

TEST_CASE("record: damaged ones are refused or at least safe") {
  Keyspace from(kSeed);
  apply(Effect::put_string(0, from.key("k"), "value", 77), 5, from);
  std::string record;
  encode_record(*from.find(0, from.key("k")), &record);
  Keyspace to(kSeed);
  for (size_t size = 0; size < record.size(); ++size) {
    CHECK(load_record(0, to.key("k"), record.substr(0, size), to).status().code() ==
          Code::kCorrupt);
  }
  CHECK(load_record(0, to.key("k"), record + "x", to).status().code() == Code::kCorrupt);
  CHECK(load_record(16, to.key("k"), record, to).status().code() == Code::kCorrupt);
  std::string newer = record;
  newer[0] = 2;
  CHECK(load_record(0, to.key("k"), newer, to).status().code() == Code::kCorrupt);
  std::string list = record;
  list[1] = 1;
  CHECK(load_record(0, to.key("k"), list, to).status().code() == Code::kCorrupt);
  CHECK(to.size(0) == 0);
}

TEST_CASE("entry: a follower that applies entries gets the same keyspace") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SeededRandom random(seed);
    Keyspace leader(kSeed);
    Keyspace follower(kSeed + seed);
    EntryReplay replay(follower, {});
    for (Seq seq = 1; seq <= 2000; ++seq) {
      const std::vector<Owned> effects = random_effects(random);
      for (const Owned& effect : effects) apply(effect.effect(leader), seq, leader);
      REQUIRE(replay.add(encode(effects, 1, seq, 0, replay.log().last.crc)).ok());
      if (seq % 50 != 0) continue;
      REQUIRE(replay.flush().ok());
      REQUIRE((contents(follower) == contents(leader)));
    }
  }
}

namespace {

// A primary with its log, and checkpoints as they run beside the writes: a checkpoint begins at a
// seq, then writes one image after the other, each as the object is by then.
class Primary {
 public:
  explicit Primary(uint64_t seed) : random_(seed) { keyspace_.track_dirty(&tracked_); }

  void step() {
    ++seq_;
    const std::vector<Owned> effects = random_effects(random_);
    for (const Owned& effect : effects) {
      apply(effect.effect(keyspace_), seq_, keyspace_);
      if (effect.type == EffectType::kFlushDb) flushed_.insert(effect.db);
    }
    log_.push_back(encode(effects, 1, seq_, 0, log_.empty() ? 0 : position_of(log_.back()).crc));
    if (!running_ && random_.one_in(60)) start();
    for (uint64_t n = random_.below(4); running_ && n > 0; --n) write_one();
  }

  // Records as they lie there now, with the map and the seq of the last finished checkpoint, and
  // the log after it.
  void recover(Keyspace& fresh, bool tracking, DirtyKeys* dirty) const {
    apply(Effect::map_databases(checkpoint_map_), 0, fresh);
    for (const auto& [place, image] : records_) {
      REQUIRE(load_record(place.first, fresh.key(place.second), image, fresh).ok());
    }
    if (tracking) fresh.track_dirty(dirty);
    LogSummary from;
    if (checkpoint_seq_ > 0) from.last = position_of(log_[checkpoint_seq_ - 1]);
    EntryReplay replay(fresh, from);
    for (Seq seq = checkpoint_seq_ + 1; seq <= seq_; ++seq) {
      REQUIRE(replay.add(log_[seq - 1]).ok());
    }
    REQUIRE(replay.flush().ok());
  }

  Keyspace& keyspace() { return keyspace_; }
  Seq checkpoint_seq() const { return checkpoint_seq_; }

 private:
  void start() {
    running_ = true;
    start_seq_ = seq_;
    start_map_.assign(reinterpret_cast<const char*>(keyspace_.db_map().data()), kDbCount);
    writing_ = std::move(tracked_);
    tracked_ = DirtyKeys();
    for (const DbId db : flushed_) {
      std::erase_if(records_, [db](const auto& record) { return record.first.first == db; });
    }
    flushed_.clear();
  }

  void write_one() {
    if (writing_.empty()) {
      running_ = false;
      checkpoint_seq_ = start_seq_;
      checkpoint_map_ = start_map_;
      return;
    }
    DbId db;
    RecordRef ref = 0;
    const std::string key(writing_.take(&db, &ref));
    Object* object = keyspace_.find(db, keyspace_.key(key));
    if (object == nullptr) {
      records_.erase({db, key});
      return;
    }
    object->set_clean();
    std::string& image = records_[{db, key}];
    image.clear();
    encode_record(*object, &image);
  }

  SeededRandom random_;
  Keyspace keyspace_{kSeed};
  DirtyKeys tracked_;
  DirtyKeys writing_;
  std::set<DbId> flushed_;
  Seq seq_ = 0;
  std::vector<std::string> log_;
  std::map<std::pair<DbId, std::string>, std::string> records_;

  bool running_ = false;
  Seq start_seq_ = 0;
  std::string start_map_;
  Seq checkpoint_seq_ = 0;
  std::string checkpoint_map_ = identity_map();
};

}  // namespace

TEST_CASE("replay: over records newer than the log, at any moment, the state is the same") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Primary primary(seed);
    SeededRandom random(seed + 1000);
    for (int i = 0; i < 1500; ++i) {
      primary.step();
      if (!random.one_in(50)) continue;
      const auto expected = contents(primary.keyspace());
      DirtyKeys dirty;
      Keyspace tracked(kSeed + 1);
      primary.recover(tracked, true, &dirty);
      REQUIRE((contents(tracked) == expected));
      Keyspace untracked(kSeed + 2);
      primary.recover(untracked, false, nullptr);
      REQUIRE((contents(untracked) == expected));
    }
    CHECK(primary.checkpoint_seq() > 1000);
  }
}
