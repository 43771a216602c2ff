// View: who serves a shard, at one moment of its life.
//
// A view's number, its epoch, is given out once and only grows, so the newest view known decides.
// In a coordinated shard the coordinator makes views (Vertical Paxos: Lamport, Malkhi, Zhou 2009);
// in an elected one the members elect a primary (Raft), and the epoch is Raft's term.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace holdfast {

using NodeId = uint32_t;   // from 1; 0 is none
using StoreId = uint64_t;  // drawn when a store is made: a wiped disk is another member

// A replica: a node with the store it had when it joined.
struct Member {
  NodeId node = 0;
  StoreId store = 0;

  bool valid() const { return node != 0; }
  auto operator<=>(const Member&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
};

enum class ViewPhase : uint8_t {
  kAllocated,  // the epoch is given out; members of the last active view may be fenced for it
  kForming,    // the candidate brings its members to one log; nothing is acknowledged
  kActive,     // the primary serves
};

struct View {
  Epoch epoch = 0;
  ViewPhase phase = ViewPhase::kAllocated;
  Member primary;               // in kForming: the candidate
  std::vector<Member> members;  // the primary too
  uint32_t write_quorum = 0;  // W: copies, the primary's own counted, that make an entry committed

  bool has(const Member& member) const {
    return std::find(members.begin(), members.end(), member) != members.end();
  }
  // R = N - W + 1: so many members always include one that has every committed entry.
  uint32_t fence_quorum() const { return static_cast<uint32_t>(members.size()) - write_quorum + 1; }
  bool operator==(const View&) const = default;
};

enum class Role : uint8_t {
  kFenced,     // follows nobody: since the start, or since a promise to a later epoch
  kBackup,     // follows the epoch's leader
  kCandidate,  // wants to lead: named by the coordinator, or asking for votes
  kPrimary,    // leads
  kPoisoned,   // its store failed: does nothing
};
inline std::string_view role_name(Role role) {
  constexpr std::string_view kNames[] = {"fenced", "backup", "candidate", "primary", "poisoned"};
  return kNames[static_cast<size_t>(role)];
}

// Of a group that elects its leader.
struct Membership {
  std::vector<Member> voters;
  std::vector<Member> learners;  // get the log and count for nothing
  bool operator==(const Membership&) const = default;
};

inline uint32_t majority(size_t members) { return static_cast<uint32_t>(members / 2 + 1); }

}  // namespace holdfast
