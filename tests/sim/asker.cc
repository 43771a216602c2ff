// See asker.h.
#include "tests/sim/asker.h"

#include "base/assert.h"
#include "tests/sim/violation.h"

namespace holdfast {

bool Asker::connect(const std::string& host) {
  HF_ASSERT(!connected());
  conn_ = connect_(host);
  if (conn_ == nullptr) return false;
  conn_->set_handler(this);
  return true;
}

void Asker::disconnect() {
  conn_.reset();
  out_.clear();
  in_.clear();
  asked_.clear();
}

void Asker::lost() {
  disconnect();
  hooks_.lost();
}

void Asker::ask(Request request, int64_t now_ns) {
  HF_ASSERT(connected() && !waits());
  asked_ = std::move(request);
  asked_ns_ = now_ns;
  out_ += request_bytes(asked_);
  conn_->want_write(true);
}

void Asker::on_writable() {
  while (!out_.empty()) {
    const iovec part{out_.data(), out_.size()};
    const IoResult result = conn_->writev(std::span(&part, 1));
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) return lost();
    out_.erase(0, result.bytes);
  }
  conn_->want_write(false);
}

void Asker::on_readable() {
  char buffer[4096];
  while (true) {
    const IoResult result = conn_->read(buffer, sizeof buffer);
    if (result.kind == IoResult::kWouldBlock) break;
    if (result.kind == IoResult::kClosed) return lost();
    in_.append(buffer, result.bytes);
  }
  Reply reply;
  const size_t length = parse_reply(in_, &reply);
  if (length == 0) return;
  in_.erase(0, length);
  if (asked_.empty() || !in_.empty()) throw Violation("told what was not asked: " + reply.text);
  const Request asked = std::exchange(asked_, {});
  hooks_.answered(asked, reply);
}

}  // namespace holdfast
