// How a DataStore reads records; see data_store.h.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "engine/disk/data_store.h"

namespace holdfast::disk {
namespace {

constexpr size_t kKeyShown = 128;

}  // namespace

Status DataStore::flush_for_reading() {
  if (writer_ == nullptr) return {};
  seal_all();
  writer_->drain();
  return failure_;
}

Status DataStore::visit(ShardId shard, const Engine::RecordVisitor& visit,
                        const Engine::DamageVisitor& damaged) {
  if (Status status = flush_for_reading(); !status.ok()) return status;
  std::vector<const Segment*> wanted;
  for (const auto& [block, segment] : segments_.all()) {
    if (segment.shard == shard && segment.live > 0) wanted.push_back(&segment);
  }
  bool more = true;
  Status status;
  for (size_t i = 0; i < wanted.size() && more && status.ok(); ++i) {
    const Extent next = i + 1 < wanted.size() ? wanted[i + 1]->extent : Extent{};
    status = visit_segment(*wanted[i], next, visit, damaged, &more);
  }
  file_.will_read(0, 0);  // it may have ended before what was read ahead
  return status;
}

// `next` is read from the device while this one is visited.
Status DataStore::visit_segment(const Segment& segment, const Extent& next,
                                const Engine::RecordVisitor& visit,
                                const Engine::DamageVisitor& damaged, bool* more) {
  Status result;
  const Status read = check_segment(
      segment, next, [&](uint64_t offset, const Status& status, const Record& record) {
        if (!status.ok() && damaged && record.proven && record.header.shard == segment.shard) {
          const Status reason(
              status.code(),
              status.message() + "; key '" + std::string(record.key.substr(0, kKeyShown)) + "'");
          damaged({segment.db, record.header.slot, record.key, make_ref(offset)}, reason);
          return true;
        }
        result = status;
        if (!status.ok()) return mutant(Mutant::kSkipDamagedRecords);
        *more = visit({record.header.db, record.header.slot, record.key, make_ref(offset)},
                      record.image);
        return *more;
      });
  if (mutant(Mutant::kSkipDamagedRecords)) return read;
  return read.ok() ? result : read;
}

const Segment* DataStore::next_sparse(ShardId shard) {
  while (!sparse_.empty()) {
    const auto at = segments_.all().find(sparse_.back());
    sparse_.pop_back();
    if (at == segments_.all().end()) continue;
    if (at->second.shard == shard && at->second.live > 0) return &at->second;
  }
  return nullptr;
}

void DataStore::visit_sparse(ShardId shard, Engine::RecordVisitor visit, Done done) {
  const Segment* sparse = next_sparse(shard);
  if (sparse == nullptr) {
    post([done = std::move(done)] { done(Status::not_found("no segment is sparse")); });
    return;
  }
  const auto visit_one = [visit = std::move(visit)](DbId db, uint64_t offset, const Status& status,
                                                    const Record& record) {
    if (!status.ok()) {
      log_error("a record is damaged; if its value is in memory it is written anew",
                {{"reason", status.message()}, {"key", record.key.substr(0, kKeyShown)}});
    }
    if (!status.ok() && record.key.empty()) return true;
    return visit({db, record.header.slot, record.key, make_ref(offset)},
                 status.ok() ? record.image : std::string_view());
  };
  read_blocks(*sparse, sparse->extent,
              [this, visit_one, done = std::move(done)](const Segment* segment, const Status& read,
                                                        AlignedBuffer blocks) {
                if (segment == nullptr) return done({});
                if (read.ok()) {
                  check_records(*segment, blocks.span(),
                                [&](auto&&... one) { return visit_one(segment->db, one...); });
                }
                done(read);
              });
}

void DataStore::read_blocks(const Segment& segment, const Extent& part, BlocksRead done) {
  writer_->read(part.offset(), part.bytes(),
                [this, first = segment.extent.block, id = segment.id, done = std::move(done)](
                    const Status& status, AlignedBuffer blocks) {
                  const auto at = segments_.all().find(first);
                  const bool there = at != segments_.all().end() && at->second.id == id;
                  done(there ? &at->second : nullptr, status, std::move(blocks));
                });
}

Status DataStore::check_segment(const Segment& segment, const Extent& next,
                                const RecordCheck& check) {
  AlignedBuffer blocks = AlignedBuffer::uninitialized(segment.extent.bytes());
  if (Status status = file_.fill(segment.extent.offset(), &blocks); !status.ok()) return status;
  if (next.count > 0) file_.will_read(next.offset(), next.bytes());
  check_records(segment, blocks.span(), check);
  return {};
}

void DataStore::check_records(const Segment& segment, std::span<char> blocks,
                              const RecordCheck& check) const {
  std::string scratch;
  Segments::visit_live(segment, [&](uint64_t offset) {
    Record record;
    const auto from = blocks.subspan(offset - segment.extent.offset());
    const uint64_t seed = seed_of(segment, offset);
    Status status = decode_record_at(from, seed, &record, &scratch);
    if (!status.ok()) {
      record.proven = prove_key(from, seed, &record);
      if (!record.proven) record.key = claimed_key(from);
      status = Status::corrupt("data file at " + std::to_string(offset) + ", segment " +
                               std::to_string(segment.id) + ": " + status.message());
    }
    return check(offset, status, record);
  });
}

// The blocks that hold a record, as far as its length can be known before it is read.
struct DataStore::RecordPlace {
  uint64_t segment;
  uint64_t offset;  // of the record
  uint64_t first;   // of its first block
  uint64_t size;    // of the blocks
};

std::optional<DataStore::RecordPlace> DataStore::place_of(const RecordKey& key) const {
  const Segment* segment = segments_.find(key.ref);
  if (key.ref == 0 || segment == nullptr) return {};
  RecordPlace place{segment->id, offset_of(key.ref), 0, 0};
  place.first = place.offset / kBlock * kBlock;
  const uint64_t end = segment->extent.offset() + segment->extent.bytes();
  uint64_t most = segment->single ? end : round_up(place.offset + kMaxSmall, kBlock);
  if (key.most_bytes > 0) {
    const uint64_t size = kRecordHeader + key.key.size() + key.most_bytes;
    most = std::min(most, round_up(place.offset + size, kBlock));
  }
  place.size = std::min(end, most) - place.first;
  return place;
}

Result<std::string> DataStore::open_record(const RecordPlace& place, ShardId shard,
                                           const RecordKey& key, std::span<char> blocks) const {
  Record record;
  std::string scratch;
  const Status status =
      decode_record_at(blocks.subspan(place.offset - place.first),
                       record_seed(uuid_, place.segment, place.offset), &record, &scratch);
  const std::string name = "data file at " + std::to_string(place.offset) + ": ";
  if (!status.ok()) return Status::corrupt(name + status.message());
  if (record.header.shard != shard || record.header.db != key.db || record.key != key.key) {
    return Status::corrupt(name + "another key's record");
  }
  return std::string(record.image);
}

Result<std::string> DataStore::read(ShardId shard, const RecordKey& key) {
  const Segment* segment = segments_.find(key.ref);
  if (segment == nullptr || !on_device(*segment)) {
    if (Status status = flush_for_reading(); !status.ok()) return status;
  }
  const auto place = place_of(key);
  if (!place) return Status::not_found("no such record");
  AlignedBuffer blocks = AlignedBuffer::uninitialized(place->size);
  if (Status status = file_.read_at(place->first, blocks.span()); !status.ok()) return status;
  return open_record(*place, shard, key, blocks.span());
}

void DataStore::fetch(ShardId shard, const RecordKey& key, Engine::RecordRead done) {
  const auto place = place_of(key);
  HF_ASSERT(place);
  writer_->read(place->first, place->size,
                [this, place = *place, shard, db = key.db, name = std::string(key.key),
                 done = std::move(done)](const Status& status, AlignedBuffer blocks) {
                  if (!status.ok()) {
                    done(status);
                    return;
                  }
                  RecordKey wanted;
                  wanted.db = db;
                  wanted.key = name;
                  done(open_record(place, shard, wanted, blocks.span()));
                });
}

}  // namespace holdfast::disk
