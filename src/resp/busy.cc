// What a server does while a script runs for longer than it should: the reactor cannot turn, as the
// script is part of a turn, so clients are looked after from within the script.
//
// They are accepted, read and answered, BUSY for all but what may end the script. Nothing is
// begun, logged or committed meanwhile: the script's entry may be half written. Nobody is freed:
// that is the turn's.
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "resp/script/lua_machine.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr int64_t kLookEveryNs = 10'000'000;

}  // namespace

std::string_view Server::busy_error() const {
  return running_script_ != nullptr && !running_script_->eval
             ? "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
               "NOSAVE."
             : "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
               "NOSAVE.";
}

void Server::serve_while_busy(Session& caller) {
  const int64_t now_ns = clock().mono_ns();
  if (now_ns - served_while_busy_ns_ < kLookEveryNs) return;
  served_while_busy_ns_ = now_ns;
  // The caller's request lies in the shared buffers.
  auto buffer = std::exchange(read_buffer_, std::make_unique<char[]>(kReadBufferBytes));
  Batch batch = std::exchange(batch_, {});
  for (const auto& listener : listeners_) listener->accept_waiting();
  for (const auto& [id, session] : sessions_) {
    if (session.get() != &caller && !session->closing()) session->on_readable();
  }
  // Part of the caller's reply may be written already, and what the script told others is not held
  // yet: it stays.
  const auto waits = [&](Session* session) {
    return session == &caller || deliveries_.touched(*session);
  };
  const auto waiting =
      std::stable_partition(to_flush_.begin(), to_flush_.end(), std::not_fn(waits));
  const std::vector<Session*> later(waiting, to_flush_.end());
  to_flush_.erase(waiting, to_flush_.end());
  flush_sessions();
  to_flush_.insert(to_flush_.end(), later.begin(), later.end());
  read_buffer_ = std::move(buffer);
  batch_ = std::move(batch);
}

}  // namespace holdfast
