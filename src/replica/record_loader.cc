// See record_loader.h.
#include "replica/record_loader.h"

#include "base/log.h"
#include "store/effect.h"

namespace holdfast {
namespace {

constexpr uint64_t kProgressEvery = 5'000'000;

}  // namespace

Status RecordLoader::add(const RecordKey& record, std::string_view image) {
  if (record.db >= kDbCount) return Status::corrupt("a record of a database that cannot be");
  const KeyRef key = keyspace_.key(record.key);
  Record& added =
      batch_.emplace_back(Record{record.db, record.ref, {{}, key.hash, key.slot}, 0, 0, 0});
  added.key_at = bytes_.size();
  bytes_.append(record.key);
  added.image_at = bytes_.size();
  bytes_.append(image);
  added.end = bytes_.size();
  return batch_.size() < kBatch ? Status() : load_batch();
}

Status RecordLoader::load_batch() {
  for (const Record& record : batch_) keyspace_.prefetch_slot(record.db, record.key.slot);
  for (const Record& record : batch_) keyspace_.prefetch_bucket(record.db, record.key);
  const std::string_view bytes(bytes_);
  bytes_since_asked_ += bytes.size();
  if (bytes_since_asked_ >= kAskBytes) make_room();
  for (const Record& record : batch_) {
    KeyRef key = record.key;
    key.bytes = bytes.substr(record.key_at, record.image_at - record.key_at);
    const std::string_view image = bytes.substr(record.image_at, record.end - record.image_at);
    const Result<Object*> object = load(record, key, image);
    if (!object.ok()) return object.status();
    object.value()->clear_used();  // nobody has asked for it
    if (record.ref != 0 && object.value()->mod_seq() <= covered_) {
      object.value()->set_ref(record.ref);
    } else if (record.ref != 0) {
      newer_.push_back({record.db, std::string(key.bytes), record.ref});
    }
    if (++count_ % kProgressEvery == 0) log_info("loading records", {{"records", count_}});
  }
  batch_.clear();
  bytes_.clear();
  return {};
}

void RecordLoader::make_room() {
  const uint64_t wanted = std::exchange(bytes_since_asked_, 0);
  if (none_left_ || !memory_is_short_ || !memory_is_short_()) return;
  values_stay_ = true;
  // All that is loaded has a record on the device, and none of it was used.
  const uint64_t round = keyspace_.cool_rounds();
  uint64_t freed = 0;
  while (freed < wanted && keyspace_.cool_rounds() < round + 2) {
    freed += keyspace_.cool_some([](RecordRef) { return true; });
  }
  none_left_ = freed == 0;
}

Result<Object*> RecordLoader::load(const Record& record, const KeyRef& key,
                                   std::string_view image) {
  if (!values_stay_ || record.ref == 0) return load_record(record.db, key, image, keyspace_);
  const Result<RecordImage> decoded = decode_record(key.bytes, image);
  if (!decoded.ok()) return decoded.status();
  const RecordImage& from = decoded.value();
  if (from.mod_seq > covered_ || from.value.size() < Keyspace::kMinCold) {
    return load_record(record.db, key, image, keyspace_);
  }
  if (keyspace_.find(record.db, key) != nullptr) {
    return Status::corrupt("two live records of key '" + std::string(key.bytes.substr(0, 64)) +
                           "'");
  }
  return keyspace_.put_cold(record.db, key, from.type, from.value.size(), from.expire_at_ms);
}

void RecordLoader::replace_newer() {
  for (const Newer& one : newer_) {
    keyspace_.replace_record(one.db, keyspace_.key(one.key), one.ref);
  }
  newer_.clear();
}

}  // namespace holdfast
