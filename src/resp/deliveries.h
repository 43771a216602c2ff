// Deliveries: pushes on their way into the outputs of sessions that did not ask for them just now.
//
//   D1  A push leaves when all is committed that the command which caused it wrote or saw, and
//       that earlier commands of the same client did: a subscriber never learns of a write that a
//       crash can take back. Nothing leaves before settle(), because outputs are written at the
//       turn's end only.
//   D2  A push to the session whose command runs comes behind the command's reply.
//   D3  Nothing comes behind the last reply of a session that is closing.
//
// CLIENT REPLY OFF does not silence pushes. A session that does not read them is closed by its
// output limits.
#pragma once

#include <cstdint>
#include <vector>

#include "resp/commit_point.h"
#include "resp/push.h"

namespace holdfast {

class Session;

class Deliveries {
 public:
  // A command of the session runs from here on.
  void begin(Session& caller) { caller_ = &caller; }
  // Its reply is written: the pushes to it follow, those that come later directly.
  void replied();
  // The session whose command runs; null outside of commands.
  Session* caller() const { return caller_; }

  // False when the session is closing and gets nothing any more.
  bool push(Session& to, Push& message);

  // Something was pushed to the session that is not settled: it must not leave yet.
  bool touched(const Session& session) const;
  // Something was pushed that is not settled.
  bool pending() const { return !touched_.empty(); }
  // The pushes since the last call wait for `depends_on`; called after each command and after
  // whatever else pushes. If that will never be committed they are taken back.
  void settle(const Dependency& depends_on);

 private:
  struct Touched {
    Session* session;  // sessions are freed at the end of a turn, after the last settle()
    uint64_t from;     // position in its output
  };

  void append(Session& to, const SharedBytes& bytes);

  Session* caller_ = nullptr;
  std::vector<Touched> touched_;
  uint64_t round_ = 1;                     // of settle(): a session is listed once in each
  std::vector<SharedBytes> behind_reply_;  // of the caller
};

}  // namespace holdfast
