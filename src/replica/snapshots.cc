// See snapshots.h.
#include "replica/snapshots.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/snapshot_receiver.h"
#include "replica/snapshot_sender.h"

namespace holdfast {

Snapshots::Snapshots(SnapshotHost host) : host_(std::move(host)) {}
Snapshots::~Snapshots() { *alive_ = false; }

void Snapshots::send_to(const Member& to) {
  // One that was given up a moment ago may still be there.
  senders_[to] = std::make_unique<SnapshotSender>(
      host_, to, [this, to](bool installed) { sent(to, installed); });
}

// Inside a call of the sender: it goes in a later turn.
void Snapshots::sent(const Member& to, bool installed) {
  host_.reactor.post([this, alive = std::weak_ptr<bool>(alive_), to, installed] {
    if (alive.expired()) return;
    const auto found = senders_.find(to);
    if (found == senders_.end() || !found->second->ended()) return;
    if (installed) {
      last_base_ = found->second->base();
      last_installed_ns_ = host_.reactor.clock().mono_ns();
    }
    senders_.erase(found);
    host_.replica.step(SnapshotSent{to, installed});
  });
}

void Snapshots::receive(const Message& message) {
  if (const auto* ok = std::get_if<SnapshotOk>(&message.body)) {
    const auto sender = senders_.find(message.from);
    if (sender != senders_.end()) sender->second->acknowledged(*ok);
    return;
  }
  if (const auto* begin = std::get_if<SnapshotBegin>(&message.body)) {
    if (receiver_ != nullptr) {
      receiver_->begun_again(message);
    } else if (SnapshotReceiver::may_begin(host_, message, *begin)) {
      receiver_ = std::make_unique<SnapshotReceiver>(host_, message.from, *begin);
    }
    return;
  }
  if (receiver_ != nullptr) receiver_->receive(message);
}

void Snapshots::committed() {
  for (auto& [to, sender] : senders_) sender->pump();
}

void Snapshots::role_changed() {
  if (!host_.replica.core().serving()) give_up("this replica does not lead any more");
  if (receiver_ != nullptr) receiver_->leader_changed();
}

void Snapshots::disconnected(const Member& member) {
  const auto found = senders_.find(member);
  if (found != senders_.end()) found->second->give_up("the connection is gone");
}

void Snapshots::give_up(std::string_view why) {
  for (auto& [to, sender] : senders_) sender->give_up(why);
}

bool Snapshots::installing() const { return receiver_ != nullptr; }

Seq Snapshots::log_needed() const {
  Seq needed = UINT64_MAX;
  const int64_t since_ns = host_.reactor.clock().mono_ns() - last_installed_ns_;
  if (last_base_ != 0 && since_ns < kStartNs) needed = last_base_;
  for (const auto& [to, sender] : senders_) {
    if (!sender->ended()) needed = std::min(needed, sender->base());
  }
  return needed;
}

}  // namespace holdfast
