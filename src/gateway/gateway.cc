// See gateway.h. INFO is in gateway_info.cc.
#include "gateway/gateway.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/quoted.h"
#include "gateway/merge.h"

namespace holdfast {

Gateway::Gateway(Reactor& reactor, Net& net, Random& random, Options& options, GatewayHooks hooks)
    : options_(options),
      random_(random),
      hooks_(std::move(hooks)),
      context_(reactor, net),
      start_wall_ms_(reactor.clock().wall_ms()),
      read_buffer_(std::make_unique<char[]>(kReadBufferBytes)) {
  const uint64_t number = random.next();  // as the log of a node shows it
  run_id_ = (hex16(number) + hex16(random.next()) + hex16(random.next())).substr(0, 40);
  const std::string gateway = std::to_string(number);
  const std::string_view words[] = {"TAG", gateway};
  append_command(&tag_head_, words);
  tag_head_[1] = '5';  // the rest is each write's own
  tag_scratch_ = tag_head_;
  context_.queue_limit = options_.gateway_queue_bytes;
  context_.silence_ns = std::max<int64_t>(1000, options_.cluster_failure_timeout_ms) * 1'000'000;
  context_.on_trouble = [this](const std::string& address) { trouble(address); };
  context_.on_relief = [this](Backend&) { relief(); };
  reactor.add_turn_end([this, alive = alive_] {
    if (*alive) turn_end();
  });
  poller_ = std::make_unique<MapPoller>(
      context_, options_.gateway_seeds, options_.gateway_user, options_.gateway_password,
      [this](MapPoller::Learned map) { learned(std::move(map)); });
  run_after(kTickMs, [this] { every_100ms(); });
}

Gateway::~Gateway() {
  *alive_ = false;
  listeners_.clear();
  sessions_.clear();
  poller_.reset();
}

void Gateway::post(std::function<void()> task) {
  context_.reactor.post([alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

void Gateway::run_after(int64_t ms, std::function<void()> task) {
  context_.reactor.run_after(ms, [alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

Status Gateway::listen() {
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
    auto listener = context_.net.listen(address, how, on_accept);
    if (!listener.ok()) return listener.status();
    listeners_.push_back(std::move(listener.value()));
  }
  poller_->start();
  return {};
}

std::vector<Address> Gateway::addresses() const {
  std::vector<Address> all;
  for (const auto& listener : listeners_) all.push_back(listener->address());
  return all;
}

void Gateway::stop_serving() {
  stopping_ = true;
  listeners_.clear();
  for (const auto& [id, session] : sessions_) session->update_reading();
}

bool Gateway::drained() const {
  return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
    return entry.second->idle() && entry.second->output().empty();
  });
}

// --- clients ---

void Gateway::refuse(Conn& conn, std::string_view error) {
  ++context_.stats.connections_rejected;
  std::string line = "-" + std::string(error) + "\r\n";
  const iovec part{line.data(), line.size()};
  (void)conn.writev(std::span(&part, 1));
}

void Gateway::accept(std::unique_ptr<Conn> conn) {
  ++context_.stats.connections_received;
  if (sessions_.size() >= options_.resp_max_clients) {
    return refuse(*conn, "ERR max number of clients reached");
  }
  if (options_.resp_protected_mode && open_to_all() && !conn->peer().is_loopback()) {
    return refuse(*conn,
                  "DENIED This gateway runs in protected mode: without a password only clients on "
                  "the same host are accepted. Set resp.password (requirepass), or "
                  "resp.protected_mode: no if only trusted clients can reach it.");
  }
  if (!conn->peer().is_unix()) conn->set_keepalive(options_.resp_keepalive_s);
  const uint64_t id = next_session_id_++;
  auto session = std::make_unique<GatewaySession>(*this, id, std::move(conn), clock().wall_ms());
  session->authenticated = open_to_all();
  session->update_reading();
  sessions_.emplace(id, std::move(session));
}

GatewaySession* Gateway::session(uint64_t id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Gateway::resume_later(GatewaySession& session) {
  post([this, id = session.id()] {
    if (GatewaySession* found = this->session(id)) found->process_buffered();
  });
}

void Gateway::throttle(GatewaySession& session, Backend& backend) {
  ++context_.stats.throttled;
  backend.was_full = true;
  throttled_.push_back(session.id());
}

void Gateway::relief() {
  for (const uint64_t id : std::exchange(throttled_, {})) {
    if (GatewaySession* found = session(id)) found->end_throttle();
  }
}

void Gateway::turn_end() {
  // By index: what is written can fail, and so put something in here again.
  for (size_t i = 0; i < context_.unflushed.size(); ++i) context_.unflushed[i]->flush();
  context_.unflushed.clear();
  for (size_t i = 0; i < to_flush_.size(); ++i) to_flush_[i]->flush();
  to_flush_.clear();
  for (const uint64_t id : std::exchange(to_clean_, {})) {
    if (GatewaySession* found = session(id)) found->old_links_.clear();
  }
  free_sessions();
}

void Gateway::free_sessions() {
  for (size_t i = 0; i < to_free_.size(); ++i) sessions_.erase(to_free_[i]->id());
  to_free_.clear();
}

void Gateway::every_100ms() {
  run_after(kTickMs, [this] { every_100ms(); });
  const int64_t now_ms = clock().wall_ms();
  const int64_t now_ns = clock().mono_ns();
  for (const auto& [id, session] : sessions_) session->check(now_ms);
  // A check may close one, whose owner may make another.
  const std::vector<Backend*> backends(context_.backends.begin(), context_.backends.end());
  for (Backend* backend : backends) backend->check(now_ns);
  retire_nodes(now_ns);
  if (now_ns - sampled_ns_ >= 1'000'000'000) {
    const double seconds = double(now_ns - sampled_ns_) / 1e9;
    if (sampled_ns_ != 0) {
      ops_per_second_ = double(context_.stats.commands - sampled_commands_) / seconds;
    }
    sampled_commands_ = context_.stats.commands;
    sampled_ns_ = now_ns;
  }
}

// --- nodes ---

Backend& Gateway::shared(GatewayNode& node, int protocol, uint64_t session) {
  auto& backends = node.shared[protocol == 3 ? 1 : 0];
  if (backends.empty()) {
    BackendOptions options;
    options.protocol = protocol;
    options.user = options_.gateway_user;
    options.password = options_.gateway_password;
    for (int i = 0; i < options_.gateway_connections; ++i) {
      backends.push_back(std::make_unique<Backend>(context_, node.address, options));
    }
  }
  return backends.size() == 1 ? *backends[0] : *backends[session % backends.size()];
}

SlotId Gateway::any_slot() const {
  return topology_.primaries().empty() ? SlotId{0} : topology_.primaries()[0]->first_slot;
}

// Shards whose node is not known count too: what asks all has to wait for them.
std::vector<SlotId> Gateway::slots_of_all() const {
  std::vector<SlotId> slots;
  std::vector<const GatewayNode*> seen;
  for (const GatewayNode* node : topology_.primaries()) {
    slots.push_back(node->first_slot);
    seen.push_back(node);
  }
  for (const ClusterShard& shard : topology_.map().shards) {
    if (shard.slots.empty()) continue;
    if (topology_.owner(shard.slots[0].first) == nullptr) slots.push_back(shard.slots[0].first);
  }
  if (slots.empty()) slots.push_back(0);
  return slots;
}

// A node that serves nothing any more answers what it has; what it never answers is given up.
void Gateway::retire_nodes(int64_t now_ns) {
  for (const auto& [address, node] : topology_.nodes()) {
    if (node->primary) continue;
    if (node->retired_ns == 0) node->retired_ns = now_ns;
    if (now_ns - node->retired_ns < retired_ns()) continue;
    const std::vector<Backend*> backends(context_.backends.begin(), context_.backends.end());
    for (Backend* backend : backends) {
      if (backend->address() == address && backend->silent_for(retired_ns(), now_ns)) {
        backend->close("it is silent, and serves no slot any more");
      }
    }
  }
}

void Gateway::trouble(const std::string& address) {
  refresh_map();
  if (!hooks_.on_suspect) return;
  int64_t& last = last_report_ns_[address];
  const int64_t now_ns = clock().mono_ns();
  if (last != 0 && now_ns - last < kTickMs * 1'000'000) return;
  last = now_ns;
  const ClusterMap& map = topology_.map();
  for (const ClusterShard& shard : map.shards) {
    const NodeRecord* primary = map.node(shard.primary().node);
    if (primary == nullptr || primary->resp_address != address) continue;
    ++context_.stats.suspects;
    log_info("a primary is suspected", {{"shard", uint64_t{shard.id}}, {"node", address}});
    hooks_.on_suspect(shard.id, primary->id);
  }
}

void Gateway::is_busy(const std::string& address) {
  for (Backend* backend : context_.backends) {
    if (backend->address() == address) backend->is_busy(clock().mono_ns());
  }
}

// --- who serves what ---

void Gateway::set_map(ClusterMap map) {
  if (!map_is_told_) {
    map_is_told_ = true;
    poller_->stop();
    topology_.forget_revision();
  }
  const uint64_t before = topology_.generation();
  topology_.unsharded = false;
  const uint64_t revision = map.revision;
  if (!topology_.set_map(std::move(map))) return;
  log_debug("a map came", {{"revision", revision}});
  map_changed(before);
}

void Gateway::learned(MapPoller::Learned learned) {
  if (map_is_told_) return;
  const uint64_t before = topology_.generation();
  topology_.unsharded = learned.unsharded;
  learned.map.revision = ++learned_revision_;
  topology_.set_map(std::move(learned.map));
  map_changed(before);
}

void Gateway::map_changed(uint64_t generation_before) {
  if (topology_.generation() == generation_before) return;
  log_info("slots are served by others now",
           {{"nodes", topology_.primaries().size()}, {"all_slots", topology_.complete()}});
  for (const auto& [id, session] : sessions_) session->topology_changed();
  if (!retrying_.empty() && !retry_posted_) {
    retry_posted_ = true;
    post([this] { retry_all(); });
  }
}

void Gateway::moved(SlotId slot, std::string_view address) {
  if (!address.empty()) {
    const uint64_t before = topology_.generation();
    topology_.learn(slot, topology_.node(address));
    if (topology_.generation() != before) {
      for (const auto& [id, session] : sessions_) session->topology_changed();
    }
  }
  refresh_map();
}

void Gateway::refresh_map() {
  if (!map_is_told_) poller_->poll_now();
}

void Gateway::retry_later(GatewaySession& session) {
  if (!session.in_retry_list) {
    session.in_retry_list = true;
    retrying_.push_back(session.id());
  }
  if (session.retry_at_once() && !retry_posted_) {
    retry_posted_ = true;
    post([this] { retry_all(); });
  }
  if (retry_timer_set_) return;
  retry_timer_set_ = true;
  run_after(kRetryMs, [this] {
    retry_timer_set_ = false;
    retry_all();
  });
}

void Gateway::retry_all() {
  retry_posted_ = false;
  const int64_t now_ns = clock().mono_ns();
  for (const uint64_t id : std::exchange(retrying_, {})) {
    GatewaySession* found = session(id);
    if (found == nullptr) continue;
    found->in_retry_list = false;
    // What still waits is looked at with the next tick.
    if (found->retry(now_ns) && found->waits_for_retry()) {
      found->in_retry_list = true;
      retrying_.push_back(id);
    }
  }
  if (retrying_.empty() || retry_timer_set_) return;
  retry_timer_set_ = true;
  run_after(kRetryMs, [this] {
    retry_timer_set_ = false;
    retry_all();
  });
}

std::string Gateway::merge(const GatewaySession& session, Merge how, const Call& whole,
                           std::span<const std::string_view> answers) {
  if (how == Merge::kInfo) {
    const std::string text = info_text(whole.fanout->words, answers);
    const bool verbatim = session.protocol() == 3;
    const size_t size = text.size() + (verbatim ? 4 : 0);
    return (verbatim ? "=" : "$") + std::to_string(size) + "\r\n" + (verbatim ? "txt:" : "") +
           text + "\r\n";
  }
  if (how != Merge::kScan || answers[0].starts_with("-")) {
    return merge_answers(how, answers, whole.fanout->order, random_);
  }
  const GatewayNode* here = topology_.owner(whole.slot);
  int next = -1;
  for (const GatewayNode* node : topology_.primaries()) {
    if (here != nullptr && node->first_slot > here->first_slot &&
        (next < 0 || node->first_slot < next)) {
      next = node->first_slot;
    }
  }
  std::string text = merge_scan(answers[0], whole.slot, next);
  return text.empty() ? "-ERR this node's cursors cannot be used through a gateway\r\n" : text;
}

}  // namespace holdfast
