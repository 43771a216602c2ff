// See cluster_client.h.
#include "tests/sim/cluster_client.h"

#include <algorithm>

#include "tests/sim/violation.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kWatchMs = 50;
constexpr int64_t kRefusedMs = 150;  // until one who watches asks again

}  // namespace

ClusterClient::ClusterClient(uint32_t number, std::vector<std::string> servers, SimReactor& reactor,
                             Random& random, Workload& workload, const Manner& manner,
                             ConnectTo connect)
    : number_(number),
      servers_(std::move(servers)),
      reactor_(reactor),
      random_(random),
      workload_(workload),
      manner_(manner),
      connect_(std::move(connect)) {}

void ClusterClient::start() {
  at_ = manner_.watches ? number_ % servers_.size() : random_.below(servers_.size());
  connect_soon();
  think();
  watch();
}

void ClusterClient::think() {
  const auto most = static_cast<uint64_t>(manner_.think_ms);
  const int64_t idle = refused_ ? kRefusedMs : 0;
  reactor_.run_after(1 + idle + static_cast<int64_t>(random_.below(most)), [this] {
    ask();
    think();
  });
}

void ClusterClient::ask() {
  if (conn_ == nullptr || leaves_ || waiting_.size() >= manner_.pipeline) return;
  if (finishing_ && (last_.empty() || !waiting_.empty())) return;
  Ask again;
  if (finishing_) {
    again = std::move(last_.front());
    last_.pop_front();
  }
  Asked asked = again             ? again()
                : manner_.watches ? workload_.next_read(number_)
                                  : workload_.next(number_);
  for (const auto& request : asked.requests) out_ += request_bytes(request);
  waiting_.push_back({std::move(asked), {}, reactor_.clock().mono_ns(), std::move(again)});
  conn_->want_write(true);
}

// --- the connection ---

void ClusterClient::connect_soon() {
  if (connecting_) return;
  connecting_ = true;
  reactor_.run_after(1 + static_cast<int64_t>(random_.below(50)), [this] {
    connecting_ = false;
    connect();
  });
}

void ClusterClient::connect() {
  conn_ = connect_(servers_[at_]);
  if (conn_ == nullptr) {
    disconnect();
    return;
  }
  conn_->set_handler(this);
}

void ClusterClient::disconnect() {
  conn_.reset();
  out_.clear();
  in_.clear();
  for (Waiting& waiting : waiting_) {
    if (waiting.again) last_.push_front(std::move(waiting.again));
  }
  waiting_.clear();
  if (!leaves_ && !stays()) at_ = random_.below(servers_.size());
  leaves_ = false;
  connect_soon();
}

// Who waits too long goes elsewhere; who was sent elsewhere goes when all is answered.
void ClusterClient::watch() {
  reactor_.run_after(kWatchMs, [this] {
    const int64_t since = reactor_.clock().mono_ns() - manner_.patience_ms * kNsPerMs;
    if (conn_ != nullptr && leaves_ && waiting_.empty()) {
      disconnect();
    } else if (!waiting_.empty() && waiting_.front().since_ns < since) {
      ++timeouts_;
      disconnect();
    }
    watch();
  });
}

std::string ClusterClient::state() const {
  return "client " + std::to_string(number_) + (conn_ == nullptr ? " without a" : " with a") +
         " connection to " + servers_[at_] + (leaves_ ? ", leaves it" : "") + ", waits for " +
         std::to_string(waiting_.size()) + " answers, has to ask " + std::to_string(last_.size()) +
         " more";
}

void ClusterClient::pause_reading(int64_t ms) {
  if (conn_ == nullptr) return;
  conn_->want_read(false);
  reactor_.run_after(ms, [this] {
    if (conn_ != nullptr) conn_->want_read(true);
  });
}

void ClusterClient::on_writable() {
  while (!out_.empty()) {
    const iovec part{out_.data(), out_.size()};
    const IoResult result = conn_->writev(std::span(&part, 1));
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) {
      disconnect();
      return;
    }
    out_.erase(0, result.bytes);
  }
  conn_->want_write(false);
}

void ClusterClient::on_readable() {
  char buffer[4096];
  while (true) {
    const IoResult result = conn_->read(buffer, sizeof buffer);
    if (result.kind == IoResult::kWouldBlock) break;
    if (result.kind == IoResult::kClosed) {
      take_replies();
      disconnect();
      return;
    }
    in_.append(buffer, result.bytes);
  }
  take_replies();
}

void ClusterClient::take_replies() {
  Reply reply;
  while (const size_t length = parse_reply(in_, &reply)) {
    in_.erase(0, length);
    if (waiting_.empty()) throw Violation("a reply to nothing: " + reply.text);
    Waiting& first = waiting_.front();
    first.replies.push_back(std::move(reply));
    if (first.replies.size() < first.asked.requests.size()) continue;
    Waiting done = std::move(first);
    waiting_.pop_front();
    done.asked.answered(done.replies);
    if (!done.replies.back().error()) ++acknowledged_;
    refused_ = stays() && Workload::refused(done.replies.back());
    for (const Reply& each : done.replies) redirected(each);
    if (done.again && Workload::refused(done.replies.back())) {
      last_.push_front(std::move(done.again));
    }
  }
}

void ClusterClient::redirected(const Reply& reply) {
  if (!Workload::refused(reply) || stays()) return;
  const std::string code = reply.code();
  if (code == "MOVED" && manner_.through_gateway) {
    throw Violation("a gateway sends its client elsewhere: " + reply.text);
  }
  if (code == "MOVED") {  // MOVED 5 10.0.0.2:6379
    const size_t begin = reply.text.rfind(' ') + 1;
    const std::string host = reply.text.substr(begin, reply.text.rfind(':') - begin);
    const auto found = std::ranges::find(servers_, host);
    if (found == servers_.end()) throw Violation("moved to nobody: " + reply.text);
    at_ = static_cast<size_t>(found - servers_.begin());
    ++moved_;
    leaves_ = true;
  } else if (code != "EXECABORT" && !leaves_) {
    at_ = random_.below(servers_.size());
    leaves_ = true;
  }
}

}  // namespace holdfast
