// See dirty_keys.h. One key in a chunk: database (1 byte), varint ref, varint length,
// bytes.
#include "store/dirty_keys.h"

#include <algorithm>

#include "base/assert.h"
#include "base/codec.h"

namespace holdfast {

void DirtyKeys::add(DbId db, std::string_view key, RecordRef ref) {
  if (chunks_.empty() || chunks_.back().size() + key.size() + 2 * kMaxVarintBytes > kChunkBytes) {
    chunks_.emplace_back().reserve(kChunkBytes);
  }
  std::string& chunk = chunks_.back();
  chunk.push_back(static_cast<char>(db));
  put_varint(chunk, ref);
  put_varint(chunk, key.size());
  chunk.append(key);
  ++count_;
}

void DirtyKeys::add_flush(DbId db, Seq seq) {
  flushed_.set(db);
  flushed_at_ = std::max(flushed_at_, seq);
}

std::string_view DirtyKeys::take(DbId* db, RecordRef* ref) {
  HF_ASSERT(count_ > 0);
  if (read_ == chunks_.front().size()) {
    chunks_.pop_front();
    read_ = 0;
  }
  const std::string& chunk = chunks_.front();
  Reader reader(std::string_view(chunk).substr(read_));
  *db = reader.fixed<DbId>();
  *ref = reader.varint();
  const std::string_view key = reader.bytes(reader.varint());
  HF_ASSERT(reader.ok());
  read_ = chunk.size() - reader.left();
  --count_;
  return key;
}

size_t DirtyKeys::memory() const {
  size_t total = 0;
  for (const std::string& chunk : chunks_) total += chunk.capacity();
  return total;
}

}  // namespace holdfast
