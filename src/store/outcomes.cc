// See outcomes.h.
#include "store/outcomes.h"

#include <algorithm>

#include "base/codec.h"

namespace holdfast {

std::string Remembered::encode() const {
  std::string bytes;
  bytes.reserve(sizeof tag.gateway + 3 * kMaxVarintBytes + 1 + reply.size());
  put_fixed(bytes, tag.gateway);
  put_varint(bytes, tag.session);
  put_varint(bytes, tag.number);
  put_varint(bytes, tag.number - tag.first);
  put_fixed<uint8_t>(bytes, has_reply ? 1 : 0);
  return bytes.append(reply);
}

bool Remembered::decode(std::string_view bytes, Remembered* into) {
  Reader in(bytes);
  into->tag.gateway = in.fixed<uint64_t>();
  into->tag.session = in.varint();
  into->tag.number = in.varint();
  const uint64_t open = in.varint();
  const auto has_reply = in.fixed<uint8_t>();
  into->tag.first = into->tag.number - open;
  into->has_reply = has_reply == 1;
  into->reply = in.bytes(in.left());
  return in.ok() && into->tag.given() && open <= into->tag.number && has_reply <= 1 &&
         (into->has_reply || into->reply.empty()) && into->reply.size() <= kMaxReplyBytes;
}

Outcomes::Outcome Outcomes::find(const WriteTag& tag) const {
  const auto found = by_key_.find({tag.gateway, tag.session});
  if (found == by_key_.end()) return {};
  const Client& client = *found->second;
  if (tag.number < client.first) return {Found::kForgotten, 0, {}};
  if (client.done.empty() || client.done.back().number < tag.number) return {};
  const auto done = std::ranges::lower_bound(client.done, tag.number, {}, &Done::number);
  if (done->number != tag.number) return {};
  return {done->has_reply ? Found::kReply : Found::kForgotten, done->seq, done->reply};
}

void Outcomes::note(const Remembered& remembered, Seq seq) {
  const WriteTag& tag = remembered.tag;
  newest_ = std::max(newest_, seq);
  const Key key{tag.gateway, tag.session};
  auto [at, is_new] = by_key_.try_emplace(key);
  if (is_new) {
    at->second = clients_.insert(clients_.end(), {key, 0, {}});
    bytes_ += kClientBytes;
  } else {
    clients_.splice(clients_.end(), clients_, at->second);
  }
  Client& client = *at->second;
  forget_below(client, tag.first);
  auto place = client.done.end();
  while (place != client.done.begin() && std::prev(place)->number >= tag.number) --place;
  const bool known = place != client.done.end() && place->number == tag.number;
  if (!known && tag.number >= client.first) {
    client.done.insert(place,
                       {tag.number, seq, remembered.has_reply, std::string(remembered.reply)});
    bytes_ += kDoneBytes + remembered.reply.size();
  }
  keep_within_bounds();
}

void Outcomes::forget_below(Client& client, uint64_t first) {
  client.first = std::max(client.first, first);
  while (!client.done.empty() && client.done.front().number < client.first) {
    bytes_ -= kDoneBytes + client.done.front().reply.size();
    client.done.pop_front();
  }
}

void Outcomes::keep_within_bounds() {
  while (bytes_ > kMaxBytes && clients_.size() > 1) {
    forget_below(clients_.front(), UINT64_MAX);
    bytes_ -= kClientBytes;
    by_key_.erase(clients_.front().key);
    clients_.pop_front();
  }
}

}  // namespace holdfast
