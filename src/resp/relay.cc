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
  if (waiting_.size() >= kMaxWaiting || bytes_ + bytes > kMaxWaitingBytes) {
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
  for (auto one = waiting_.end() - static_cast<ptrdiff_t>(unsettled_); one != waiting_.end();
       ++one) {
    one->depends_on.add(depends_on);
  }
  unsettled_ = 0;
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
