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

Result<std::string> DataStore::read_spilled(const SpilledGroup& spilled) {
  const std::string name = "the log's group in data blocks " +
                           std::to_string(spilled.extent.block) + ".." +
                           std::to_string(spilled.extent.end());
  if (spilled.extent.end() > extents_.blocks() || spilled.bytes > spilled.extent.bytes()) {
    return Status::corrupt(name + " lies outside of the data file");
  }
  AlignedBuffer blocks(spilled.extent.bytes());
  if (Status status = file_.read_at(spilled.extent.offset(), blocks.span()); !status.ok()) {
    return status;
  }
  if (hash128(blocks.span().first(spilled.bytes)) != spilled.hash) {
    return Status::corrupt(name + " is damaged");
  }
  return std::string(blocks.data(), spilled.bytes);
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
    std::string bytes;
    LoggedRecord record;
  };
  std::vector<Encoded> all;
  const std::string_view bytes(group.bytes);
  for (const LogGroup::Large& large : group.large) {
    std::string image = large.image_head;
    image.append(bytes.substr(large.at, large.size));
    Encoded& one = all.emplace_back();
    encode_record_at({shard, large.db, large.slot}, large.key, image, &one.bytes);
    const auto extent = out_of_space_ ? std::nullopt : allocate(blocks_for(one.bytes.size()));
    if (!extent) {
      all.pop_back();
      for (const Encoded& placed : all) extents_.release(placed.record.extent);
      return {};
    }
    one.record = {large.at,  large.size, next_segment_++, *extent,  one.bytes.size(),
                  large.seq, large.db,   large.final,     large.key};
  }
  auto left = std::make_shared<size_t>(all.size());
  std::vector<LoggedRecord> records;
  for (Encoded& one : all) {
    const Extent& extent = one.record.extent;
    AlignedBuffer blocks(extent.bytes());
    std::memcpy(blocks.data(), one.bytes.data(), one.bytes.size());
    one.bytes = std::string();
    seal_record(blocks.span().first(one.record.bytes),
                record_seed(uuid_, one.record.segment, extent.offset()));
    write_for_log(extent, std::move(blocks), [this, left, done](const Status&) {
      if (--*left == 0 && !mutant(Mutant::kLogBeforeData)) done(failure_);
    });
    records.push_back(std::move(one.record));
  }
  if (mutant(Mutant::kLogBeforeData)) post([done] { done({}); });
  return records;
}

Result<std::string> DataStore::read_logged(std::string_view payload) {
  std::vector<LoggedRecord> records;
  std::string_view rest;
  if (!decode_logged(payload, &records, &rest)) {
    return Status::corrupt("the places of a group's large values cannot be decoded");
  }
  std::string group;
  for (const LoggedRecord& record : records) {
    const uint64_t before = record.at - group.size();
    group.append(rest.substr(0, before));
    rest.remove_prefix(before);
    if (Status status = read_logged_value(record, &group); !status.ok()) return status;
  }
  return group.append(rest);
}

Status DataStore::read_logged_value(const LoggedRecord& record, std::string* out) {
  const Extent& extent = record.extent;
  const std::string name = "the log's large value in data blocks " + std::to_string(extent.block) +
                           ".." + std::to_string(extent.end());
  if (extent.end() > extents_.blocks() || extent.end() < extent.block) {
    return Status::corrupt(name + " lies outside of the data file");
  }
  AlignedBuffer blocks = AlignedBuffer::uninitialized(extent.bytes());
  if (Status status = file_.read_at(extent.offset(), blocks.span()); !status.ok()) return status;
  Record found;
  std::string scratch;
  const Status whole = decode_record_at(
      blocks.span(), record_seed(uuid_, record.segment, extent.offset()), &found, &scratch);
  if (!whole.ok()) return Status::corrupt(name + ": " + whole.message());
  if (found.key != record.key || found.image.size() < record.size) {
    return Status::corrupt(name + ": another record is there");
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
