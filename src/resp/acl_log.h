// AclLog: what the ACL has denied lately, newest first, for ACL LOG. Pure; time is given.
//
// The same denial within a minute is counted, not listed again, so that one client that keeps
// trying cannot push everything else out. Bounded by the length given with each entry.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "resp/acl_user.h"

namespace holdfast {

enum class AclContext : uint8_t { kTopLevel, kMulti, kLua };

struct AclDenial {
  AclReason reason;
  AclContext context;
  std::string object;  // the command, key or channel; of a failed AUTH the command's name
  std::string user;
  std::string client;  // as in CLIENT LIST, of the last time
};

class AclLog {
 public:
  struct Entry {
    AclDenial denial;
    uint64_t id;  // grows from 0
    uint64_t count;
    int64_t first_ms;  // wall clock
    int64_t last_ms;
  };

  void record(AclDenial denial, int64_t now_ms, size_t max_entries);
  void trim(size_t max_entries);
  void clear() { entries_.clear(); }
  const std::list<Entry>& entries() const { return entries_; }

 private:
  std::list<Entry> entries_;
  uint64_t next_id_ = 0;
};

std::string_view acl_reason_name(AclReason reason);
std::string_view acl_context_name(AclContext context);

}  // namespace holdfast
