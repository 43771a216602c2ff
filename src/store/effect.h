// Effects: the small deterministic changes that are all a keyspace ever sees. An entry of the log
// is an atomic set of them.
//
// A command's randomness, clocks and conditions are resolved before it emits effects, so applying
// the same entries in the same order gives the same keyspace everywhere. Bytes: docs/ONDISK.md,
// "Oplog entries"; pinned by tests/unit/store/effect_test.cc.
//
// Replay: entries may be applied over records that are newer than they are (a checkpoint is taken
// while writes go on). apply_entry skips an effect on an object whose record already contains it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "store/effect_type.h"
#include "store/entry.h"
#include "store/keyspace.h"

namespace holdfast {

inline bool has_key(EffectType type) {
  return type != EffectType::kFlushDb && type != EffectType::kMapDatabases &&
         type != EffectType::kPutLibrary && type != EffectType::kEraseLibrary &&
         type != EffectType::kRemember;
}

struct Effect {
  EffectType type;
  DbId db = 0;               // physical
  KeyRef key;                // not for kFlushDb, kMapDatabases
  int64_t expire_at_ms = 0;  // kPutString, kPutValue, kSetExpiry: 0 is none
  uint64_t offset = 0;       // kWriteRange
  // kPutString, kWriteRange; kMapDatabases: 16 bytes; kPutValue: as CollectionType::encode gives
  // it; of an effect that edits a collection: its operands; kPutLibrary: a library_image;
  // kEraseLibrary: its name, or nothing for all; kRemember: Remembered::encode().
  std::string_view value;

  static Effect put_string(DbId db, const KeyRef& key, std::string_view value, int64_t expire) {
    return {EffectType::kPutString, db, key, expire, 0, value};
  }
  static Effect write_range(DbId db, const KeyRef& key, uint64_t offset, std::string_view bytes) {
    return {EffectType::kWriteRange, db, key, 0, offset, bytes};
  }
  static Effect put_value(DbId db, const KeyRef& key, std::string_view encoded, int64_t expire) {
    return {EffectType::kPutValue, db, key, expire, 0, encoded};
  }
  static Effect edit(EffectType type, DbId db, const KeyRef& key, std::string_view operands) {
    return {type, db, key, 0, 0, operands};
  }
  static Effect erase(DbId db, const KeyRef& key) {
    return {EffectType::kErase, db, key, 0, 0, {}};
  }
  static Effect set_expiry(DbId db, const KeyRef& key, int64_t expire_at_ms) {
    return {EffectType::kSetExpiry, db, key, expire_at_ms, 0, {}};
  }
  static Effect flush_db(DbId db) { return {EffectType::kFlushDb, db, {}, 0, 0, {}}; }
  static Effect put_library(std::string_view image) {
    return {EffectType::kPutLibrary, 0, {}, 0, 0, image};
  }
  static Effect erase_library(std::string_view name) {
    return {EffectType::kEraseLibrary, 0, {}, 0, 0, name};
  }
  static Effect remember(std::string_view remembered) {
    return {EffectType::kRemember, 0, {}, 0, 0, remembered};
  }
  static Effect map_databases(std::string_view map) {
    return {EffectType::kMapDatabases, 0, {}, 0, 0, map};
  }
};

// A library as an effect and a checkpoint have it: the length of its name, its name, its code.
std::string library_image(std::string_view name, std::string_view code);
// False when it is none. The views live as long as the image.
bool parse_library_image(std::string_view image, std::string_view* name, std::string_view* code);

// Changes the keyspace. The only caller of Keyspace's changing half. True when the effect took the
// last element out of a collection, which is gone now.
bool apply(const Effect& effect, Seq seq, Keyspace& keyspace);

// --- entries ---

// Writes entries one behind the other into `out`.
class EntryWriter {
 public:
  explicit EntryWriter(std::string* out) : out_(out) {}
  bool open() const { return open_; }
  // Bytes of the open entry; 0 without one.
  size_t size() const { return open_ ? out_->size() - start_ : 0; }
  // `header`: but for its length, crc and effects.
  void begin(const EntryHeader& header);
  void add(const Effect& effect);
  // Gives the entry's crc, which the next one has to name.
  uint32_t end();

 private:
  std::string* out_;
  size_t start_ = 0;
  EntryHeader header_;
  bool open_ = false;
};

// Checks and decodes the effects of an entry in order; another kind than kEffects has none. `hash`
// turns key bytes into a KeyRef.
Status read_effects(std::string_view entry, const Keyspace& keyspace,
                    const std::function<void(const Effect&)>& visit);

// --- records: one object's image in a checkpoint ---

void encode_record(const Object& object, std::string* out);
// Gives an image another mod_seq. REQUIRES: it is one.
void set_record_seq(std::string* image, Seq mod_seq);
// The image of a string but for the value, which follows.
std::string string_record_head(Seq mod_seq, int64_t expire_at_ms, uint64_t size);
// An image is at most this longer than the value.
inline constexpr uint64_t kRecordImageHead = 2 + sizeof(Seq) + 2 * kMaxVarintBytes;
struct RecordImage {
  ObjectType type = ObjectType::kString;
  Seq mod_seq = 0;
  int64_t expire_at_ms = 0;
  std::string_view value;  // of a collection: as CollectionType::encode gives it
};
// kCorrupt when it is not an image. The views live as long as the bytes.
Result<RecordImage> decode_record(std::string_view key, std::string_view image);
// Puts the image's object into the keyspace, not dirty, with its own mod_seq, and gives it.
Result<Object*> load_record(DbId db, const KeyRef& key, std::string_view image, Keyspace& keyspace);

}  // namespace holdfast
