// See map_poller.h.
#include "gateway/map_poller.h"

#include <algorithm>
#include <map>

#include "base/log.h"

namespace holdfast {
namespace {

constexpr std::string_view kQuestion = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";

std::string host_and_port(std::string_view host, int64_t port, const std::string& asked) {
  const std::string_view own = std::string_view(asked).substr(0, asked.rfind(':'));
  if (host.empty() || host == "?") host = own;
  return std::string(host) + ':' + std::to_string(port);
}

bool read_integer(ReplyCursor& cursor, int64_t* value) {
  ReplyElement element;
  if (!cursor.next(&element) || element.kind != ':') return false;
  const std::string digits(element.text);
  *value = std::strtoll(digits.c_str(), nullptr, 10);
  return true;
}

// [first, last, [host, port, ...], replicas...]; *address is empty when the primary is unknown.
bool read_range(ReplyCursor& cursor, const std::string& asked, SlotRange* range,
                std::string* address) {
  ReplyElement entry, node, host;
  int64_t first, last, port;
  if (!cursor.next(&entry) || !entry.is_aggregate() || entry.count < 2) return false;
  if (!read_integer(cursor, &first) || !read_integer(cursor, &last)) return false;
  if (first < 0 || last < first || last >= kSlotCount) return false;
  *range = {static_cast<SlotId>(first), static_cast<SlotId>(last)};
  address->clear();
  if (entry.count == 2) return true;
  if (!cursor.next(&node) || !node.is_aggregate() || node.count < 2) return false;
  if (!cursor.next(&host) || !read_integer(cursor, &port)) return false;
  if (port > 0) *address = host_and_port(host.null ? std::string_view() : host.text, port, asked);
  for (int64_t i = 2; i < node.count; ++i) cursor.next_whole();
  for (int64_t i = 3; i < entry.count; ++i) cursor.next_whole();
  return true;
}

void add_shard(ClusterMap& map, const std::string& address, std::vector<SlotRange> slots) {
  const auto id = static_cast<NodeId>(map.nodes.size() + 1);
  NodeRecord node;
  node.id = id;
  node.resp_address = address;
  map.nodes.push_back(std::move(node));
  ClusterShard shard;
  shard.id = id;
  shard.slots = std::move(slots);
  shard.record.active.epoch = 1;
  shard.record.active.phase = ViewPhase::kActive;
  shard.record.active.primary = {id, 0};
  shard.record.active.members = {{id, 0}};
  shard.record.active.write_quorum = 1;
  map.shards.push_back(std::move(shard));
}

}  // namespace

bool map_of_slots(std::string_view reply, const std::string& asked, ClusterMap* map) {
  ReplyCursor cursor(reply);
  ReplyElement all;
  if (!cursor.next(&all) || !all.is_aggregate() || all.count < 0) return false;
  std::map<std::string, std::vector<SlotRange>> by_primary;
  for (int64_t i = 0; i < all.count; ++i) {
    SlotRange range;
    std::string address;
    if (!read_range(cursor, asked, &range, &address)) return false;
    if (!address.empty()) by_primary[address].push_back(range);
  }
  *map = {};
  for (auto& [address, slots] : by_primary) add_shard(*map, address, std::move(slots));
  return true;
}

ClusterMap map_of_one(const std::string& address) {
  ClusterMap map;
  add_shard(map, address, {{0, kSlotCount - 1}});
  return map;
}

MapPoller::MapPoller(BackendContext& context, std::vector<std::string> seeds, std::string user,
                     std::string password, OnMap on_map)
    : context_(context),
      seeds_(std::move(seeds)),
      user_(std::move(user)),
      password_(std::move(password)),
      on_map_(std::move(on_map)),
      known_(seeds_) {}

MapPoller::~MapPoller() {
  context_.reactor.cancel(timer_);
  if (call_ != nullptr) Backend::abandon(*call_);
}

void MapPoller::start() {
  if (seeds_.empty()) return;
  stopped_ = false;
  schedule(0);
}

void MapPoller::stop() {
  stopped_ = true;
  context_.reactor.cancel(timer_);
  timer_ = 0;
}

void MapPoller::poll_now() {
  if (stopped_ || call_ != nullptr) return;
  const int64_t since_ms = (context_.reactor.clock().mono_ns() - asked_ns_) / 1'000'000;
  schedule(std::max<int64_t>(0, kAgainMs - since_ms));
}

// The earliest that was asked for counts.
void MapPoller::schedule(int64_t delay_ms) {
  const int64_t due_ns = context_.reactor.clock().mono_ns() + delay_ms * 1'000'000;
  if (timer_ != 0 && due_ns_ <= due_ns) return;
  context_.reactor.cancel(timer_);
  due_ns_ = due_ns;
  timer_ = context_.reactor.run_after(delay_ms, [this] {
    timer_ = 0;
    ask();
  });
}

void MapPoller::next_node() {
  ++at_;
  leaving_ = std::move(backend_);
}

void MapPoller::ask() {
  leaving_.reset();
  if (stopped_) return;
  const int64_t now_ns = context_.reactor.clock().mono_ns();
  if (call_ != nullptr) {  // it does not answer
    if (now_ns - call_->started_ns < kAnswerNs) return schedule(kAgainMs);
    Backend::abandon(*call_);
    call_ = nullptr;
    answer_.clear();
    next_node();
    return schedule(kAgainMs);
  }
  if (backend_ == nullptr) {
    BackendOptions options;
    options.user = user_;
    options.password = password_;
    options.quiet = true;
    backend_ = std::make_unique<Backend>(context_, known_[at_ % known_.size()], options);
  }
  call_ = context_.calls.take();
  call_->sink = this;
  call_->started_ns = asked_ns_ = now_ns;
  backend_->send(*call_, kQuestion, false);
  schedule(kEveryMs);
}

void MapPoller::finish(Call& call) {
  context_.calls.give_back(&call);
  call_ = nullptr;
  answer_.clear();
}

void MapPoller::on_reply(Call& call, std::string_view piece, bool done) {
  answer_.append(piece);
  if (!done) return;
  const std::string answer = std::move(answer_);
  const std::string asked = backend_->address();
  finish(call);
  ClusterMap map;
  if (answer.starts_with("-ERR This instance has cluster support disabled")) {
    note(map_of_one(asked), true);
  } else if (map_of_slots(answer, asked, &map) && !map.shards.empty()) {
    note(std::move(map), false);
  } else {
    log_debug("a node cannot tell who serves what",
              {{"node", asked}, {"answer", answer.substr(0, 100)}});
    next_node();
    schedule(kAgainMs);
  }
}

void MapPoller::note(ClusterMap map, bool unsharded) {
  ++answers_;
  known_ = seeds_;
  for (const NodeRecord& node : map.nodes) {
    if (std::find(known_.begin(), known_.end(), node.resp_address) == known_.end()) {
      known_.push_back(node.resp_address);
    }
  }
  on_map_({std::move(map), unsharded});
}

void MapPoller::on_refused(Call& call, const NodeRefusal&, std::string_view) { on_lost(call); }

void MapPoller::on_lost(Call& call) {
  const int64_t now_ns = context_.reactor.clock().mono_ns();
  if (said_ns_ == 0 || now_ns - said_ns_ > kSayAgainNs) {
    said_ns_ = now_ns;
    log_warning("a node cannot be asked who serves what", {{"node", backend_->address()}});
  }
  finish(call);
  next_node();
  schedule(kAgainMs);
}

}  // namespace holdfast
