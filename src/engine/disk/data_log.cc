// What a DataStore holds for the log; see data_store.h. All of it is on stable media before the log
// names it, and stays until no log that may be replayed does.
#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "engine/disk/data_store.h"

namespace holdfast::disk {

// --- whole groups ---

void DataStore::spill(std::shared_ptr<const std::string> bytes,
                      std::function<void(const Status&, const SpilledGroup&)> done) {
  when_space([this, bytes = std::move(bytes), done = std::move(done)] {
    if (!failure_.ok()) {
      post([this, done] { done(failure_, {}); });
      return true;
    }
    const auto extent = allocate(blocks_for(bytes->size()));
    if (!extent) return false;
    AlignedBuffer blocks(extent->bytes());
    std::memcpy(blocks.data(), bytes->data(), bytes->size());
    const SpilledGroup spilled{*extent, bytes->size(), hash128({bytes->data(), bytes->size()})};
    write_for_log(*extent, std::move(blocks),
                  [done, spilled](const Status& status) { done(status, spilled); });
    return true;
  });
}

namespace {

std::string name_of(const Extent& extent) {
  return " in data blocks " + std::to_string(extent.block) + ".." + std::to_string(extent.end());
}

Result<std::string> open_spilled(const SpilledGroup& spilled, std::span<const char> blocks) {
  const auto bytes = blocks.first(spilled.bytes);
  if (hash128(bytes) == spilled.hash) return std::string(bytes.data(), bytes.size());
  return Status::corrupt("the log's group" + name_of(spilled.extent) + " is damaged");
}

}  // namespace

Status DataStore::find_spilled(const SpilledGroup& spilled) const {
  const Extent& extent = spilled.extent;
  if (extent.end() <= extents_.blocks() && spilled.bytes <= extent.bytes()) return {};
  return Status::corrupt("the log's group" + name_of(extent) + " lies outside of the data file");
}

Result<std::string> DataStore::read_spilled(const SpilledGroup& spilled) {
  if (Status status = find_spilled(spilled); !status.ok()) return status;
  AlignedBuffer blocks = AlignedBuffer::uninitialized(spilled.extent.bytes());
  const Status status = file_.read_at(spilled.extent.offset(), blocks.span());
  if (!status.ok()) return status;
  return open_spilled(spilled, blocks.span());
}

void DataStore::fetch_spilled(const SpilledGroup& spilled, Engine::LogRead done) {
  if (Status status = find_spilled(spilled); !status.ok()) return done(status);
  writer_->read(spilled.extent.offset(), spilled.extent.bytes(),
                [spilled, done = std::move(done)](const Status& status, const AlignedBuffer& read) {
                  if (!status.ok()) return done(status);
                  done(open_spilled(spilled, read.span()));
                });
}

// --- large values ---

Status DataStore::take(const LoggedRecord& record) {
  const Status taken = extents_.take(record.extent);
  if (taken.ok()) return taken;
  const auto at = segments_.all().find(record.extent.block);
  const bool current = at != segments_.all().end() && at->second.id == record.segment &&
                       at->second.extent == record.extent;
  const bool older = std::find(waiting_.begin(), waiting_.end(), record.extent) != waiting_.end();
  const bool once = (current || older) && shared_.insert(record.extent.block).second;
  return once ? Status() : taken;
}

void DataStore::give_back(const Extent& extent) {
  if (shared_.erase(extent.block) == 0) extents_.release(extent);
}

std::vector<LoggedRecord> DataStore::log_records(ShardId shard, const LogGroup& group,
                                                 const Done& done) {
  struct Encoded {
    AlignedBuffer blocks;
    LoggedRecord record;
  };
  std::vector<Encoded> all;
  const std::string_view bytes(group.bytes);
  for (const LogGroup::Large& large : group.large) {
    const RecordHeader header{shard, large.db, large.slot};
    const std::string_view value = bytes.substr(large.at, large.size);
    std::string compressed;
    const bool smaller =
        encode_compressed_record(header, large.key, large.image_head, value, &compressed);
    const size_t size = smaller
                            ? compressed.size()
                            : plain_record_size(large.key, large.image_head.size() + value.size());
    const auto extent = out_of_space_ ? std::nullopt : allocate(blocks_for(size));
    if (!extent) {
      for (const Encoded& placed : all) extents_.release(placed.record.extent);
      return {};
    }
    Encoded& one = all.emplace_back();
    one.record = {large.at,  large.size, next_segment_++, *extent,  size,
                  large.seq, large.db,   large.final,     large.key};
    one.blocks = AlignedBuffer::uninitialized(extent->bytes());
    if (smaller) {
      std::memcpy(one.blocks.data(), compressed.data(), size);
    } else {
      encode_plain_record(header, large.key, large.image_head, value, one.blocks.data());
    }
    std::memset(one.blocks.data() + size, 0, one.blocks.size() - size);
  }
  auto left = std::make_shared<size_t>(all.size());
  std::vector<LoggedRecord> records;
  for (Encoded& one : all) {
    const Extent& extent = one.record.extent;
    seal_record(one.blocks.span().first(one.record.bytes),
                record_seed(uuid_, one.record.segment, extent.offset()));
    write_for_log(extent, std::move(one.blocks), [this, left, done](const Status&) {
      if (--*left == 0 && !mutant(Mutant::kLogBeforeData)) done(failure_);
    });
    records.push_back(std::move(one.record));
  }
  if (mutant(Mutant::kLogBeforeData)) post([done] { done({}); });
  return records;
}

namespace {

using OpenValue = std::function<Status(size_t value, std::string* out)>;

// The bytes of a group whose large values are `records`; `open` appends one of them.
Result<std::string> join_logged(const std::vector<LoggedRecord>& records, std::string_view rest,
                                const OpenValue& open) {
  std::string group;
  for (size_t i = 0; i < records.size(); ++i) {
    const uint64_t before = records[i].at - group.size();
    group.append(rest.substr(0, before));
    rest.remove_prefix(before);
    if (Status status = open(i, &group); !status.ok()) return status;
  }
  return group.append(rest);
}

Status undecodable() {
  return Status::corrupt("the places of a group's large values cannot be decoded");
}

std::string value_name(const LoggedRecord& record) {
  return "the log's large value" + name_of(record.extent);
}

}  // namespace

Result<std::string> DataStore::read_logged(std::string_view payload) {
  std::vector<LoggedRecord> records;
  std::string_view rest;
  if (!decode_logged(payload, &records, &rest)) return undecodable();
  return join_logged(records, rest, [&](size_t value, std::string* out) {
    const LoggedRecord& record = records[value];
    if (Status status = find_logged(record); !status.ok()) return status;
    AlignedBuffer blocks = AlignedBuffer::uninitialized(record.extent.bytes());
    const Status status = file_.read_at(record.extent.offset(), blocks.span());
    return status.ok() ? open_logged(record, blocks.span(), out) : status;
  });
}

void DataStore::fetch_logged(std::string payload, Engine::LogRead done) {
  struct Fetch {
    std::string payload;
    Engine::LogRead done;
    std::vector<LoggedRecord> records = {};
    std::string_view rest = {};
    std::vector<AlignedBuffer> blocks = {};
    size_t left = 0;
    Status failure = {};
  };
  auto fetch = std::make_shared<Fetch>(Fetch{std::move(payload), std::move(done)});
  if (!decode_logged(fetch->payload, &fetch->records, &fetch->rest)) {
    return fetch->done(undecodable());
  }
  for (const LoggedRecord& record : fetch->records) {
    if (Status status = find_logged(record); !status.ok()) return fetch->done(status);
  }
  fetch->left = fetch->records.size();
  fetch->blocks.resize(fetch->left);
  for (size_t i = 0; i < fetch->records.size(); ++i) {
    const Extent& extent = fetch->records[i].extent;
    writer_->read(
        extent.offset(), extent.bytes(),
        [this, fetch, i](const Status& status, AlignedBuffer read) {
          if (fetch->failure.ok()) fetch->failure = status;
          fetch->blocks[i] = std::move(read);
          if (--fetch->left > 0) return;
          if (!fetch->failure.ok()) return fetch->done(fetch->failure);
          fetch->done(join_logged(fetch->records, fetch->rest, [&](size_t value, std::string* out) {
            return open_logged(fetch->records[value], fetch->blocks[value].span(), out);
          }));
        });
  }
}

Status DataStore::find_logged(const LoggedRecord& record) const {
  const Extent& extent = record.extent;
  if (extent.end() <= extents_.blocks() && extent.end() >= extent.block) return {};
  return Status::corrupt(value_name(record) + " lies outside of the data file");
}

Status DataStore::open_logged(const LoggedRecord& record, std::span<char> blocks,
                              std::string* out) const {
  Record found;
  std::string scratch;
  const Status whole = decode_record_at(
      blocks, record_seed(uuid_, record.segment, record.extent.offset()), &found, &scratch);
  if (!whole.ok()) return Status::corrupt(value_name(record) + ": " + whole.message());
  if (found.key != record.key || found.image.size() < record.size) {
    return Status::corrupt(value_name(record) + ": another record is there");
  }
  out->append(found.image.substr(found.image.size() - record.size));
  return {};
}

// The checkpoint's share in the extent was noted when it was asked for; see write().
RecordRef DataStore::take_record(const Owner& owner, const LoggedRecord& record) {
  Segment& segment = add_segment(owner, record.segment, record.extent, true);
  const RecordRef ref = make_ref(record.extent.offset());
  segments_.set_live(segment, ref);
  return ref;
}

}  // namespace holdfast::disk
