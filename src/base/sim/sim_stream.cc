// See sim_stream.h.
#include "base/sim/sim_stream.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kKnockAgainNs = 200 * kNsPerMs;

}  // namespace

int64_t SimFabric::latency_ns() {
  const int64_t span_us = options.max_latency_us - options.min_latency_us;
  HF_ASSERT(span_us >= 0);
  const auto more_us = static_cast<int64_t>(random.below(static_cast<uint64_t>(span_us) + 1));
  return (options.min_latency_us + more_us) * 1000;
}

int64_t SimFabric::paused_for_ns(const std::string& host) const {
  const auto found = paused.find(host);
  return found == paused.end() ? 0
                               : std::max<int64_t>(0, found->second - reactor.clock().mono_ns());
}

bool SimFabric::blocked(const std::string& from, const std::string& to) const {
  return cuts.contains({from, to}) || silent.contains(from) || silent.contains(to);
}

void SimFabric::for_each_stream(const std::function<void(SimStream&)>& visit) {
  std::vector<std::shared_ptr<SimStream>> kept;
  for (const auto& [number, weak] : streams) {
    if (auto stream = weak.lock()) kept.push_back(std::move(stream));
  }
  for (const auto& stream : kept) visit(*stream);
}

SimStream::SimStream(std::shared_ptr<SimFabric> fabric, End client, End server)
    : fabric_(std::move(fabric)),
      number_(fabric_->next_stream++),
      ends_{std::move(client), std::move(server)} {}

SimStream::~SimStream() { fabric_->streams.erase(number_); }

void SimStream::trace(const char* what, int side, std::string_view bytes) {
  std::string line = what;
  line += ' ' + std::to_string(number_) + (side == 0 ? " > " : " < ");
  line += bytes;
  fabric_->reactor.trace(line);
}

// --- connecting ---

void SimStream::start_connect() {
  fabric_->streams.emplace(number_, weak_from_this());
  const int64_t give_up_ns =
      fabric_->reactor.clock().mono_ns() + fabric_->options.connect_timeout_ms * kNsPerMs;
  fabric_->reactor.run_after_ns(
      fabric_->latency_ns(), [self = shared_from_this(), give_up_ns] { self->knock(give_up_ns); });
}

// The first packet reaches the other host, or is sent again until time is up.
void SimStream::knock(int64_t give_up_ns) {
  if (ends_[0].conn == nullptr || ends_[0].dead) return;
  const bool lost = fabric_->blocked(ends_[0].host, ends_[1].host) ||
                    fabric_->blocked(ends_[1].host, ends_[0].host);
  if (!lost) return greet();
  if (fabric_->reactor.clock().mono_ns() >= give_up_ns) return refuse("timeout");
  fabric_->reactor.run_after_ns(
      kKnockAgainNs, [self = shared_from_this(), give_up_ns] { self->knock(give_up_ns); });
}

void SimStream::greet() {
  if (const int64_t ns = fabric_->paused_for_ns(ends_[1].host); ns > 0) {
    fabric_->reactor.run_after_ns(ns, [self = shared_from_this()] {
      if (self->ends_[0].conn != nullptr && !self->ends_[0].dead) self->greet();
    });
    return;
  }
  const auto found = fabric_->listeners.find(listener_key(ends_[1].host, ends_[1].address));
  if (found == fabric_->listeners.end()) return refuse("refused");
  trace("accept", 0, {});
  ends_[1].connected = ends_[1].told = true;
  // Whatever the server sends travels behind its greeting.
  const int64_t delay_ns = fabric_->latency_ns();
  pipes_[1].last_due_ns = fabric_->reactor.clock().mono_ns() + delay_ns;
  fabric_->reactor.run_after_ns(delay_ns, [self = shared_from_this()] { self->establish(); });
  fabric_->reactor.set_running(ends_[1].host);
  found->second->accept(std::make_unique<SimConn>(shared_from_this(), 1));
}

void SimStream::establish() {
  if (ends_[0].connected || ends_[0].ended) return;
  if (fabric_->blocked(ends_[1].host, ends_[0].host)) {
    fabric_->reactor.run_after_ns(kKnockAgainNs,
                                  [self = shared_from_this()] { self->establish(); });
    return;
  }
  ends_[0].connected = true;
  queue_ready(0);
}

void SimStream::refuse(const char* why) {
  trace(why, 0, {});
  ends_[0].ended = true;
  queue_ready(0, fabric_->latency_ns());
}

// --- moving bytes ---

IoResult SimStream::read(int side, char* out, size_t capacity) {
  HF_ASSERT(capacity > 0);
  const End& me = ends_[side];
  Pipe& pipe = pipes_[1 - side];
  if (pipe.arrived.empty()) {
    const bool over = pipe.finished || me.ended;
    return {over ? IoResult::kClosed : IoResult::kWouldBlock, 0};
  }
  size_t bytes = std::min(capacity, pipe.arrived.size());
  if (fabric_->random.one_in(fabric_->options.short_io_one_in)) {
    bytes = 1 + fabric_->random.below(bytes);
  }
  std::memcpy(out, pipe.arrived.data(), bytes);
  pipe.arrived.erase(0, bytes);
  pipe.used -= bytes;
  queue_ready(1 - side, fabric_->latency_ns());  // the writer hears of the room
  return {IoResult::kDone, bytes};
}

IoResult SimStream::writev(int side, std::span<const iovec> parts) {
  const End& me = ends_[side];
  if (me.ended) return {IoResult::kClosed, 0};
  if (!me.connected || me.dead) return {IoResult::kWouldBlock, 0};
  std::string bytes;
  const size_t room = fabric_->options.buffer_bytes - pipes_[side].used;
  for (const iovec& part : parts) {
    const size_t fits = std::min(part.iov_len, room - bytes.size());
    bytes.append(static_cast<const char*>(part.iov_base), fits);
  }
  if (room == 0) return {IoResult::kWouldBlock, 0};
  HF_ASSERT(!bytes.empty());

  size_t take = bytes.size();
  if (fabric_->random.one_in(fabric_->options.short_io_one_in)) {
    take = 1 + fabric_->random.below(take);
  }
  bytes.resize(take);
  for (size_t split = 0; split < fabric_->options.max_splits && bytes.size() > 1; ++split) {
    if (!fabric_->random.one_in(2)) break;
    const size_t at = 1 + fabric_->random.below(bytes.size() - 1);
    send(side, Kind::kData, bytes.substr(0, at));
    bytes.erase(0, at);
  }
  send(side, Kind::kData, std::move(bytes));
  return {IoResult::kDone, take};
}

void SimStream::send(int side, Kind kind, std::string bytes) {
  Pipe& pipe = pipes_[side];
  const int64_t due_ns = fabric_->reactor.clock().mono_ns() + fabric_->latency_ns();
  pipe.last_due_ns = std::max(pipe.last_due_ns, due_ns);
  pipe.used += bytes.size();
  pipe.flight.push_back({kind, pipe.last_due_ns, std::move(bytes)});
  queue_delivery(side);
}

void SimStream::queue_delivery(int side) {
  Pipe& pipe = pipes_[side];
  if (pipe.delivery_queued || pipe.flight.empty()) return;
  pipe.delivery_queued = true;
  fabric_->reactor.run_after_ns(pipe.flight.front().due_ns - fabric_->reactor.clock().mono_ns(),
                                [self = shared_from_this(), side] { self->deliver(side); });
}

void SimStream::deliver(int side) {
  Pipe& pipe = pipes_[side];
  pipe.delivery_queued = false;
  if (pipe.flight.empty()) return;
  // What is cut waits for after_heal; what goes to a silent host is lost there.
  if (fabric_->cuts.contains({ends_[side].host, ends_[1 - side].host})) return;
  Segment segment = std::move(pipe.flight.front());
  pipe.flight.pop_front();
  arrive(side, segment);
  queue_delivery(side);
}

void SimStream::arrive(int side, const Segment& segment) {
  const int to = 1 - side;
  End& receiver = ends_[to];
  if (receiver.conn == nullptr || receiver.dead) return arrive_at_nobody(side, segment.kind);
  if (to == 0) receiver.connected = true;  // its greeting was before this
  Pipe& pipe = pipes_[side];
  switch (segment.kind) {
    case Kind::kData:
      trace("data", side, segment.bytes);
      pipe.arrived += segment.bytes;
      break;
    case Kind::kEnd:
      trace("end", side, {});
      pipe.finished = true;
      break;
    case Kind::kReset:
      trace("reset", side, {});
      receiver.ended = true;
      lose_tail(to, 0);
      break;
  }
  queue_ready(to);
}

// A host that is up answers data for a stream it does not know with a reset.
void SimStream::arrive_at_nobody(int side, Kind kind) {
  trace("stray", side, {});
  const bool answers = kind == Kind::kData && !fabric_->silent.contains(ends_[1 - side].host);
  if (answers) send(1 - side, Kind::kReset, {});
}

// Of what `side` has on the way, only the first `keep` segments will arrive.
void SimStream::lose_tail(int side, size_t keep) {
  Pipe& pipe = pipes_[side];
  while (pipe.flight.size() > keep) {
    pipe.used -= pipe.flight.back().bytes.size();
    pipe.flight.pop_back();
  }
}

void SimStream::close(int side) {
  End& me = ends_[side];
  me.conn = nullptr;
  me.handler = nullptr;
  if (me.dead || me.ended || (side == 0 && !ends_[1].connected)) return;
  if (pipes_[1 - side].arrived.empty()) {
    send(side, Kind::kEnd, {});
    return;
  }
  lose_tail(side, fabric_->random.below(pipes_[side].flight.size() + 1));
  send(side, Kind::kReset, {});
}

// --- readiness ---

bool SimStream::readable(int side) const {
  const Pipe& pipe = pipes_[1 - side];
  return ends_[side].want_read && (!pipe.arrived.empty() || pipe.finished || ends_[side].ended);
}

// From a quarter of the buffer on, so that a slow reader does not cause a flood of tiny writes.
bool SimStream::writable(int side) const {
  const size_t room = fabric_->options.buffer_bytes - pipes_[side].used;
  const bool useful = room * 4 >= fabric_->options.buffer_bytes || ends_[side].ended;
  return ends_[side].want_write && useful;
}

void SimStream::queue_ready(int side, int64_t delay_ns) {
  End& me = ends_[side];
  if (me.conn == nullptr || me.dead || me.ready_queued) return;
  if (!me.connected && !me.ended) return;
  if (me.told && !readable(side) && !writable(side)) return;
  me.ready_queued = true;
  fabric_->reactor.run_after_ns(delay_ns,
                                [self = shared_from_this(), side] { self->run_ready(side); });
}

void SimStream::run_ready(int side) {
  End& me = ends_[side];
  me.ready_queued = false;
  if (me.conn == nullptr || me.dead) return;
  if (const int64_t ns = fabric_->paused_for_ns(me.host); ns > 0) {
    constexpr uint64_t kSpreadNs = 1'000'000;  // which of many is served first, nobody knows
    queue_ready(side, ns + static_cast<int64_t>(fabric_->random.below(kSpreadNs)));
    return;
  }
  HF_ASSERT(me.handler != nullptr);
  fabric_->reactor.set_running(me.host);
  const bool news = !std::exchange(me.told, true);
  if (news && me.connected) {
    me.handler->on_writable();
  } else if (news || readable(side)) {
    me.handler->on_readable();
  }
  if (me.conn != nullptr && !news && writable(side)) me.handler->on_writable();
  // Like a failed connect of the real one: told once, then silence.
  if (me.connected) queue_ready(side);
}

// --- faults ---

bool SimStream::joins(const std::string& a, const std::string& b) const {
  return (ends_[0].host == a && ends_[1].host == b) || (ends_[0].host == b && ends_[1].host == a);
}

void SimStream::after_heal() {
  for (int side = 0; side < 2; ++side) queue_delivery(side);
}

void SimStream::reset() {
  trace("cut off", 0, {});
  for (int side = 0; side < 2; ++side) {
    lose_tail(side, 0);
    ends_[side].ended = true;
    queue_ready(side, fabric_->latency_ns());
  }
}

void SimStream::power_lost(const std::string& host) {
  for (int side = 0; side < 2; ++side) {
    if (ends_[side].host != host) continue;
    trace("dead", side, {});
    ends_[side].dead = true;
    lose_tail(side, fabric_->random.below(pipes_[side].flight.size() + 1));
  }
}

// Peers repeat what was never acknowledged; the host answers that it knows of no such stream.
void SimStream::power_back(const std::string& host) {
  for (int side = 0; side < 2; ++side) {
    if (ends_[side].host != host || !ends_[side].dead) continue;
    if (pipes_[1 - side].used > 0) send(side, Kind::kReset, {});
  }
}

// --- what users hold ---

SimConn::SimConn(std::shared_ptr<SimStream> stream, int side)
    : stream_(std::move(stream)), side_(side) {
  stream_->end(side_).conn = this;
}

void SimConn::want_read(bool on) {
  stream_->end(side_).want_read = on;
  stream_->queue_ready(side_);
}

void SimConn::want_write(bool on) {
  stream_->end(side_).want_write = on;
  stream_->queue_ready(side_);
}

SimListener::SimListener(std::shared_ptr<SimFabric> fabric, std::string key, Address address,
                         Net::OnAccept on_accept)
    : fabric_(std::move(fabric)),
      key_(std::move(key)),
      address_(std::move(address)),
      on_accept_(std::make_shared<Net::OnAccept>(std::move(on_accept))) {
  fabric_->listeners.emplace(key_, this);
}

void SimListener::accept(std::unique_ptr<Conn> conn) {
  const auto on_accept = on_accept_;  // the callback may destroy the listener
  (*on_accept)(std::move(conn));
}

}  // namespace holdfast
