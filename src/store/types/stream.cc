// See stream.h. The entries; groups are in stream_groups.cc.
#include "store/types/stream.h"

#include <algorithm>

#include "base/assert.h"

namespace holdfast {

Stream::~Stream() {
  uint64_t budget = UINT64_MAX;
  destroy_some(&budget);
}

bool Stream::destroy_some(uint64_t* budget) {
  const auto free_block = [](char* data) { Listpack::destroy(data); };
  if (!blocks_.clear_some(budget, free_block)) return false;
  const auto nothing = [](auto&) {};
  while (!groups_.empty()) {
    StreamGroup& group = groups_.begin()->second;
    if (!group.pending.clear_some(budget, nothing)) return false;
    while (!group.consumers.empty()) {
      if (!group.consumers.begin()->second.pending.clear_some(budget, nothing)) return false;
      if (*budget == 0) return false;
      --*budget;
      group.consumers.erase(group.consumers.begin());
    }
    groups_.erase(groups_.begin());
  }
  return true;
}

bool Stream::contains(const StreamId& id) const {
  const auto at = blocks_.at_or_before(id);
  if (!at) return false;
  StreamBlock::Entry entry;
  return StreamBlock(at.value(), at.id()).find(id, &entry);
}

StreamId Stream::top_id() const {
  const auto at = blocks_.last();
  return at ? StreamBlock(at.value(), at.id()).last_live().id : StreamId();
}

void Stream::add(const StreamId& id, const StreamPairs& pairs, const CollectionLimits& limits) {
  if (id <= last_id_) return;
  const auto tail = blocks_.last();
  StreamBlock block;
  bool full = true;
  if (tail) {
    block = StreamBlock(tail.value(), tail.id());
    const uint64_t most = limits.stream_node_max_bytes;
    full = (most != 0 && block.bytes() + pairs.text_bytes() >= most) || !block.fits(pairs);
    const uint64_t most_entries = limits.stream_node_max_entries;
    full = full || (most_entries != 0 && block.live() + block.dead() >= most_entries);
    // A dead entry may have a higher id: XSETID goes below those.
    full = full || (block.dead() > 0 && block.last().id >= id);
  }
  if (full) {
    block = StreamBlock(StreamBlock::create(pairs), id);
    block.append(id, pairs);
    blocks_.insert(id, block.data());
  } else {
    block.append(id, pairs);
    tail.value() = block.data();
  }
  ++entries_added_;
  last_id_ = id;
  if (++length_ == 1) first_id_ = id;
}

void Stream::drop_block(const StreamId& id, const StreamBlock& block) {
  length_ -= block.live();
  Listpack::destroy(block.data());
  const StreamId key = id;  // which may lie in the tree
  blocks_.erase(key);
}

void Stream::find_first_id() {
  const auto at = blocks_.first();
  first_id_ = StreamId();
  if (!at) return;
  const StreamBlock block(at.value(), at.id());
  StreamBlock::Entry entry = block.entry(block.begin());
  while (entry.dead) entry = block.entry(block.next(entry));  // X1
  first_id_ = entry.id;
}

void Stream::remove(const StreamId& id) {
  const auto at = blocks_.at_or_before(id);
  if (!at) return;
  StreamBlock block(at.value(), at.id());
  StreamBlock::Entry entry;
  if (!block.find(id, &entry)) return;
  if (block.live() == 1) {
    drop_block(at.id(), block);
  } else {
    block.mark_dead(entry);
    at.value() = block.data();
    --length_;
  }
  max_deleted_id_ = std::max(max_deleted_id_, id);
  if (length_ == 0 || id == first_id_) find_first_id();
}

void Stream::trim(const StreamId& up_to) {
  if (length_ == 0 || first_id_ > up_to) return;
  for (auto at = blocks_.first(); at; at = blocks_.first()) {
    StreamBlock block(at.value(), at.id());
    if (block.last_live().id > up_to) {
      length_ -= block.mark_dead_up_to(up_to);
      at.value() = block.data();
      break;
    }
    drop_block(at.id(), block);
  }
  find_first_id();
}

bool Stream::trim_point(const StreamTrim& trim, StreamId* up_to, uint64_t* removed) const {
  const bool by_length = trim.strategy == StreamTrim::kMaxLength;
  *removed = 0;
  for (auto at = blocks_.first(); at; at.next()) {
    const uint64_t left = length_ - *removed;
    if (by_length && left <= trim.max_length) break;
    const StreamBlock block(at.value(), at.id());
    const uint64_t live = block.live();
    if (trim.limit != 0 && *removed + live > trim.limit) break;
    const bool whole = by_length ? left - live >= trim.max_length : block.last().id < trim.min_id;
    if (whole) {
      *removed += live;
      *up_to = block.last_live().id;
      continue;
    }
    if (trim.whole_blocks) break;
    uint64_t excess = left - trim.max_length;  // by_length
    for (StreamBlock::Pos pos = block.begin(); pos != block.end();) {
      const StreamBlock::Entry entry = block.entry(pos);
      pos = block.next(entry);
      if (entry.dead) continue;
      if (by_length ? excess-- == 0 : entry.id >= trim.min_id) break;
      ++*removed;
      *up_to = entry.id;
    }
    break;
  }
  return *removed > 0;
}

bool Stream::append_block(const StreamId& id, char* data) {
  const StreamBlock block(data, id);
  const uint64_t live = block.live();
  if (live == 0) {
    Listpack::destroy(data);
    return true;
  }
  const auto tail = blocks_.last();
  if (tail && (id <= tail.id() || id <= top_id())) return false;
  blocks_.insert(id, data);
  length_ += live;
  if (length_ == live) find_first_id();
  return true;
}

size_t Stream::memory() const {
  constexpr uint64_t kSample = 8;
  size_t total = sizeof(Stream) + blocks_.memory();
  uint64_t looked_at = 0;
  size_t sampled = 0;
  for (auto at = blocks_.first(); at && looked_at < kSample; at.next(), ++looked_at) {
    sampled += Listpack(at.value()).memory();
  }
  if (looked_at > 0) total += sampled * blocks_.size() / looked_at;
  // Of names and of what a map takes for an element.
  constexpr size_t kNode = 48;
  for (const auto& [name, group] : groups_) {
    total += sizeof(StreamGroups::value_type) + kNode + name.capacity() + group.pending.memory();
    total += group.pending.size() * sizeof(StreamId);  // the consumers' part
    total += group.consumers.size() * (sizeof(StreamConsumers::value_type) + kNode);
  }
  return total;
}

// --- StreamIterator ---

StreamIterator::StreamIterator(const Stream& stream, const StreamId& low, const StreamId& high,
                               bool backward)
    : low_(low), high_(high), backward_(backward) {
  cursor_ = stream.blocks_.at_or_before(backward ? high : low);
  if (!cursor_ && !backward) cursor_ = stream.blocks_.first();
  enter_block();
}

void StreamIterator::enter_block() {
  on_entry_ = false;
  if (!cursor_) return;
  block_ = StreamBlock(cursor_.value(), cursor_.id());
  at_ = backward_ ? block_.end() : block_.begin();
}

bool StreamIterator::next() {
  while (backward_ ? step_backward() : step_forward()) {
    if (entry_.dead) continue;
    if (backward_ ? entry_.id > high_ : entry_.id < low_) continue;
    if (backward_ ? entry_.id < low_ : entry_.id > high_) break;
    reader_.start(block_, entry_);
    pairs_read_ = 0;
    return true;
  }
  cursor_ = {};
  on_entry_ = false;
  return false;
}

bool StreamIterator::step_forward() {
  if (!cursor_) return false;
  if (on_entry_) {
    const bool all_read = !entry_.dead && pairs_read_ == entry_.pairs && entry_.pairs > 0;
    at_ = all_read ? block_.next(reader_) : block_.next(entry_);
  }
  if (at_ == block_.end()) {
    cursor_.next();
    enter_block();
    if (!cursor_) return false;
  }
  entry_ = block_.entry(at_);
  on_entry_ = true;
  pairs_read_ = 0;
  return true;
}

bool StreamIterator::step_backward() {
  if (!cursor_) return false;
  if (at_ == block_.begin()) {
    cursor_.prev();
    enter_block();
    if (!cursor_) return false;
  }
  at_ = block_.prev(at_);
  entry_ = block_.entry(at_);
  return true;
}

}  // namespace holdfast
