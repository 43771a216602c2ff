// See client_line.h.
#include "resp/client_line.h"

#include <algorithm>

#include "resp/acl_user.h"
#include "resp/session.h"

namespace holdfast {
namespace {

std::string flags_of(const Session& session) {
  std::string flags;
  if (session.state.monitor) flags.push_back('O');
  if (session.in_multi()) flags.push_back('x');
  if (session.subscribed()) flags.push_back('P');
  if (session.blocked()) flags.push_back('b');
  if (session.has_transaction() && session.transaction().spoiled()) flags.push_back('d');
  if (session.tracking != nullptr) {
    flags.push_back('t');
    if (session.tracking->redirect_broken) flags.push_back('R');
    if (session.tracking->broadcast) flags.push_back('B');
  }
  if (session.closing()) flags.push_back('c');
  if (session.conn().peer().is_unix()) flags.push_back('U');
  if (session.state.no_evict) flags.push_back('e');
  if (session.state.reads_backups) flags.push_back('r');
  if (session.state.no_touch) flags.push_back('T');
  return flags.empty() ? "N" : flags;
}

class Line {
 public:
  Line& text(std::string_view name, std::string_view value) {
    if (!line_.empty()) line_.push_back(' ');
    line_.append(name).append("=").append(value);
    return *this;
  }
  template <typename N>
  Line& number(std::string_view name, N value) {
    return text(name, std::to_string(value));
  }
  std::string finish() {
    line_.push_back('\n');
    return std::move(line_);
  }

 private:
  std::string line_;
};

}  // namespace

bool is_client_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string client_line(const Session& session, int64_t now_ms) {
  const Output& output = session.output;
  const size_t qbuf = session.query_buffer_bytes();
  const auto seconds = [now_ms](int64_t since) {
    return std::max<int64_t>(0, now_ms - since) / 1000;
  };
  const auto queued =
      session.in_multi() ? static_cast<int64_t>(session.transaction().commands().size()) : -1;
  Line line;
  line.number("id", session.id())
      .text("addr", session.conn().peer().to_string())
      .text("laddr", session.conn().local().to_string())
      .number("fd", session.conn().fd())
      .text("name", session.state.name)
      .number("age", seconds(session.created_ms()))
      .number("idle", seconds(session.last_active_ms()))
      .text("flags", flags_of(session))
      .number("db", session.state.db)
      .number("sub", session.subscription_count(SubscriptionKind::kChannel))
      .number("psub", session.subscription_count(SubscriptionKind::kPattern))
      .number("ssub", session.subscription_count(SubscriptionKind::kShard))
      .number("multi", queued)
      .number("qbuf", qbuf)
      .number("qbuf-free",
              session.query_buffer_capacity() - std::min(qbuf, session.query_buffer_capacity()))
      .number("argv-mem", 0)  // arguments lie in the query buffer
      .number("multi-mem", session.in_multi() ? session.transaction().argument_bytes() : 0)
      .number("rbs", output.allocated_bytes())
      .number("rbp", output.allocated_bytes())
      .number("obl", output.unsent_bytes())
      .number("oll", output.chunk_count())
      .number("omem", output.allocated_bytes())
      .number("tot-mem", session.memory())
      .text("events", output.empty() ? "r" : "rw")
      .text("cmd", session.last_command() == nullptr ? "NULL" : session.last_command()->full_name)
      .text("user", session.state.user->name())
      .number("redir",
              session.tracking == nullptr ? -1 : static_cast<int64_t>(session.tracking->redirect))
      .number("resp", session.reply.protocol())
      .text("lib-name", session.library_name)
      .text("lib-ver", session.library_version);
  return line.finish();
}

}  // namespace holdfast
