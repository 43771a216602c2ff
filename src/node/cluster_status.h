// What `holdfast status` tells of a cluster: its nodes and shards, as a coordinator or a storage
// node knows them, and what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "node/resp_client.h"

namespace holdfast {

struct ClusterStatus {
  struct Node {
    int64_t id = 0;
    std::string state;  // up, down, draining
    std::string address;
    int64_t primaries = 0, copies = 0;
    int64_t silent_ms = -1;  // not known: negative
    std::string store = {};
  };
  struct Copy {
    int64_t node = 0;
    int64_t behind = -1;     // entries that it has not, of the primary's log; not known: negative
    bool stalled = false;    // its device does not complete what it was given
    std::string store = {};  // that it has to be in
    bool reported = false;
  };
  struct Shard {
    int64_t id = 0;
    std::string slots, phase;
    int64_t epoch = 0, primary = 0, write_quorum = 0;
    std::vector<Copy> copies;
  };

  int64_t revision = 0;
  std::vector<Node> nodes;
  std::vector<Shard> shards;
  std::vector<std::string> problems;  // empty: all is well
};

// Goes to the leading coordinator if this server is not it: no other knows how the copies are. An
// error: the server is of no cluster, or cannot tell.
Result<ClusterStatus> ask_cluster(RespClient& server, const std::string& password);

std::string format_cluster(const ClusterStatus& cluster, bool colours);
std::string cluster_json(const ClusterStatus& cluster);

}  // namespace holdfast
