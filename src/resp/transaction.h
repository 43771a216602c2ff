// Transaction: what one session has queued since MULTI, and the keys that it watches.
//
// The server runs the queue as one command (EXEC): one entry in the log, one hold of all replies.
// Arguments are copied once, when they are queued, into an arena that is freed with the queue.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

#include "resp/commit_point.h"
#include "resp/route.h"
#include "resp/watched_keys.h"

namespace holdfast {

struct Command;

class Transaction {
 public:
  struct Queued {
    const Command* command;
    size_t first_arg;
    size_t argc;
  };

  // --- MULTI ... EXEC ---
  bool open() const { return open_; }
  void begin() { open_ = true; }
  // A command was refused while queueing: EXEC will refuse all of them.
  void refuse() { refused_ = open_; }
  bool refused() const { return refused_; }
  // Copies the arguments. Nothing is kept once it is known that EXEC will run nothing. `slot`: of
  // its keys, in a cluster.
  void queue(const Command& command, std::span<const std::string_view> args, int slot);
  // Of the keys of all commands that have any.
  int slot() const { return slot_; }
  bool crosses_slots() const { return crosses_slots_; }
  const std::vector<Queued>& commands() const { return commands_; }
  std::span<const std::string_view> args(const Queued& queued) const {
    return std::span(args_).subspan(queued.first_arg, queued.argc);
  }
  // All flags of the queued commands (CommandFlag).
  uint32_t flags() const { return flags_; }
  // Bytes of the queued arguments, and of what keeps them.
  size_t argument_bytes() const { return argument_bytes_; }
  size_t memory() const;
  // Closes it and forgets the queue. What is watched is the registry's to forget.
  void end();

  // --- WATCH ---
  // A watched key was changed, by that entry.
  void spoil(const CommitPoint& by) {
    spoiled_ = true;
    spoiled_by_ = by;
  }
  bool spoiled() const { return spoiled_; }
  const CommitPoint& spoiled_by() const { return spoiled_by_; }
  void clear_spoiled() { spoiled_ = false; }

  WatchList watches;  // the registry's

 private:
  std::string_view keep(std::string_view bytes);

  bool open_ = false;
  bool refused_ = false;
  bool spoiled_ = false;
  uint32_t flags_ = 0;
  bool crosses_slots_ = false;
  int slot_ = Route::kNoSlot;
  CommitPoint spoiled_by_;
  size_t argument_bytes_ = 0;
  std::vector<Queued> commands_;
  std::vector<std::string_view> args_;
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena_;
};

}  // namespace holdfast
