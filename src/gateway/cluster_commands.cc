// CLUSTER, for clients that want to know who serves what: the nodes behind this gateway. A cluster
// client that asks here goes on with the nodes themselves.
#include <algorithm>

#include "gateway/gateway.h"
#include "store/key.h"
#include "store/object.h"

namespace holdfast {
namespace {

// Consecutive slots of one node.
struct Run {
  int first;
  int last;
  const GatewayNode* node;
};

std::vector<Run> runs_of(const Topology& topology) {
  std::vector<Run> runs;
  for (int slot = 0; slot < kSlotCount; ++slot) {
    const GatewayNode* node = topology.owner(static_cast<SlotId>(slot));
    if (node == nullptr) continue;
    if (!runs.empty() && runs.back().node == node && runs.back().last == slot - 1) {
      runs.back().last = slot;
    } else {
      runs.push_back({slot, slot, node});
    }
  }
  return runs;
}

// 40 hexadecimal digits, as long as the address is the same.
std::string id_of(const std::string& address) {
  uint64_t a = hash_of(address, 1), b = hash_of(address, 2), c = hash_of(address, 3);
  char text[49];
  std::snprintf(text, sizeof text, "%016llx%016llx%016llx", static_cast<unsigned long long>(a),
                static_cast<unsigned long long>(b), static_cast<unsigned long long>(c));
  return std::string(text, 40);
}

std::string host_of(const std::string& address) {
  Address parsed;
  return parse_address(address, &parsed) ? parsed.host : address;
}

int64_t port_of(const std::string& address) {
  Address parsed;
  return parse_address(address, &parsed) ? parsed.port : 0;
}

}  // namespace

namespace here {

void cluster_info(GatewaySession& session, CommandArgs) {
  const Topology& topology = session.gateway().topology();
  int assigned = 0;
  for (const Run& run : runs_of(topology)) assigned += run.last - run.first + 1;
  const std::string slots = std::to_string(assigned);
  const size_t nodes = topology.primaries().size();
  const std::string text =
      std::string("cluster_enabled:1\r\ncluster_state:") + (topology.complete() ? "ok" : "fail") +
      "\r\ncluster_slots_assigned:" + slots + "\r\ncluster_slots_ok:" + slots +
      "\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:" +
      std::to_string(std::max(nodes, topology.map().nodes.size())) +
      "\r\ncluster_size:" + std::to_string(nodes) +
      "\r\ncluster_current_epoch:" + std::to_string(topology.map().revision) +
      "\r\ncluster_my_epoch:0\r\n";
  session.answer([&](ReplyWriter& reply) { reply.verbatim("txt", text); });
}

void cluster_slots(GatewaySession& session, CommandArgs) {
  const std::vector<Run> runs = runs_of(session.gateway().topology());
  session.answer([&](ReplyWriter& reply) {
    reply.array(runs.size());
    for (const Run& run : runs) {
      reply.array(3);
      reply.integer(run.first);
      reply.integer(run.last);
      reply.array(4);
      reply.bulk(host_of(run.node->address));
      reply.integer(port_of(run.node->address));
      reply.bulk(id_of(run.node->address));
      reply.array(0);
    }
  });
}

void cluster_shards(GatewaySession& session, CommandArgs) {
  const Topology& topology = session.gateway().topology();
  const std::vector<Run> runs = runs_of(topology);
  session.answer([&](ReplyWriter& reply) {
    reply.array(topology.primaries().size());
    for (const GatewayNode* node : topology.primaries()) {
      std::vector<Run> own;
      std::copy_if(runs.begin(), runs.end(), std::back_inserter(own),
                   [node](const Run& run) { return run.node == node; });
      reply.map(2);
      reply.bulk("slots");
      reply.array(own.size() * 2);
      for (const Run& run : own) {
        reply.integer(run.first);
        reply.integer(run.last);
      }
      reply.bulk("nodes");
      reply.array(1);
      reply.map(7);
      reply.bulk("id");
      reply.bulk(id_of(node->address));
      reply.bulk("port");
      reply.integer(port_of(node->address));
      reply.bulk("ip");
      reply.bulk(host_of(node->address));
      reply.bulk("endpoint");
      reply.bulk(host_of(node->address));
      reply.bulk("role");
      reply.bulk("master");
      reply.bulk("replication-offset");
      reply.integer(0);
      reply.bulk("health");
      reply.bulk("online");
    }
  });
}

void cluster_nodes(GatewaySession& session, CommandArgs) {
  const Topology& topology = session.gateway().topology();
  const std::vector<Run> runs = runs_of(topology);
  std::string text;
  for (const GatewayNode* node : topology.primaries()) {
    const int64_t port = port_of(node->address);
    text += id_of(node->address) + ' ' + host_of(node->address) + ':' + std::to_string(port) + '@' +
            std::to_string(port + 10000) + (text.empty() ? " myself,master" : " master") +
            " - 0 0 " + std::to_string(topology.map().revision) + " connected";
    for (const Run& run : runs) {
      if (run.node != node) continue;
      text += ' ' + std::to_string(run.first);
      if (run.last != run.first) text += '-' + std::to_string(run.last);
    }
    text += '\n';
  }
  session.answer([&](ReplyWriter& reply) { reply.verbatim("txt", text); });
}

void cluster_keyslot(GatewaySession& session, CommandArgs args) {
  session.answer([&](ReplyWriter& reply) { reply.integer(slot_of(args[2])); });
}

void cluster_myid(GatewaySession& session, CommandArgs) {
  session.answer([&](ReplyWriter& reply) { reply.bulk(session.gateway().run_id()); });
}

// COUNTKEYSINSLOT, GETKEYSINSLOT: the slot's node knows.
void cluster_of_slot(GatewaySession& session, CommandArgs args) {
  int64_t slot;
  if (!parse_int64(args[2], &slot) || slot < 0 || slot >= kSlotCount) {
    return session.answer_error("ERR Invalid slot");
  }
  CommandPlan plan;
  plan.writes = false;
  session.forward(session.take_call(), static_cast<SlotId>(slot), session.raw(), plan);
}

}  // namespace here
}  // namespace holdfast
