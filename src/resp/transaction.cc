// See transaction.h.
#include "resp/transaction.h"

#include <cstring>

#include "resp/command.h"

namespace holdfast {

std::string_view Transaction::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (arena_ == nullptr) arena_ = std::make_unique<std::pmr::monotonic_buffer_resource>();
  auto* copy = static_cast<char*>(arena_->allocate(bytes.size(), 1));
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy, bytes.size()};
}

void Transaction::queue(const Command& command, std::span<const std::string_view> args, int slot) {
  if (slot != Route::kNoSlot) {
    crosses_slots_ = crosses_slots_ || (slot_ != Route::kNoSlot && slot_ != slot);
    slot_ = slot;
  }
  if (refused_ || spoiled_) return;
  commands_.push_back({&command, args_.size(), args.size()});
  for (const std::string_view arg : args) {
    args_.push_back(keep(arg));
    argument_bytes_ += arg.size();
  }
  flags_ |= command.spec.flags;
}

size_t Transaction::memory() const {
  return argument_bytes_ + args_.capacity() * sizeof(std::string_view) +
         commands_.capacity() * sizeof(Queued) + watches.size() * sizeof(WatchedKeys::Watch);
}

void Transaction::end() {
  open_ = refused_ = crosses_slots_ = false;
  slot_ = Route::kNoSlot;
  flags_ = 0;
  argument_bytes_ = 0;
  // Swapped, not cleared: a large queue leaves nothing behind.
  std::vector<Queued>().swap(commands_);
  std::vector<std::string_view>().swap(args_);
  arena_.reset();
}

}  // namespace holdfast
