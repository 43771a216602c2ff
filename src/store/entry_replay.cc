// See entry_replay.h.
#include "store/entry_replay.h"

#include <algorithm>
#include <unordered_set>

namespace holdfast {
namespace {

// Which effects of one entry the keyspace contains already, because it was loaded from records that
// are newer than the entry. A push onto a list, say, must not be applied twice.
class Containment {
 public:
  Containment(Seq seq, size_t effects) : seq_(seq), several_(effects > 1) {}

  // To be asked before each effect, which is applied when the answer is false.
  bool contains(const Effect& effect, Keyspace& keyspace) {
    if (!has_key(effect.type)) return false;
    const Object* object = keyspace.find(effect.db, effect.key);
    if (object != nullptr && object->mod_seq() >= seq_) {
      // This entry's own number says that it changed the object: now, or before the image was
      // taken.
      return object->mod_seq() > seq_ || !touched_.contains(id(effect));
    }
    if (several_ && effect.type != EffectType::kErase) touched_.insert(id(effect));
    return false;
  }

 private:
  // The hash is seeded and 64 bits wide: two keys of an entry do not share it.
  static uint64_t id(const Effect& effect) {
    return effect.key.hash ^ uint64_t { effect.db } * 0x9e3779b97f4a7c15ULL;
  }

  const Seq seq_;
  const bool several_;
  std::unordered_set<uint64_t> touched_;  // keys that this entry has changed just now
};

}  // namespace

Status EntryReplay::add(std::string_view entry) {
  const Result<EntryHeader> header = read_entry_header(entry);
  if (!header.ok()) return header.status();
  const EntryHeader& h = header.value();
  const Seq seq = log_.last.seq + 1;
  if (h.seq != seq) {
    return Status::corrupt("log entry " + std::to_string(seq) + " carries number " +
                           std::to_string(h.seq));
  }
  if (h.previous_crc != log_.last.crc || h.epoch < log_.last.epoch) {
    return Status::corrupt("log entry " + std::to_string(seq) + " does not follow the one before");
  }
  log_.advance({h.epoch, h.seq, h.crc});
  log_clock_ms_ = std::max(log_clock_ms_, h.log_clock_ms);
  ++count_;
  if (entry.size() >= kBatchBytes) {
    if (Status status = flush(); !status.ok()) return status;
    entries_.push_back({seq, 0, entry.size()});
    return apply_batch(entry);
  }
  entries_.push_back({seq, bytes_.size(), bytes_.size() + entry.size()});
  bytes_.append(entry);
  const bool full = entries_.size() >= kBatchEntries || bytes_.size() >= kBatchBytes;
  return full ? flush() : Status();
}

Status EntryReplay::decode(std::string_view batch) {
  for (Entry& entry : entries_) {
    entry.first_effect = effects_.size();
    const Status status = read_effects(batch.substr(entry.at, entry.end - entry.at), keyspace_,
                                       [&](const Effect& effect) {
                                         effects_.push_back(effect);
                                         if (has_key(effect.type))
                                           keyspace_.prefetch_slot(effect.db, effect.key.slot);
                                       });
    if (!status.ok()) return status;
  }
  return {};
}

Status EntryReplay::flush() {
  const Status status = apply_batch(bytes_);
  bytes_.clear();
  return status;
}

Status EntryReplay::apply_batch(std::string_view batch) {
  effects_.clear();
  if (Status status = decode(batch); !status.ok()) return status;
  for (const Effect& effect : effects_) {
    if (has_key(effect.type)) keyspace_.prefetch_bucket(effect.db, effect.key);
  }
  for (const Effect& effect : effects_) {
    if (has_key(effect.type)) keyspace_.prefetch_object(effect.db, effect.key);
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    const size_t first = entries_[i].first_effect;
    const size_t end = i + 1 < entries_.size() ? entries_[i + 1].first_effect : effects_.size();
    Containment containment(entries_[i].seq, end - first);
    for (size_t e = first; e < end; ++e) {
      if (!containment.contains(effects_[e], keyspace_))
        apply(effects_[e], entries_[i].seq, keyspace_);
    }
  }
  entries_.clear();
  return {};
}

}  // namespace holdfast
