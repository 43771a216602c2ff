// NodeSystem: what a node runs on: the machine, or a simulated one.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/net.h"
#include "base/random.h"
#include "base/reactor.h"
#include "engine/disk/disk_engine.h"
#include "node/exit_codes.h"
#include "replica/peer_net.h"
#include "resp/server.h"

namespace holdfast {

// The references outlive the node.
struct NodeSystem {
  Reactor& reactor;
  Net& net;
  Disk& disk;
  Random& random;
  // The node has ended, in order or by itself: destroy it, but not within this call.
  std::function<void(ExitCode, std::string_view why)> ended;
  // Of the links to other nodes. `nonce`: unpredictable bytes; the kernel's if it is not given.
  PeerOptions peers = {};
  std::function<Handshake::Nonce()> nonce = {};
  DiskEngineOptions engine = {};  // what the configuration does not say
  ServerHooks facts = {};         // of the process and its memory; the node adds its own hooks
};

// NodeSystem::facts of this process.
ServerHooks process_facts_hooks();
// Says where clients are heard, and warns if those on other hosts will be refused.
void log_listening(const std::vector<Address>& addresses, bool protected_mode, bool open_to_all);

}  // namespace holdfast
