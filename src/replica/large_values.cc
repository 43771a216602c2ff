// See large_values.h.
#include "replica/large_values.h"

namespace holdfast {

// What an entry says of the key afterwards makes the value's image another one than the object's.
void LargeValues::note(const Effect& effect, Seq seq, uint64_t at) {
  for (auto large = found_.rbegin(); large != found_.rend() && large->seq == seq; ++large) {
    const bool same =
        effect.type == EffectType::kFlushDb ||
        (has_key(effect.type) && large->slot == effect.key.slot && large->key == effect.key.bytes);
    if (same && large->db == effect.db) large->final = false;
  }
  const uint64_t size = effect.value.size();
  if (effect.type != EffectType::kPutString || size < LogGroup::kLarge) return;
  found_.push_back({at, size, seq, effect.db, effect.key.slot, std::string(effect.key.bytes),
                    string_record_head(seq, effect.expire_at_ms, size)});
}

}  // namespace holdfast
