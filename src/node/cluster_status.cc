// See cluster_status.h.
#include "node/cluster_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/escape.h"
#include "base/net.h"
#include "base/options.h"

namespace holdfast {
namespace {

using Node = ClusterStatus::Node;
using Shard = ClusterStatus::Shard;

Node node_of(const RespValue& told) {
  Node node;
  node.id = told.field("node").number;
  node.state = told.field("state").text;
  node.address = told.field("address").text;
  node.primaries = told.field("primaries").number;
  node.copies = told.field("copies").number;
  node.store = told.field("store").text;
  if (const RespValue& silent = told.field("silent_ms"); silent.type == ':') {
    node.silent_ms = silent.number;
  }
  return node;
}

Shard shard_of(const RespValue& told) {
  Shard shard;
  shard.id = told.field("shard").number;
  shard.slots = told.field("slots").text;
  shard.phase = told.field("phase").text;
  shard.epoch = told.field("epoch").number;
  shard.primary = told.field("primary").number;
  shard.write_quorum = told.field("write_quorum").number;
  for (const RespValue& member : told.field("members").elements) {
    shard.copies.push_back({.node = member.field("node").number});
    shard.copies.back().store = member.field("store").text;
  }
  return shard;
}

// What the nodes reported of their copies to the coordinator that is asked. False: it is none.
bool ask_copies(RespClient& server, ClusterStatus* cluster) {
  std::map<std::pair<int64_t, int64_t>, RespValue> reports;  // of shard and node
  for (const Node& node : cluster->nodes) {
    const Result<RespValue> info = server.ask({"NODE", "INFO", std::to_string(node.id)});
    if (!info.ok() || info.value().error()) return false;
    for (const RespValue& replica : info.value().field("replicas").elements) {
      reports[{replica.field("shard").number, node.id}] = replica;
    }
  }
  for (Shard& shard : cluster->shards) {
    const auto primary = reports.find({shard.id, shard.primary});
    for (ClusterStatus::Copy& copy : shard.copies) {
      const auto found = reports.find({shard.id, copy.node});
      if (found == reports.end()) continue;
      copy.reported = true;
      copy.stalled = found->second.field("stalled").number != 0;
      if (primary == reports.end()) continue;
      const int64_t lacks =
          primary->second.field("last").number - found->second.field("last").number;
      copy.behind = std::max<int64_t>(0, lacks);
    }
  }
  return true;
}

// What is wrong with a copy on a node that is up; empty: nothing.
std::string problem_of(const ClusterStatus::Copy& copy, const Node& node, bool copies_known) {
  if (copy.store != node.store) return "is lost: the node has another store now";
  if (copies_known && !copy.reported) return "is not reported";
  if (copy.stalled) return "cannot be written: its device is full, or does not answer";
  return {};
}

void find_problems(const std::string& waits_for, bool copies_known, ClusterStatus* cluster) {
  if (!waits_for.empty()) cluster->problems.push_back("the cluster waits: " + waits_for);
  if (cluster->shards.empty()) cluster->problems.emplace_back("no slots are served yet");
  for (const Node& node : cluster->nodes) {
    if (node.state == "down") {
      cluster->problems.push_back(fmt::format("node {} ({}) is down", node.id, node.address));
    }
  }
  for (const Shard& shard : cluster->shards) {
    if (shard.phase != "active") {
      cluster->problems.push_back(
          fmt::format("shard {} has no active view: {}", shard.id, shard.phase));
    }
    for (const ClusterStatus::Copy& copy : shard.copies) {
      const auto node = std::ranges::find(cluster->nodes, copy.node, &Node::id);
      if (node == cluster->nodes.end() || node->state == "down") continue;
      const std::string problem = problem_of(copy, *node, copies_known);
      if (problem.empty()) continue;
      cluster->problems.push_back(
          fmt::format("shard {}: the copy on node {} {}", shard.id, copy.node, problem));
    }
  }
}

std::string_view moved_to(const RespValue& reply) {
  const std::string_view text = reply.text;
  return reply.error() && text.starts_with("MOVED 0 ") ? text.substr(8) : std::string_view();
}

std::string painted(const std::string& text, bool bad, bool colours) {
  if (!colours) return text;
  return (bad ? "\033[31m" : "\033[32m") + text + "\033[0m";
}

std::string or_dash(int64_t number) { return number < 0 ? "-" : std::to_string(number); }

// Those that the server goes by, as their clients reach them.
std::vector<Address> coordinators_of(RespClient& server) {
  constexpr std::string_view kOption = "cluster.coordinators";
  const Result<RespValue> told = server.ask({"CONFIG", "GET", std::string(kOption)});
  Options options;
  if (!told.ok() || told.value().elements.size() != 2) return {};
  if (!find_option(kOption)->set(options, told.value().elements[1].text).ok()) return {};
  std::vector<Address> addresses;
  for (const GroupMember& member : options.cluster_coordinators) {
    addresses.push_back({member.host, member.resp_port, {}});
  }
  return addresses;
}

// What the server knows, or the one that it names in its place.
Result<ClusterStatus> ask_one(RespClient& server, const std::string& password, bool* copies_known) {
  Result<RespValue> views = server.ask({"VIEW", "LIST"});
  if (!views.ok()) return views.status();
  if (const std::string_view leader = moved_to(views.value()); !leader.empty()) {
    const Result<Address> address = Address::parse(leader);
    if (!address.ok()) return address.status();
    RespClient other;
    const Status connected = other.connect(address.value().host, address.value().port, password);
    if (!connected.ok()) return connected;
    return ask_one(other, password, copies_known);
  }
  if (views.value().error()) return Status::unavailable(views.value().text);
  const Result<RespValue> nodes = server.ask({"NODE", "LIST"});
  if (!nodes.ok()) return nodes.status();
  ClusterStatus cluster;
  cluster.revision = views.value().field("revision").number;
  for (const RespValue& node : nodes.value().elements) cluster.nodes.push_back(node_of(node));
  for (const RespValue& view : views.value().field("views").elements) {
    cluster.shards.push_back(shard_of(view));
  }
  *copies_known = ask_copies(server, &cluster);
  find_problems(views.value().field("waits_for").text, *copies_known, &cluster);
  return cluster;
}

}  // namespace

Result<ClusterStatus> ask_cluster(RespClient& server, const std::string& password) {
  bool copies_known = false;
  Result<ClusterStatus> cluster = ask_one(server, password, &copies_known);
  if (!cluster.ok() || copies_known) return cluster;
  for (const Address& coordinator : coordinators_of(server)) {
    RespClient other;
    if (!other.connect(coordinator.host, coordinator.port, password).ok()) continue;
    Result<ClusterStatus> told = ask_one(other, password, &copies_known);
    if (told.ok() && copies_known) return told;
  }
  cluster.value().problems.emplace_back("no coordinator tells how the copies are");
  return cluster;
}

std::string format_cluster(const ClusterStatus& cluster, bool colours) {
  std::string out = fmt::format("cluster   revision {}\n", cluster.revision);
  out += fmt::format("\n{:>5}  {:<9} {:<22} {:>9} {:>6} {:>10}\n", "node", "state", "address",
                     "primaries", "copies", "silent ms");
  for (const Node& node : cluster.nodes) {
    out += fmt::format("{:>5}  {} {:<22} {:>9} {:>6} {:>10}\n", node.id,
                       painted(fmt::format("{:<9}", node.state), node.state == "down", colours),
                       node.address, node.primaries, node.copies, or_dash(node.silent_ms));
  }
  out += fmt::format("\n{:>5}  {:<9} {:>6} {:>8}  {:<24} {}\n", "shard", "view", "epoch", "primary",
                     "copies (entries behind)", "slots");
  for (const Shard& shard : cluster.shards) {
    std::string copies;
    for (const ClusterStatus::Copy& copy : shard.copies) {
      copies +=
          fmt::format("{}{} ({})", copies.empty() ? "" : " ", copy.node, or_dash(copy.behind));
    }
    out += fmt::format("{:>5}  {} {:>6} {:>8}  {:<24} {}\n", shard.id,
                       painted(fmt::format("{:<9}", shard.phase), shard.phase != "active", colours),
                       shard.epoch, shard.primary, copies, shard.slots);
  }
  out += '\n';
  for (const std::string& problem : cluster.problems) out += painted(problem, true, colours) + "\n";
  if (cluster.problems.empty()) out += painted("all is well", false, colours) + "\n";
  return out;
}

std::string cluster_json(const ClusterStatus& cluster) {
  const auto text = [](const std::string& value) {
    std::string out;
    append_json_string(out, value);
    return out;
  };
  const auto list = [](const auto& all, const auto& each) {
    std::string out = "[";
    for (const auto& one : all) out += (out.size() > 1 ? "," : "") + each(one);
    return out + "]";
  };
  const auto number = [](int64_t value) { return value < 0 ? "null" : std::to_string(value); };
  const auto node = [&](const Node& of) {
    return fmt::format(
        R"({{"node":{},"state":{},"address":{},"primaries":{},"copies":{},"silent_ms":{}}})", of.id,
        text(of.state), text(of.address), of.primaries, of.copies, number(of.silent_ms));
  };
  const auto copy = [&](const ClusterStatus::Copy& of) {
    return fmt::format(R"({{"node":{},"behind":{},"stalled":{}}})", of.node, number(of.behind),
                       of.stalled);
  };
  const auto shard = [&](const Shard& of) {
    return fmt::format(R"({{"shard":{},"slots":{},"view":{},"epoch":{},"primary":{},)"
                       R"("write_quorum":{},"copies":{}}})",
                       of.id, text(of.slots), text(of.phase), of.epoch, of.primary, of.write_quorum,
                       list(of.copies, copy));
  };
  return fmt::format(R"({{"revision":{},"nodes":{},"shards":{},"problems":{}}})", cluster.revision,
                     list(cluster.nodes, node), list(cluster.shards, shard),
                     list(cluster.problems, text));
}

}  // namespace holdfast
