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
  for (size_t i = 0; i < wanted.size() && more; ++i) {
    const Extent next = i + 1 < wanted.size() ? wanted[i + 1]->extent : Extent{};
    if (Status status = visit_segment(*wanted[i], next, visit, damaged, &more); !status.ok()) {
      return status;
    }
  }
  return {};
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

Extent DataStore::next_sparse() const {
  if (sparse_.empty()) return {};
  const auto at = segments_.all().find(sparse_.back());
  return at == segments_.all().end() ? Extent{} : at->second.extent;
}

Status DataStore::visit_sparse(ShardId shard, const Engine::RecordVisitor& visit) {
  while (!sparse_.empty()) {
    const auto at = segments_.all().find(sparse_.back());
    sparse_.pop_back();
    if (at == segments_.all().end() || at->second.shard != shard || at->second.live == 0) continue;
    const Segment& segment = at->second;
    return check_segment(
        segment, next_sparse(), [&](uint64_t offset, const Status& status, const Record& record) {
          if (!status.ok()) {
            log_error("a record is damaged; if its value is in memory it is written anew",
                      {{"reason", status.message()}, {"key", record.key.substr(0, kKeyShown)}});
          }
          if (!status.ok() && record.key.empty()) return true;
          return visit({segment.db, record.header.slot, record.key, make_ref(offset)},
                       status.ok() ? record.image : std::string_view());
        });
  }
  return Status::not_found("no segment is sparse");
}

Status DataStore::check_segment(const Segment& segment, const Extent& next,
                                const RecordCheck& check) {
  AlignedBuffer bytes = AlignedBuffer::uninitialized(segment.extent.bytes());
  if (Status status = file_.fill(segment.extent.offset(), &bytes); !status.ok()) return status;
  if (next.count > 0) file_.will_read(next.offset(), next.bytes());
  std::string scratch;
  Segments::visit_live(segment, [&](uint64_t offset) {
    Record record;
    Status status = decode_record_at(bytes.span().subspan(offset - segment.extent.offset()),
                                     record_seed(uuid_, segment.id, offset), &record, &scratch);
    if (!status.ok()) {
      const auto from = bytes.span().subspan(offset - segment.extent.offset());
      record.proven = prove_key(from, record_seed(uuid_, segment.id, offset), &record);
      if (!record.proven) record.key = claimed_key(from);
      status = Status::corrupt("data file at " + std::to_string(offset) + ", segment " +
                               std::to_string(segment.id) + ": " + status.message());
    }
    return check(offset, status, record);
  });
  return {};
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

// --- for the scrub ---

Status DataStore::read_blocks(const Extent& part, const Extent& next, AlignedBuffer* bytes) {
  *bytes = AlignedBuffer::uninitialized(part.bytes());
  const Status status = file_.fill(part.offset(), bytes);
  if (next.count > 0) file_.will_read(next.offset(), next.bytes());
  return status;
}

Status DataStore::check_page(const Segment& segment) {
  AlignedBuffer page(kBlock);
  Status status = file_.read_at(segment.page.offset(), page.span());
  if (status.ok() && hash64(page.span(), page_seed(segment.id)) != segment.page_hash) {
    status = Status::corrupt("data file at " + std::to_string(segment.page.offset()) +
                             ": the page of segment " + std::to_string(segment.id) + " is damaged");
  }
  return status;
}

}  // namespace holdfast::disk
