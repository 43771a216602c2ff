// See cold_values.h.
#include "replica/cold_values.h"

#include <utility>

#include "base/log.h"
#include "store/effect.h"

namespace holdfast {

ColdValues::ColdValues(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardId shard)
    : reactor_(reactor), engine_(engine), keyspace_(keyspace), shard_(shard) {
  keyspace_.set_value_source([this](DbId db, const KeyRef& key, const Object& object) {
    ++stats_.waited;
    return read_now(db, key, object);
  });
}

ColdValues::~ColdValues() { keyspace_.set_value_source({}); }

RecordKey ColdValues::place_of(DbId db, const KeyRef& key, const Object& object) const {
  const uint64_t size = object.string_size();
  return {db, key.slot, key.bytes, object.ref(), size == 0 ? 0 : kRecordImageHead + size};
}

Result<std::string> ColdValues::read_now(DbId db, const KeyRef& key, const Object& object) {
  const Result<std::string> image = engine_.read_record(shard_, place_of(db, key, object));
  Status status = image.status();
  if (image.ok()) {
    const Result<RecordImage> record = decode_record(key.bytes, image.value());
    if (record.ok()) return std::string(record.value().value);
    status = record.status();
  }
  ++stats_.unreadable;
  log_error("a value cannot be read back; the record is left as it is",
            {{"key", std::string(key.bytes.substr(0, 64))}, {"reason", status.message()}});
  if (damaged_) damaged_(db, key.bytes, object.ref(), {});
  return status;
}

void ColdValues::fetch(DbId db, const KeyRef& key, const Object& object, Done done) {
  const RecordRef ref = object.ref();
  const auto [at, fresh] = fetches_.try_emplace(ref);
  if (done) at->second.push_back(std::move(done));
  if (!fresh) return;
  engine_.fetch_record(shard_, place_of(db, key, object),
                       [this, alive = std::weak_ptr(alive_), db, ref,
                        name = std::string(key.bytes)](const Result<std::string>& image) {
                         if (alive.lock() != nullptr) fetched(db, name, ref, image);
                       });
}

// The object may be gone or changed meanwhile, its record even overwritten: then what was read does
// not count. An error is not believed before it is seen by read_now(), unless others may help.
void ColdValues::fetched(DbId db, const std::string& key, RecordRef ref,
                         const Result<std::string>& image) {
  ++stats_.fetched;
  Result<RecordImage> record = image.ok() ? decode_record(key, image.value()) : image.status();
  if (record.ok()) {
    keyspace_.warm(db, keyspace_.key(key), ref, record.value().value);
  } else if (damaged_) {
    damaged_(db, key, ref, [this, alive = std::weak_ptr(alive_), ref] {
      if (alive.lock() != nullptr) arrived(ref);
    });
    return;
  }
  arrived(ref);
}

void ColdValues::arrived(RecordRef ref) {
  auto node = fetches_.extract(ref);
  for (const Done& done : node.mapped()) done();
}

uint64_t ColdValues::cool(uint64_t bytes, int64_t budget_us) {
  if (!supported()) return 0;
  constexpr int kStepsPerLook = 16;
  const int64_t deadline_ns = reactor_.clock().mono_ns() + budget_us * 1000;
  const uint64_t round = keyspace_.cool_rounds();
  uint64_t freed = 0;
  // Two rounds and a bit: the first takes the marks of use away.
  while (freed < bytes && keyspace_.cool_rounds() < round + 3) {
    for (int i = 0; i < kStepsPerLook && freed < bytes; ++i) {
      freed += keyspace_.cool_some([this](RecordRef ref) { return engine_.on_device(ref); });
    }
    if (reactor_.clock().mono_ns() >= deadline_ns) break;
  }
  stats_.cooled_bytes += freed;
  return freed;
}

}  // namespace holdfast
