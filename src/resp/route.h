// Route: where a command runs: on the shard that has its keys.
//
// Outside of a cluster that is the only shard, whatever the keys. In a cluster all keys of one
// command are in one slot, which is not always here.
#pragma once

namespace holdfast {

class Shard;

struct Route {
  static constexpr int kNoSlot = -1;

  Shard* shard = nullptr;      // null: it has no keys, or they are not here
  int slot = kNoSlot;          // of its keys; only looked for in a cluster
  bool crosses_slots = false;  // they are in several
  bool everywhere = false;     // it may work on any shard that is here: no keys, EXEC, a script
};

}  // namespace holdfast
