// See stream.h. Groups, consumers, what is pending.
#include "base/assert.h"
#include "store/types/stream.h"

namespace holdfast {

const StreamConsumers::value_type* StreamGroup::consumer(std::string_view name) const {
  const auto at = consumers.find(name);
  return at == consumers.end() ? nullptr : &*at;
}

const StreamGroup* Stream::group(std::string_view name) const {
  const auto at = groups_.find(name);
  return at == groups_.end() ? nullptr : &at->second;
}

StreamGroup* Stream::find_group(std::string_view name) {
  const auto at = groups_.find(name);
  return at == groups_.end() ? nullptr : &at->second;
}

StreamGroup* Stream::make_group(std::string_view name) {
  StreamGroup* group = find_group(name);
  return group != nullptr ? group : &groups_.try_emplace(std::string(name)).first->second;
}

void Stream::drop_group(std::string_view name) {
  const auto at = groups_.find(name);
  if (at != groups_.end()) groups_.erase(at);
}

StreamConsumers::value_type* Stream::make_consumer(StreamGroup& group, std::string_view name) {
  const auto at = group.consumers.find(name);
  if (at != group.consumers.end()) return &*at;
  return &*group.consumers.try_emplace(std::string(name)).first;
}

void Stream::drop_consumer(StreamGroup& group, std::string_view name) {
  const auto at = group.consumers.find(name);
  if (at == group.consumers.end()) return;
  for (auto id = at->second.pending.first(); id; id.next()) group.pending.erase(id.id());
  group.consumers.erase(at);
}

void Stream::assign(StreamGroup& group, StreamConsumers::value_type& consumer, const StreamId& id,
                    int64_t delivered_ms, uint64_t deliveries) {
  const auto [pending, added] = group.pending.insert(id, {delivered_ms, deliveries, &consumer});
  if (!added) {
    pending->delivered_ms = delivered_ms;
    pending->deliveries = deliveries;
    if (pending->consumer == &consumer) return;
    pending->consumer->second.pending.erase(id);
    pending->consumer = &consumer;
  }
  consumer.second.pending.insert(id, {});
}

void Stream::acknowledge(StreamGroup& group, const StreamId& id) {
  const StreamPending* pending = group.pending.find(id);
  if (pending == nullptr) return;
  pending->consumer->second.pending.erase(id);  // X3
  group.pending.erase(id);
}

bool Stream::has_deleted_from(const StreamId& id) const {
  if (length_ == 0 || max_deleted_id_.zero() || first_id_ > max_deleted_id_) return false;
  return id <= max_deleted_id_;
}

int64_t Stream::entries_up_to(const StreamId& id) const {
  const auto added = static_cast<int64_t>(entries_added_);
  const auto gone = static_cast<int64_t>(entries_added_ - length_);
  if (entries_added_ == 0) return 0;
  if (length_ == 0 && id <= last_id_) return added;
  if (id == last_id_) return added;
  if (id > last_id_) return StreamGroup::kUnknownRead;
  // With something deleted behind the first entry, only the ends can be told.
  if (max_deleted_id_.zero() || max_deleted_id_ < first_id_) {
    if (id < first_id_) return gone;
    if (id == first_id_) return gone + 1;
  }
  return StreamGroup::kUnknownRead;
}

bool Stream::lag(const StreamGroup& group, int64_t* entries) const {
  *entries = 0;
  if (entries_added_ == 0) return true;
  int64_t read = group.entries_read;
  if (read == StreamGroup::kUnknownRead || has_deleted_from(group.last_id)) {
    read = entries_up_to(group.last_id);
  }
  if (read == StreamGroup::kUnknownRead) return false;
  *entries = static_cast<int64_t>(entries_added_) - read;
  return true;
}

}  // namespace holdfast
