// See sim_client.h.
#include "tests/sim/sim_client.h"

#include <algorithm>
#include <cstdlib>

#include "tests/support/command_fixture.h"

namespace holdfast {

uint64_t KeyHistory::floor(const std::string& key) const {
  const auto found = floor_.find(key);
  return found == floor_.end() ? 0 : found->second;
}

void KeyHistory::shown(const std::string& key, uint64_t value, uint64_t floor_then) {
  if (value < floor_then) {
    throw Violation("O1: " + key + " is " + std::to_string(value) + ", but " +
                    std::to_string(floor_then) + " had been shown before");
  }
  if (value > sent_[key]) {
    throw Violation("O2: " + key + " is " + std::to_string(value) + ", which nobody wrote");
  }
  floor_[key] = std::max(floor_[key], value);
}

SimClient::SimClient(int number, int clients, Reactor& reactor, Random& random, KeyHistory& history,
                     Connect connect)
    : number_(number),
      clients_(clients),
      reactor_(reactor),
      random_(random),
      history_(history),
      connect_(std::move(connect)) {}

void SimClient::connect_soon() {
  if (connecting_) return;
  connecting_ = true;
  reactor_.run_after(static_cast<int64_t>(1 + random_.below(50)), [this] {
    connecting_ = false;
    conn_ = connect_();
    if (conn_ == nullptr) {
      connect_soon();
      return;
    }
    conn_->set_handler(this);
    conn_->want_write(true);
    send_some();
  });
}

void SimClient::disconnected() {
  conn_.reset();
  out_.clear();
  in_.clear();
  in_flight_.clear();  // outcomes unknown: their values stay allowed, and are not in the floor
  connect_soon();
}

void SimClient::pause_reading(int64_t ms) {
  if (conn_ == nullptr) return;
  conn_->want_read(false);
  reactor_.run_after(ms, [this] {
    if (conn_ != nullptr) conn_->want_read(true);
  });
}

void SimClient::send_some() {
  while (in_flight_.size() < kPipeline && !random_.one_in(4)) send_one();
  if (in_flight_.empty()) send_one();
  conn_->want_write(true);
}

void SimClient::send_one() {
  Sent sent;
  sent.write = random_.one_in(2);
  const int whose =
      sent.write ? number_ : static_cast<int>(random_.below(static_cast<uint64_t>(clients_)));
  const std::string name = "c" + std::to_string(whose);
  if (random_.one_in(3)) {
    sent.keys = {name + ":left", name + ":right"};
  } else {
    sent.keys = {name + ":" + std::to_string(random_.below(kKeys))};
  }
  std::vector<std::string> args = {sent.write ? "MSET" : "MGET"};
  for (const std::string& key : sent.keys) {
    args.push_back(key);
    if (sent.write) {
      sent.value = history_.next_value(key);
      args.push_back(std::to_string(sent.value));
    } else {
      sent.floors.push_back(history_.floor(key));
    }
  }
  out_ += encode_request(args);
  in_flight_.push_back(std::move(sent));
}

void SimClient::on_writable() {
  while (!out_.empty()) {
    const iovec part{out_.data(), out_.size()};
    const IoResult result = conn_->writev(std::span(&part, 1));
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) {
      disconnected();
      return;
    }
    out_.erase(0, result.bytes);
  }
  conn_->want_write(false);
}

void SimClient::on_readable() {
  char buffer[1024];
  while (true) {
    const IoResult result = conn_->read(buffer, sizeof buffer);
    if (result.kind == IoResult::kWouldBlock) break;
    if (result.kind == IoResult::kClosed) {
      take_replies();
      disconnected();
      return;
    }
    in_.append(buffer, result.bytes);
  }
  take_replies();
  if (in_flight_.size() < kPipeline / 2) send_some();
}

void SimClient::take_replies() {
  while (const size_t length = reply_length(in_)) {
    if (in_flight_.empty()) throw Violation("a reply to nothing: " + in_);
    take(in_flight_.front(), std::string_view(in_).substr(0, length));
    in_flight_.pop_front();
    in_.erase(0, length);
  }
}

void SimClient::take(const Sent& sent, std::string_view reply) {
  if (sent.write) {
    if (reply.starts_with("-MISCONF")) return;  // the log has failed: refused, nothing happened
    if (reply != "+OK\r\n") throw Violation("MSET answered " + std::string(reply));
    ++acknowledged_;
    for (const std::string& key : sent.keys) history_.shown(key, sent.value, 0);
    return;
  }
  ++reads_;
  std::vector<uint64_t> values;
  reply.remove_prefix(reply.find("\r\n") + 2);
  for (size_t i = 0; i < sent.keys.size(); ++i) {
    const size_t line = reply.find("\r\n");
    const bool absent = reply.substr(0, line) == "$-1";
    reply.remove_prefix(line + 2);
    values.push_back(absent ? 0 : std::strtoull(reply.data(), nullptr, 10));
    if (!absent) reply.remove_prefix(reply.find("\r\n") + 2);
    history_.shown(sent.keys[i], values[i], sent.floors[i]);
  }
  if (values.size() == 2 && values[0] != values[1]) {
    throw Violation("O3: half of an MSET: " + sent.keys[0] + " is " + std::to_string(values[0]) +
                    ", " + sent.keys[1] + " is " + std::to_string(values[1]));
  }
}

}  // namespace holdfast
