// Call: one command on its way to a storage node and back, and CallPool, which keeps calls that are
// over for the next ones.
//
// A call belongs to its sink. It is linked into two lists at once: its session's, in the order of
// the client's requests, and its backend's, in the order of the requests on that connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gateway/refusal.h"
#include "gateway/wire_chunks.h"
#include "resp/command.h"

namespace holdfast {

class Backend;
struct Call;

// Whom the answers are for. A sink that goes leaves its calls with sink == nullptr; the backend
// then drops what comes.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // A piece of the answer, in order. `done`: the last one; the call is the sink's again.
  virtual void on_reply(Call& call, std::string_view piece, bool done) = 0;
  // It was certainly not carried out; the call is the sink's again. `line`: the error without "-"
  // and line end.
  virtual void on_refused(Call& call, const NodeRefusal& refusal, std::string_view line) = 0;
  // The connection broke after it was sent: nobody knows. The call is the sink's again.
  virtual void on_lost(Call& call) = 0;
};

// A request that went to several nodes: its parts, and how their answers become one. Each part is a
// call of its own, behind which the request waits.
struct Fanout {
  Call* whole = nullptr;
  uint8_t merge = 0;  // Merge
  size_t left = 0;    // parts without an answer
  std::vector<Call*> parts;
  std::vector<std::string> words;  // Merge::kInfo: the sections that are asked for
  std::vector<uint32_t> order;     // Merge::kGather: the part of each key, in the order of the keys
};

// Plain fields of a call: set back all at once.
struct CallState {
  ReplySink* sink = nullptr;
  Fanout* part_of = nullptr;  // null: it is a request of its own
  const Command* command = nullptr;
  Backend* backend = nullptr;  // that has it; null: none
  Call* next_of_session = nullptr;
  Call* next_of_backend = nullptr;
  uint64_t end = 0;          // position behind its last byte among those of the backend
  int64_t started_ns = 0;    // when the client's request was read
  int64_t sent_ns = 0;       // when it was sent last
  int64_t refused_ns = 0;    // when it was refused first; 0: never
  uint64_t sequence = 0;     // in the order of the client's requests
  uint64_t number = 0;       // of this write, by which its node knows it again; 0: it has none
  uint64_t next_number = 0;  // that the session's next write would have had when this was made
  uint32_t preludes = 0;     // answers before the one that counts: of MULTI and what it queues
  uint32_t preludes_left = 0;
  uint16_t attempts = 0;
  SlotId slot = 0;
  RefusalKind refused = RefusalKind::kNone;  // why it waits
  bool done = false;                         // its answer is complete
  bool read_only = false;                    // it may be sent twice
  bool silent = false;                       // CLIENT REPLY: nobody is told
  bool streamed = false;                     // some of its answer has gone to the client already
  bool lost = false;        // it was sent, and its answer did not come: it may have been done
  bool overtaken = false;   // a later command on its keys was carried out before it
  bool own_link = false;    // it goes over the session's own connection
  bool watched = false;     // EXEC of a transaction that depends on what was watched
  bool failed = false;      // the answer is an error
  bool fails_fast = false;  // it is not worth waiting for
};

struct Call : CallState {
  WireBytes bytes;
  std::string reply;               // kept until its turn comes; of a call that waits: why
  std::string hint;                // where MOVED or ASK said that it should go
  std::unique_ptr<Fanout> fanout;  // null: it has no parts

  // As new, with the buffers that it has.
  void recycle();
};

class CallPool {
 public:
  Call* take();
  void give_back(Call* call);

 private:
  static constexpr size_t kMostKept = 4096;
  std::vector<std::unique_ptr<Call>> free_;
};

inline void Call::recycle() {
  constexpr size_t kKeep = 512;
  static_cast<CallState&>(*this) = {};
  bytes.reset();
  if (!hint.empty()) hint.clear();
  if (fanout != nullptr) fanout.reset();
  if (reply.capacity() > kKeep) {
    std::string().swap(reply);
  } else {
    reply.clear();
  }
}

inline Call* CallPool::take() {
  if (free_.empty()) return new Call();
  Call* call = free_.back().release();
  free_.pop_back();
  return call;
}

inline void CallPool::give_back(Call* call) {
  if (free_.size() >= kMostKept) {
    delete call;
    return;
  }
  call->recycle();
  free_.emplace_back(call);
}

}  // namespace holdfast
