// See peer_conn.h.
#include "replica/peer_conn.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

PeerConn::PeerConn(Reactor& reactor, std::unique_ptr<Conn> conn, const LinkSession& session,
                   const PeerOptions& options, PeerConnShared& shared, PeerStats& stats,
                   Owner& owner)
    : reactor_(reactor),
      conn_(std::move(conn)),
      session_(session),
      options_(options),
      shared_(shared),
      stats_(stats),
      owner_(owner),
      encoder_(session),
      decoder_(session) {
  HF_ASSERT(options_.silence_ms >= 2 * options_.ping_ms);
  last_tick_ns_ = heard_ns_ = moved_ns_ = now_ns();
  conn_->set_handler(this);
  conn_->limit_unsent(kUnsentBytes);
}

PeerConn::~PeerConn() { close(); }

void PeerConn::start(std::string_view early) {
  const auto self = shared_from_this();
  arm_tick();
  {
    const std::lock_guard lock(shared_.sending);
    shared_.open.push_back(this);
  }
  conn_->want_read(true);
  ping_due_ = true;  // the round trip is known soon, and the other side hears us
  pump();
  if (!early.empty()) take(early);
}

void PeerConn::close() {
  reactor_.cancel(std::exchange(tick_timer_, 0));
  if (!conn_) return;
  const std::lock_guard lock(shared_.sending);
  std::erase(shared_.open, this);
  conn_.reset();
  stats_.dropped_down += urgent_.size() + bulk_.size();
}

void PeerConn::lost(const std::string& why) {
  close();
  owner_.on_lost(why);
}

// --- time ---

void PeerConn::arm_tick() {
  tick_timer_ = reactor_.run_after(options_.ping_ms, [this] { tick(); });
}

void PeerConn::tick() {
  const auto self = shared_from_this();
  const int64_t now = now_ns();
  const int64_t late_ns = now - std::exchange(last_tick_ns_, now) - options_.ping_ms * kNsPerMs;
  if (late_ns > options_.ping_ms * kNsPerMs) heard_ns_ = moved_ns_ = now;
  if (writing_.empty()) moved_ns_ = now;
  const int64_t limit_ns = options_.silence_ms * kNsPerMs;
  if (now - heard_ns_ > limit_ns) return lost("silent");
  if (now - moved_ns_ > limit_ns) return lost("does not read");
  arm_tick();
  if (ping_sent_ns_ == 0) ping_due_ = true;
  pump();
}

void PeerConn::take_pong(uint64_t token) {
  if (token != ping_ || ping_sent_ns_ == 0) return;
  stats_.last_rtt_us = std::max<int64_t>(1, (now_ns() - std::exchange(ping_sent_ns_, 0)) / 1000);
  stats_.rtt_us = stats_.rtt_us == 0 ? stats_.last_rtt_us
                                     : stats_.rtt_us + (stats_.last_rtt_us - stats_.rtt_us) / 8;
  owner_.on_pong();
}

// --- reading ---

void PeerConn::on_readable() {
  const auto self = shared_from_this();
  for (size_t moved = 0; conn_ && moved < kTurnBytes;) {
    const IoResult got = conn_->read(shared_.read_buffer.data(), shared_.read_buffer.size());
    if (got.kind == IoResult::kWouldBlock) break;
    if (got.kind == IoResult::kClosed) return lost("the other side closed the connection");
    moved += got.bytes;
    stats_.bytes_in += got.bytes;
    take({shared_.read_buffer.data(), got.bytes});
  }
  if (conn_ && pong_due_) pump();
}

void PeerConn::take(std::string_view bytes) {
  decoder_.feed(bytes);
  const uint64_t before = decoder_.frames();
  uint64_t counted = before;
  while (conn_) {
    const Decoder::Got got = decoder_.next();
    stats_.frames_in += decoder_.frames() - std::exchange(counted, decoder_.frames());
    switch (got) {
      case Decoder::Got::kMore:
        if (counted != before) heard_ns_ = now_ns();
        return;
      case Decoder::Got::kMessage:
        ++stats_.messages_in;
        // It takes nothing meanwhile.
        if (std::holds_alternative<Busy>(decoder_.message().body)) moved_ns_ = now_ns();
        owner_.on_message(std::move(decoder_.message()));
        break;
      case Decoder::Got::kPing:
        pong_due_ = decoder_.token();
        break;
      case Decoder::Got::kPong:
        take_pong(decoder_.token());
        break;
      case Decoder::Got::kBroken:
        return lost(decoder_.error().message());
    }
  }
}

// --- writing ---

size_t PeerConn::writable_bytes() const {
  const size_t queued = queued_bytes();
  return queued >= options_.max_queue_bytes ? 0 : options_.max_queue_bytes - queued;
}

bool PeerConn::send(Payload payload) {
  HF_ASSERT(conn_ != nullptr);
  const size_t size = payload.size();
  if (urgent(payload.type)) {
    if (urgent_bytes_ + size > kMaxUrgentQueueBytes) {
      ++stats_.dropped_full;
      return false;
    }
    urgent_bytes_ += size;
    urgent_.push_back(std::move(payload));
  } else {
    if (size > writable_bytes() && queued_bytes() > 0) {
      ++stats_.dropped_full;
      refused_ = true;
      return false;
    }
    bulk_bytes_ += size;
    bulk_.push_back(std::move(payload));
  }
  ++stats_.messages_out;
  return true;
}

// Frames what should leave next; false when nothing waits.
bool PeerConn::frame_next() {
  if (pong_due_) {
    writing_.push_back(encoder_.ping(FrameType::kPong, *std::exchange(pong_due_, std::nullopt)));
  } else if (ping_due_) {
    ping_due_ = false;
    ping_sent_ns_ = now_ns();
    writing_.push_back(encoder_.ping(FrameType::kPing, ++ping_));
  } else if (!urgent_.empty()) {
    size_t sent = 0;
    writing_.push_back(encoder_.next(urgent_.front(), &sent));
    urgent_bytes_ -= urgent_.front().size();
    urgent_.pop_front();
  } else if (!bulk_.empty()) {
    const size_t before = bulk_sent_;
    writing_.push_back(encoder_.next(bulk_.front(), &bulk_sent_));
    if (bulk_sent_ == Encoder::kAllSent) {
      bulk_bytes_ -= bulk_.front().size() - before;
      bulk_sent_ = 0;
      bulk_.pop_front();
    } else {
      bulk_bytes_ -= bulk_sent_ - before;
    }
  } else {
    return false;
  }
  writing_bytes_ += writing_.back().size();
  ++stats_.frames_out;
  return true;
}

void PeerConn::refill() {
  while (writing_bytes_ < kWriteAheadBytes && frame_next()) continue;
}

// False when no more can be written now.
bool PeerConn::write_some(size_t* moved) {
  parts_.clear();
  size_t skip = written_;
  for (const Frame& frame : writing_) {
    if (parts_.size() + 3 > kMaxParts) break;
    frame.append_to(parts_, std::exchange(skip, 0));
  }
  const IoResult put = conn_->writev(parts_);
  if (put.kind != IoResult::kDone) {
    // The next read tells why, and what came before the end.
    write_failed_ = put.kind == IoResult::kClosed;
    return false;
  }
  *moved += put.bytes;
  stats_.bytes_out += put.bytes;
  writing_bytes_ -= put.bytes;
  moved_ns_ = now_ns();
  written_ += put.bytes;
  while (!writing_.empty() && written_ >= writing_.front().size()) {
    written_ -= writing_.front().size();
    writing_.pop_front();
  }
  return true;
}

void PeerConn::pump() {
  const std::lock_guard lock(shared_.sending);
  if (!conn_ || write_failed_) return;
  if (!busy_rest_.empty()) {
    writing_bytes_ += busy_rest_.size();
    writing_.push_back({std::exchange(busy_rest_, {}), nullptr, 0, 0, {}});
  }
  if (writing_.empty()) moved_ns_ = now_ns();
  size_t moved = 0;
  do {
    refill();
  } while (!writing_.empty() && moved < kTurnBytes && write_some(&moved));
  // Who was refused is told from on_writable().
  conn_->want_write((!writing_.empty() || refused_) && !write_failed_);
}

void PeerConn::say_busy(const Payload& busy) {
  const bool knows = (session_.features & kFeatureBusy) != 0;
  if (!knows || write_failed_ || !writing_.empty()) return;
  size_t sent = 0;
  if (busy_rest_.empty()) busy_rest_ = encoder_.next(busy, &sent).flat();
  const iovec part{busy_rest_.data(), busy_rest_.size()};
  const IoResult put = conn_->writev({&part, 1});
  if (put.kind == IoResult::kDone) busy_rest_.erase(0, put.bytes);
}

void PeerConn::on_writable() {
  const auto self = shared_from_this();
  pump();
  if (!refused_ || queued_bytes() > options_.max_queue_bytes / 2) return;
  refused_ = false;
  owner_.on_drained();
}

}  // namespace holdfast
