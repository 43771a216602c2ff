// Random histories of a correct store: clients that send, are served at some moment and hear of it,
// or do not: requests and replies get lost, and a lost request may be served much later.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/support/history/history.h"

namespace holdfast::history {

// What histories to make.
struct Profile {
  std::string name;
  ObjectKind kind = ObjectKind::kRegister;
  std::vector<OpKind> operations;  // drawn evenly; name one twice to see it more often
  uint32_t members = 1;            // of a group; > 1: an MSET writes one value to all
  uint64_t lost_one_in = 12;       // requests and replies; 0: none
  uint64_t values = 0;             // so many different ones; 0: each write has its own
  bool positive = true;            // counters only go up
  bool partial = false;            // MSET and MGET of some members, with different values
  bool resolved = false;           // half of what was lost is found out afterwards
};

struct Extent {
  size_t operations = 60;
  uint32_t clients = 5;
  uint32_t objects = 1;
  bool read_at_end = false;  // after all else, each object is read once
};

// All operations of every kind of object, and the plain mixes whose mistakes are easily named.
std::vector<Profile> profiles();
const Profile& profile(const std::string& name);

History generate(Random& random, const Profile& profile, const Extent& extent);

}  // namespace holdfast::history
