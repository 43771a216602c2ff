// See relay.h.
#include "resp/relay.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/assert.h"

namespace holdfast {

void Relay::add(std::string_view channel, std::string_view message) {
  if (send_ == nullptr) return;
  const size_t bytes = channel.size() + message.size();
  const size_t settled = waiting_.size() - unsettled_;
  const bool full = settled >= kMaxWaiting || bytes_ + bytes > kMaxWaitingBytes;
  if (full && !waiting_.empty()) {
    ++dropped_;
    return;
  }
  std::string text;
  text.reserve(bytes);
  text.append(channel).append(message);
  waiting_.push_back({{channel.size(), std::make_shared<const std::string>(std::move(text))}, {}});
  bytes_ += bytes;
  ++unsettled_;
}

void Relay::settle(const Dependency& depends_on) {
  const bool first = waiting_.size() == unsettled_;
  for (auto one = waiting_.end() - static_cast<ptrdiff_t>(unsettled_); one != waiting_.end();
       ++one) {
    one->depends_on.add(depends_on);
  }
  unsettled_ = 0;
  if (first && depends_on.committed()) send_committed();
}

void Relay::send_committed() {
  HF_ASSERT(!pending());
  std::erase_if(waiting_, [this](const Waiting& one) {
    const bool lost = one.depends_on.lost();
    if (!lost && !one.depends_on.committed()) return false;
    bytes_ -= one.message.text->size();
    ++(!lost && send_(one.message) ? sent_ : dropped_);
    return true;
  });
}

}  // namespace holdfast
