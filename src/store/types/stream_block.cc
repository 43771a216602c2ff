// See stream_block.h.
#include "store/types/stream_block.h"

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kDead = 1, kSameFields = 2;  // flags
constexpr uint64_t kFixedElements = 3;         // flags and both halves of the id
// What an element takes at most beside its text, and an entry beside its elements.
constexpr size_t kElementOverhead = 10;
constexpr size_t kEntryOverhead = 64;

// Walks over elements that may be anything.
class ElementReader {
 public:
  explicit ElementReader(const Listpack& pack) : pack_(pack), at_(pack.first()) {}
  bool at_end() const { return at_ == pack_.end(); }
  bool integer(int64_t* value) {
    if (at_end() || !pack_.integer(at_, value)) return false;
    at_ = pack_.next(at_);
    return true;
  }
  bool skip(uint64_t count) {
    for (; count > 0; --count) {
      if (at_end()) return false;
      at_ = pack_.next(at_);
    }
    return true;
  }

 private:
  const Listpack& pack_;
  Listpack::Pos at_;
};

// One entry behind the head; `dead` says whether it is marked so.
bool take_entry(ElementReader& in, int64_t head_pairs, const StreamId& base, StreamId* id,
                bool* dead) {
  int64_t flags = 0, ms = 0, seq = 0, pairs = head_pairs, told = 0;
  if (!in.integer(&flags) || !in.integer(&ms) || !in.integer(&seq)) return false;
  uint64_t elements = kFixedElements;
  if ((flags & kSameFields) != 0) {
    elements += static_cast<uint64_t>(pairs);
  } else {
    if (!in.integer(&pairs) || pairs < 0 || pairs > INT32_MAX) return false;
    elements += 1 + 2 * static_cast<uint64_t>(pairs);
  }
  const uint64_t behind = static_cast<uint64_t>(pairs) * ((flags & kSameFields) != 0 ? 1 : 2);
  if (!in.skip(behind)) return false;
  if (!in.integer(&told) || static_cast<uint64_t>(told) != elements) return false;
  *id = {base.ms + static_cast<uint64_t>(ms), base.seq + static_cast<uint64_t>(seq)};
  *dead = (flags & kDead) != 0;
  return true;
}

}  // namespace

size_t StreamPairs::text_bytes() const {
  Reader in(bytes);
  size_t total = 0;
  for (uint64_t i = 0; i < 2 * count; ++i) total += in.sized_bytes().size();
  return total;
}

bool StreamPairs::storable() const {
  // The fields may be in the head and in the entry.
  Reader in(bytes);
  size_t fields = 0;
  for (uint64_t i = 0; i < count && bytes.size() > Listpack::kFullBytes / 4; ++i) {
    fields += in.sized_bytes().size();
    in.sized_bytes();
  }
  return fields + bytes.size() + 3 * count * kElementOverhead + kEntryOverhead <
         Listpack::kFullBytes;
}

bool StreamBlock::fits(const StreamPairs& pairs) const {
  // The encoded pairs have a byte at least for each text.
  return pack_.fits(pairs.bytes.size() + 2 * pairs.count * kElementOverhead + kEntryOverhead);
}

char* StreamBlock::create(const StreamPairs& pairs) {
  Listpack pack(Listpack::create());
  pack.append_integer(0);
  pack.append_integer(0);
  pack.append_integer(static_cast<int64_t>(pairs.count));
  Reader in(pairs.bytes);
  for (uint64_t i = 0; i < pairs.count; ++i) {
    pack.append(in.sized_bytes());
    in.sized_bytes();
  }
  pack.append_integer(0);
  return pack.block();
}

bool StreamBlock::valid(char* data, const StreamId& base) {
  const Listpack pack(data);
  ElementReader in(pack);
  int64_t live = 0, dead = 0, pairs = 0, zero = 0;
  if (!in.integer(&live) || !in.integer(&dead) || !in.integer(&pairs)) return false;
  if (live < 0 || dead < 0 || pairs < 0 || pairs > INT32_MAX) return false;
  if (!in.skip(static_cast<uint64_t>(pairs)) || !in.integer(&zero) || zero != 0) return false;
  StreamId last;
  int64_t seen_live = 0, seen_dead = 0;
  while (!in.at_end()) {
    StreamId id;
    bool is_dead = false;
    if (!take_entry(in, pairs, base, &id, &is_dead)) return false;
    if (is_dead) {
      ++seen_dead;
      continue;
    }
    if (id < base || (seen_live > 0 && id <= last)) return false;
    last = id;
    ++seen_live;
  }
  return seen_live == live && seen_dead == dead && live + dead > 0;
}

StreamBlock::StreamBlock(char* data, const StreamId& base) : pack_(data), base_(base) {
  Pos at = pack_.next(pack_.next(pack_.first()));
  head_pairs_ = number(at);
  head_fields_ = at = pack_.next(at);
  for (uint64_t i = 0; i < head_pairs_; ++i) at = pack_.next(at);
  entries_ = pack_.next(at);
}

StreamBlock::Entry StreamBlock::entry(Pos at) const {
  Entry entry;
  entry.at = at;
  const uint64_t flags = number(at);
  entry.dead = (flags & kDead) != 0;
  entry.same_fields = (flags & kSameFields) != 0;
  at = pack_.next(at);
  entry.id.ms = base_.ms + number(at);
  at = pack_.next(at);
  entry.id.seq = base_.seq + number(at);
  at = pack_.next(at);
  entry.pairs = head_pairs_;
  if (!entry.same_fields) {
    entry.pairs = number(at);
    at = pack_.next(at);
  }
  entry.body = at;
  return entry;
}

StreamBlock::Pos StreamBlock::next(const Entry& entry) const {
  Pos at = entry.body;
  for (uint64_t left = entry.same_fields ? entry.pairs : 2 * entry.pairs; left > 0; --left) {
    at = pack_.next(at);
  }
  return pack_.next(at);
}

StreamBlock::Pos StreamBlock::next(const Pairs& read) const { return pack_.next(read.at_); }

StreamBlock::Pos StreamBlock::prev(Pos at) const {
  at = pack_.prev(at);
  for (uint64_t left = number(at); left > 0; --left) at = pack_.prev(at);
  return at;
}

bool StreamBlock::find(const StreamId& id, Entry* found) const {
  for (Pos at = begin(); at != end(); at = next(*found)) {
    *found = entry(at);
    if (found->dead) continue;
    if (found->id == id) return true;
    if (found->id > id) return false;
  }
  return false;
}

StreamBlock::Entry StreamBlock::last_live() const {
  Entry found = last();
  while (found.dead) {
    HF_ASSERT(found.at != begin());
    found = entry(prev(found.at));
  }
  return found;
}

void StreamBlock::Pairs::start(const StreamBlock& block, const Entry& entry) {
  pack_ = block.pack_;
  field_ = entry.same_fields ? block.head_fields_ : 0;
  at_ = entry.body;
}

void StreamBlock::Pairs::next(std::string_view* field, std::string_view* value) {
  Pos& field_at = field_ != 0 ? field_ : at_;
  *field = pack_.text(field_at, field_scratch_);
  field_at = pack_.next(field_at);
  *value = pack_.text(at_, value_scratch_);
  at_ = pack_.next(at_);
}

bool StreamBlock::same_fields(const StreamPairs& pairs) const {
  if (pairs.count != head_pairs_) return false;
  Reader in(pairs.bytes);
  Pos at = head_fields_;
  for (uint64_t i = 0; i < pairs.count; ++i) {
    if (!pack_.equals(at, in.sized_bytes())) return false;
    in.sized_bytes();
    at = pack_.next(at);
  }
  return true;
}

void StreamBlock::count(int64_t live, int64_t dead) {
  Pos at = pack_.first();
  pack_.replace_integer(at, static_cast<int64_t>(number(at)) + live);
  if (dead == 0) return;
  at = pack_.next(at);
  pack_.replace_integer(at, static_cast<int64_t>(number(at)) + dead);
}

void StreamBlock::append(const StreamId& id, const StreamPairs& pairs) {
  const bool same = same_fields(pairs);
  count(1, 0);
  pack_.append_integer(same ? kSameFields : 0);
  pack_.append_integer(static_cast<int64_t>(id.ms - base_.ms));
  pack_.append_integer(static_cast<int64_t>(id.seq - base_.seq));
  uint64_t elements = kFixedElements + pairs.count;
  if (!same) {
    pack_.append_integer(static_cast<int64_t>(pairs.count));
    elements += pairs.count + 1;
  }
  Reader in(pairs.bytes);
  for (uint64_t i = 0; i < pairs.count; ++i) {
    const std::string_view field = in.sized_bytes();
    if (!same) pack_.append(field);
    pack_.append(in.sized_bytes());
  }
  pack_.append_integer(static_cast<int64_t>(elements));
}

void StreamBlock::set_dead(const Entry& entry) {
  pack_.replace_integer(entry.at, (entry.same_fields ? kSameFields : 0) | kDead);
}

void StreamBlock::mark_dead(const Entry& entry) {
  // The head last: its numbers may change their length.
  set_dead(entry);
  count(-1, 1);
}

uint64_t StreamBlock::mark_dead_up_to(const StreamId& id) {
  int64_t marked = 0;
  Entry found;
  for (Pos at = begin(); at != end(); at = next(found)) {
    found = entry(at);
    if (found.dead) continue;
    if (found.id > id) break;
    set_dead(found);
    found = entry(at);
    ++marked;
  }
  count(-marked, marked);
  return static_cast<uint64_t>(marked);
}

}  // namespace holdfast
