// Told: what the stores of a ClusterWorld have told each other, which no later life of theirs may
// have forgotten.
//
//   C7  a store that told of a promise, a vote or a copy of entries has it on stable media (I2, I9,
//       I38); and an epoch has one primary (I13)
//
// It hears a message when it is handed to the network, and looks at a store when it starts.
#pragma once

#include <map>

#include "replica/message.h"
#include "replica/replica_core.h"

namespace holdfast {

class Told {
 public:
  void sends(const Message& message);
  // Both throw Violation.
  void starts(const ReplicaCore& core) const;
  void leads(Epoch epoch, const Member& member);

 private:
  struct Words {
    Epoch promised = 0;
    StoreId voted_for = 0;  // in that epoch
    Seq durable = 0;        // in that epoch
  };

  std::map<Member, Words> words_;
  std::map<Epoch, Member> primaries_;
};

}  // namespace holdfast
