// See node_system.h.
#include "node/node_system.h"

#include <cstdlib>

#include "base/log.h"
#include "base/process.h"
#include "node/memory.h"

namespace holdfast {

ServerHooks process_facts_hooks() {
  ServerHooks hooks;
  hooks.exit_now = [] {
    log_warning("stopped by SHUTDOWN NOSAVE during a script");
    std::_Exit(0);
  };
  hooks.memory_used = memory_allocated;
  hooks.allocator_name = memory_allocator_name;
  hooks.allocator_stats = memory_allocator_report;
  hooks.allocator_usage = memory_usage;
  hooks.purge_memory = memory_purge;
  hooks.process_usage = process_usage;
  hooks.process = process_facts();
  hooks.startup_memory = memory_allocated();
  return hooks;
}

void log_listening(const std::vector<Address>& addresses, bool protected_mode, bool open_to_all) {
  for (const Address& address : addresses) {
    log_info("listening", {{"resp", address.to_string()}});
    if (!address.is_loopback() && protected_mode && open_to_all) {
      log_warning("protected mode: clients on other hosts are refused; set resp.password",
                  {{"resp", address.to_string()}});
    }
  }
}

}  // namespace holdfast
