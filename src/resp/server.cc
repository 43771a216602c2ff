// See server.h. Dispatch of commands is in dispatch.cc.
#include "resp/server.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/notify_class.h"
#include "base/quoted.h"
#include "resp/script/functions.h"
#include "resp/script/scripts.h"

namespace holdfast {
namespace {

constexpr int64_t kTickMs = 100;
constexpr uint32_t kGarbagePerTurn = 512;  // objects of dropped databases freed in a turn
constexpr int64_t kRateSampleNs = 1'000'000'000;

}  // namespace

Server::Server(Reactor& reactor, Net& net, Random& random, Options& options, Shards& shards,
               ServerHooks hooks)
    : reactor_(reactor),
      net_(net),
      random_(random),
      options_(options),
      shards_(shards),
      hooks_(std::move(hooks)),
      pubsub_(shards.hash_seed(), deliveries_),
      tracking_(*this, deliveries_),
      start_wall_ms_(reactor.clock().wall_ms()),
      read_buffer_(std::make_unique<char[]>(kReadBufferBytes)),
      alive_(std::make_shared<bool>(true)) {
  // 40 hexadecimal digits that tell one process from another, as Redis's run_id.
  acl_.set_all_channels_by_default(options.resp_acl_all_channels);
  acl_.set_default_password(options.resp_password);
  run_id_ = (hex16(random.next()) + hex16(random.next()) + hex16(random.next())).substr(0, 40);
  const auto guarded = [alive = alive_](auto&& work) {
    return [alive, work] {
      if (*alive) work();
    };
  };
  for (Shard* shard : shards_.all()) host(*shard);
  shards_.on_added([this](Shard& shard) { host(shard); });
  shards_.on_slots([this] { slots_changed(); });
  reactor_.add_turn_end(guarded([this] { turn_end(); }));
  reactor_.run_after(kTickMs, guarded([this] { every_100ms(); }));
  watch_memory();
}

Server::Hosted::Hosted(Reactor& reactor, Shard& its_shard)
    : shard(its_shard), eviction(reactor, its_shard) {}

Server::Hosted::~Hosted() = default;

void Server::host(Shard& shard) {
  hosted_.push_back(std::make_unique<Hosted>(reactor_, shard));
  shard.keyspace().set_limits(options_.collections);
  shard.on_commit([this, &shard] { on_commit(shard); });
  shard.on_failure([this](const Status& status) { on_failure(status); });
  shard.on_serving([this, &shard](bool serves) { serving_changed(shard, serves); });
  watched_keys_.added(shard);
  blocked_keys_.added(shard);
  keep_slow_traces(shard);
}

Server::~Server() {
  *alive_ = false;
  shards_.on_added({});
  shards_.on_slots({});
  for (Shard* shard : shards_.all()) {
    shard->on_commit({});
    shard->on_failure({});
    shard->on_serving({});
  }
  listeners_.clear();
  sessions_.clear();
}

Status Server::listen() {
  const auto on_accept = [this](std::unique_ptr<Conn> conn) { accept(std::move(conn)); };
  const ListenOptions how{options_.resp_backlog, options_.resp_unix_socket_mode};
  std::vector<Address> wanted;
  for (const std::string& host : options_.resp_bind) {
    wanted.push_back(Address::tcp(host, options_.resp_port));
  }
  if (!options_.resp_unix_socket.empty()) {
    wanted.push_back(Address::unix_socket(options_.resp_unix_socket));
  }
  for (Address& address : wanted) {
    // "Any port" means one port for all addresses.
    if (!address.is_unix() && !listeners_.empty()) address.port = listeners_[0]->address().port;
    auto listener = net_.listen(address, how, on_accept);
    if (!listener.ok()) return listener.status();
    listeners_.push_back(std::move(listener.value()));
  }
  return {};
}

std::vector<Address> Server::addresses() const {
  std::vector<Address> all;
  for (const auto& listener : listeners_) all.push_back(listener->address());
  return all;
}

void Server::stop_serving() {
  stopping_ = true;
  listeners_.clear();
  for (const auto& [id, session] : sessions_) session->update_reading();
}

bool Server::drained() const {
  return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
    const Output& output = entry.second->output;
    return output.empty() && !output.held();  // a traced reply is made when it may leave
  });
}

// Redis refuses these with one line before anything is read.
void Server::refuse(Conn& conn, std::string_view error) {
  ++stats_.connections_rejected;
  std::string line = "-" + std::string(error) + "\r\n";
  const iovec part{line.data(), line.size()};
  (void)conn.writev(std::span(&part, 1));
}

void Server::accept(std::unique_ptr<Conn> conn) {
  ++stats_.connections_received;
  if (sessions_.size() >= options_.resp_max_clients) {
    refuse(*conn, "ERR max number of clients reached");
    return;
  }
  if (options_.resp_protected_mode && acl_.default_user().no_password() &&
      !conn->peer().is_loopback()) {
    refuse(*conn,
           "DENIED This server runs in protected mode: without a password only clients on the "
           "same host are accepted. Set resp.password (requirepass), or resp.protected_mode: no "
           "if only trusted clients can reach it.");
    return;
  }
  if (!conn->peer().is_unix()) conn->set_keepalive(options_.resp_keepalive_s);
  const uint64_t id = next_session_id_++;
  auto session = std::make_unique<Session>(*this, id, std::move(conn), clock().wall_ms());
  reset_user(*session);
  session->update_reading();
  sessions_.emplace(id, std::move(session));
}

Session* Server::session(uint64_t id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

uint64_t Server::blocked_sessions() const {
  return static_cast<uint64_t>(
      std::count_if(sessions_.begin(), sessions_.end(),
                    [](const auto& entry) { return entry.second->waits_by_command(); }));
}

uint64_t Server::sessions_with_timeout() const {
  return static_cast<uint64_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& entry) {
        return entry.second->waits_by_command() && entry.second->has_block_timeout();
      }));
}

ClientName Server::client_name(uint64_t id) const {
  if (const Session* found = session(id)) {
    return {found->conn().peer().to_string(), found->state.name};
  }
  const auto gone = std::find_if(gone_.begin(), gone_.end(),
                                 [id](const auto& client) { return client.first == id; });
  return gone == gone_.end() ? ClientName{} : gone->second;
}

void Server::resume_later(Session& session) {
  reactor_.post([alive = alive_, this, id = session.id()] {
    if (!*alive) return;
    if (Session* found = this->session(id)) found->process_buffered();
  });
}

void Server::turn_end() {
  for (Shard* shard : shards_.all()) shard->submit();
  tracking_.broadcast();
  const Dependency entries = entries_of_turn();
  if (deliveries_.pending()) deliveries_.settle(entries);
  if (relay_.pending()) relay_.settle(entries);
  relay_.send_committed();
  if (!lookers_.empty()) ask_lookers();
  flush_sessions();
  free_sessions();
  look_at_logs();
  bool garbage = false;
  for (Shard* shard : shards_.all()) {
    Keyspace& keyspace = shard->keyspace();
    if (keyspace.garbage_count() > 0 && keyspace.collect_garbage(kGarbagePerTurn)) garbage = true;
  }
  if (garbage) reactor_.post([] {});  // another turn soon, even if no client asks for one
}

Dependency Server::entries_of_turn() {
  Dependency all;
  for (const auto& hosted : hosted_) {
    const Seq last = hosted->shard.last_seq();
    if (last != hosted->told) all.add(&hosted->shard, last);
    hosted->told = last;
  }
  return all;
}

void Server::ask_lookers() {
  std::erase_if(lookers_, [this](const auto& looker) {
    Session* waiting = session(looker.first);
    if (waiting == nullptr || waiting->closing()) return true;
    const BlockReason reason = waiting->block_reason();
    if (reason != BlockReason::kMap && reason != BlockReason::kTrace) return true;
    if (!looker.second(*waiting)) return false;
    waiting->flush_soon();
    waiting->unblock();
    return true;
  });
}

void Server::flush_sessions() {
  // By index: a flush may add a session again (for its close).
  for (size_t i = 0; i < to_flush_.size(); ++i) {
    Session& session = *to_flush_[i];
    session.flush();
    if (session.output.held() && !session.in_held_list) {
      session.in_held_list = true;
      held_.push_back(&session);
    }
  }
  to_flush_.clear();
}

void Server::free_sessions() {
  for (Session* session : to_free_) {
    set_monitor(*session, false);
    pubsub_.leave(*session);
    tracking_.disable(*session);
    if (session->in_held_list) std::erase(held_, session);
    gone_.emplace_back(session->id(), client_name(session->id()));
    if (gone_.size() > kGoneKept) gone_.pop_front();
    sessions_.erase(session->id());
  }
  to_free_.clear();
}

uint64_t Server::publish(std::string_view channel, std::string_view message) {
  if (!is_event_channel(channel)) relay_.add(channel, message);
  return pubsub_.publish(channel, message);
}

void Server::published_elsewhere(const Published& message) {
  HF_ASSERT(!deliveries_.pending());  // whatever pushes settles what it pushed
  ++stats_.messages_from_nodes;
  pubsub_.publish(message.channel(), message.message());
  deliveries_.settle({});  // it was committed there
}

// Of shards that are not served (any more) all that waits is refused, or sent elsewhere.
void Server::look_at_logs() {
  std::vector<Shard*> behind;
  for (Shard* shard : shards_.all()) {
    if (shard->serves() && shard->wants_pause()) behind.push_back(shard);
  }
  if (behind == behind_) return;
  if (behind_.empty()) ++stats_.writes_paused;
  behind_ = std::move(behind);
  for (const auto& [id, session] : sessions_) {
    if (session->block_reason() == BlockReason::kLog) session->unblock();  // it looks again
  }
}

// Those go on whose first held reply waits for this shard; the others would find nothing new.
void Server::on_commit(const Shard& shard) {
  std::erase_if(held_, [&shard](Session* session) {
    const CommitPoint* what = session->output.waits_for();
    if (what != nullptr && what->shard != &shard) return false;
    session->in_held_list = false;
    session->flush_soon();
    return true;
  });
}

// What was not committed is unknown to everyone: a reply of either kind would be a guess, so the
// connection is closed instead (clients take that as "outcome unknown").
//
// Shards that share an engine fail one after the other, for the same reason.
void Server::on_failure(const Status& status) {
  if (std::exchange(failure_told_, true)) return;
  for (const auto& [id, session] : sessions_) {
    if (session->output.held()) session->close_now("the log failed: the outcome is unknown");
  }
  if (on_log_failure_) on_log_failure_(status);
}

void Server::every_100ms() {
  reactor_.run_after(kTickMs, [alive = alive_, this] {
    if (*alive) every_100ms();
  });
  const int64_t now_ms = clock().wall_ms();
  for (const auto& [id, session] : sessions_) session->check_limits(now_ms);
  const uint64_t used = memory_used();
  stats_.peak_memory = std::max(stats_.peak_memory, used);
  if (pause_.until_ms != 0 && now_ms >= pause_.until_ms) end_pause();
  sample_rates(clock().mono_ns());
  shards_.set_access_clock(static_cast<uint32_t>(now_ms / 1000));
  expire_slice();
}

void Server::expire_slice() {
  if (!active_expire_ || expire_slice_pending_ || stopping_) return;
  const int64_t start_ns = clock().mono_ns();
  bool more = false;
  const std::vector<Shard*>& all = shards_.all();
  for (size_t i = 0; i < all.size() && !more; ++i) {
    const int64_t took_us = (clock().mono_ns() - start_ns) / 1000;
    const int64_t left_us = options_.expire_budget_us - took_us;
    more = i > 0 && left_us <= 0;
    if (more) break;
    Shard& shard = *all[expires_next_++ % all.size()];
    stats_.expired_keys += expire_due(shard, i == 0 ? options_.expire_budget_us : left_us, &more);
  }
  latency_.record("expire-cycle", clock().wall_ms() / 1000,
                  (clock().mono_ns() - start_ns) / 1'000'000, options_.latency_threshold_ms);
  serve_waiting();
  if (!more) return;
  // Sockets get their turn between two slices; a quarter of the time is the most that is taken.
  expire_slice_pending_ = true;
  reactor_.run_after(std::max<int64_t>(1, options_.expire_budget_us * 3 / 1000),
                     [alive = alive_, this] {
                       if (!*alive) return;
                       expire_slice_pending_ = false;
                       expire_slice();
                     });
}

uint64_t Server::expire_due(Shard& shard, int64_t budget_us, bool* more) {
  const auto expiring = [this](DbId db, const KeyRef& key) { key_expires(db, key); };
  const uint64_t erased = shard.expire_due(clock().wall_ms(), budget_us, expiring, more);
  if (!*more) {
    shard.expire_due_fields(
        clock().wall_ms(), budget_us,
        [this](DbId db, const KeyRef& key, bool emptied) { fields_expired(db, key, emptied); },
        more);
  }
  settle_pushes_of(shard);
  return erased;
}

// What the server itself has changed there, not a client.
void Server::settle_pushes_of(const Shard& shard) {
  if (!deliveries_.pending()) return;
  Dependency all(&shard);
  all.add(&shard, shard.last_seq());
  deliveries_.settle(all);
}

void Server::key_expires(DbId db, const KeyRef& key) {
  if ((options_.notify_events & mask_of(NotifyClass::kExpired)) != 0) {
    pubsub_.publish_event(options_.notify_events, shards_.logical(db), "expired", key.bytes);
  }
  tracking_.changed(key.bytes, nullptr);
}

void Server::fields_expired(DbId db, const KeyRef& key, bool emptied) {
  const NotifyMask asked = options_.notify_events;
  const auto publish = [&](NotifyClass what, std::string_view event) {
    if ((asked & mask_of(what)) == 0) return;
    pubsub_.publish_event(asked, shards_.logical(db), event, key.bytes);
  };
  publish(NotifyClass::kHash, "hexpired");
  if (emptied) publish(NotifyClass::kGeneric, "del");
  tracking_.changed(key.bytes, nullptr);
}

std::string& Server::operands() {
  constexpr size_t kKept = 1 << 20;
  if (operands_.capacity() > kKept) operands_ = std::string();
  operands_.clear();
  return operands_;
}

void Server::sample_rates(int64_t now_ns) {
  if (now_ns - sampled_ns_ < kRateSampleNs) return;
  const double seconds = double(now_ns - sampled_ns_) / 1e9;
  if (sampled_ns_ != 0) {
    ops_per_second_ = double(stats_.commands_processed - sampled_commands_) / seconds;
    input_kbps_ = double(stats_.net_input_bytes - sampled_input_) / seconds / 1024;
    output_kbps_ = double(stats_.net_output_bytes - sampled_output_) / seconds / 1024;
  }
  sampled_ns_ = now_ns;
  sampled_commands_ = stats_.commands_processed;
  sampled_input_ = stats_.net_input_bytes;
  sampled_output_ = stats_.net_output_bytes;
}

void Server::end_pause() {
  pause_ = {};
  for (const auto& [id, session] : sessions_) {
    if (session->block_reason() == BlockReason::kPause) session->unblock();
  }
  serve_waiting();
}

void Server::set_monitor(Session& session, bool on) {
  if (session.state.monitor == on) return;
  session.state.monitor = on;
  if (on) {
    monitors_.push_back(session.id());
  } else {
    std::erase(monitors_, session.id());
  }
}

void Server::apply_setting(const OptionSpec& option) {
  if (option.name == "log.level") set_log_level(options_.log.level);
  if (option.name == "slowlog.max_len") slowlog_.trim(options_.slowlog_max_len);
  if (option.name.starts_with("slowlog.")) {
    for (Shard* shard : shards_.all()) keep_slow_traces(*shard);
  }
  if (option.name == "memory.limit") watch_memory();
  if (option.name.starts_with("collections.")) {
    for (Shard* shard : shards_.all()) shard->keyspace().set_limits(options_.collections);
  }
  if (option.name == "tracking.table_max_keys") tracking_.trim(0);
  if (option.name == "resp.password") acl_.set_default_password(options_.resp_password);
  if (option.name == "resp.acl_log_max_len") acl_log_.trim(options_.resp_acl_log_max_len);
  if (option.name == "resp.acl_pubsub_default") {
    acl_.set_all_channels_by_default(options_.resp_acl_all_channels);
  }
}

void Server::reset_stats() {
  const uint64_t peak = stats_.peak_memory;
  stats_ = {};
  stats_.peak_memory = peak;
  commands_.reset_stats();
  sampled_commands_ = sampled_input_ = sampled_output_ = 0;
}

}  // namespace holdfast
