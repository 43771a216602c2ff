// See greeter.h.
#include "replica/greeter.h"

#include <utility>

namespace holdfast {

Greeter::Greeter(Reactor& reactor, std::unique_ptr<Conn> conn, Handshake handshake,
                 int64_t timeout_ms, End on_end)
    : reactor_(reactor),
      conn_(std::move(conn)),
      handshake_(std::move(handshake)),
      address_(conn_->peer()),
      on_end_(std::move(on_end)) {
  conn_->set_handler(this);
  timer_ = reactor_.run_after(timeout_ms, [this] {
    timer_ = 0;
    const auto self = shared_from_this();
    end(connected_ ? "no handshake in time" : "no connection in time");
  });
}

Greeter::~Greeter() { reactor_.cancel(timer_); }

// Who dials speaks first: as soon as the connection can be written to.
void Greeter::start() {
  output_ = handshake_.take_output();
  conn_->want_write(!output_.empty());
}

void Greeter::end(const char* failure) {
  if (!on_end_) return;
  reactor_.cancel(std::exchange(timer_, 0));
  failure_ = failure;
  ok_ = failure_.empty() && handshake_.state() == Handshake::State::kDone;
  const End on_end = std::exchange(on_end_, {});
  on_end(*this);
}

std::string Greeter::why() const {
  if (!refused()) return failure_;
  const std::string reason(refusal_text(handshake_.refusal()));
  return handshake_.refused_by_peer() ? "refused by the other side: " + reason
                                      : "refused: " + reason;
}

void Greeter::on_readable() {
  const auto self = shared_from_this();
  char buffer[1024];
  while (on_end_ && handshake_.state() == Handshake::State::kRunning) {
    const IoResult got = conn_->read(buffer, sizeof buffer);
    if (got.kind == IoResult::kWouldBlock) break;
    if (got.kind == IoResult::kClosed) {
      return end(connected_ ? "closed during the handshake" : "no connection");
    }
    connected_ = true;
    const size_t used = handshake_.feed({buffer, got.bytes});
    early_.assign(buffer + used, got.bytes - used);
  }
  output_ += handshake_.take_output();
  write();
}

void Greeter::on_writable() {
  const auto self = shared_from_this();
  connected_ = true;
  write();
}

// Ends, when nothing is left to say. A refusal is said once and not waited for.
void Greeter::write() {
  while (on_end_ && !output_.empty()) {
    const iovec part{output_.data(), output_.size()};
    const IoResult put = conn_->writev({&part, 1});
    if (put.kind == IoResult::kClosed) return end("closed during the handshake");
    if (put.kind == IoResult::kWouldBlock) break;
    output_.erase(0, put.bytes);
  }
  if (handshake_.state() == Handshake::State::kRefused) return end("");
  const bool done = handshake_.state() == Handshake::State::kDone;
  if (done && output_.empty()) return end("");
  // Bytes behind the handshake stay with the kernel until somebody can decode them.
  conn_->want_read(!done);
  conn_->want_write(!output_.empty());
}

}  // namespace holdfast
