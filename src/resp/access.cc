// Server's part in access control: who a session is, what is denied, the ACL file. The rules are in
// resp/acl.h.
#include <algorithm>

#include "base/log.h"
#include "resp/client_line.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr std::string_view kLeft = "its user was deleted or changed";
constexpr std::string_view kLostChannels = "its user may not listen to a channel any more";

Counter& counter_of(ServerStats& stats, AclReason reason) {
  switch (reason) {
    case AclReason::kKey:
      return stats.acl_denied_key;
    case AclReason::kChannel:
      return stats.acl_denied_channel;
    case AclReason::kAuth:
      return stats.acl_denied_auth;
    default:
      return stats.acl_denied_command;
  }
}

std::string client_text(const Session& session, int64_t now_ms) {
  std::string line = client_line(session, now_ms);
  line.pop_back();  // the line's end
  return line;
}

}  // namespace

void Server::reset_user(Session& session) const {
  session.state.user = &acl_.default_user();
  session.state.authenticated = acl_.default_is_open();
}

bool Server::authenticate(Session& session, std::string_view user, std::string_view password,
                          std::string_view command) {
  AclUser* found = acl_.authenticate(user, password);
  if (found == nullptr) {
    const int64_t now_ms = clock().wall_ms();
    ++stats_.acl_denied_auth;
    acl_log_.record({AclReason::kAuth, AclContext::kTopLevel, std::string(command),
                     std::string(user), client_text(session, now_ms)},
                    now_ms, options_.resp_acl_log_max_len);
    return false;
  }
  session.state.user = found;
  session.state.authenticated = true;
  return true;
}

void Server::record_denial(const Session& session, AclDecision denied, AclContext context,
                           const Command& command, std::span<const std::string_view> args) {
  const int64_t now_ms = clock().wall_ms();
  ++counter_of(stats_, denied.reason);
  const std::string object(denied.reason == AclReason::kCommand ? command.full_name
                                                                : args[denied.argument]);
  acl_log_.record(
      {denied.reason, context, object, session.state.user->name(), client_text(session, now_ms)},
      now_ms, options_.resp_acl_log_max_len);
}

// A session outlives its user until the end of the turn: it is nobody meanwhile.
void Server::close_sessions_of(const AclUser& user, Session* caller) {
  for (const auto& [id, session] : sessions_) {
    if (session->state.user != &user) continue;
    session->state.user = &acl_.default_user();
    session->state.authenticated = false;
    if (session.get() == caller) {
      session->close_after_reply();
    } else {
      session->close_now(kLeft);
    }
  }
}

void Server::close_if_lost_channels(const AclUser& user, const AclUser& before, Session* caller) {
  if (!user.lost_channels(before)) return;
  const auto denied = [&user](const Subscriptions& subscriptions, SubscriptionKind kind) {
    return std::ranges::any_of(subscriptions.of(kind), [&](const auto& entry) {
      return !user.check_channel(entry.first, kind == SubscriptionKind::kPattern);
    });
  };
  for (const auto& [id, session] : sessions_) {
    const Subscriptions* subscriptions = session->subscriptions.get();
    if (subscriptions == nullptr || session->state.user != &user || session->closing()) continue;
    if (!denied(*subscriptions, SubscriptionKind::kChannel) &&
        !denied(*subscriptions, SubscriptionKind::kPattern) &&
        !denied(*subscriptions, SubscriptionKind::kShard)) {
      continue;
    }
    if (session.get() == caller) {
      session->close_after_reply();
    } else {
      session->close_now(kLostChannels);
    }
  }
}

std::string Server::set_user(std::string_view name, std::span<const std::string_view> rules,
                             Session& caller) {
  return acl_.set_user(name, rules, [&](const AclUser& user, const AclUser& before) {
    close_if_lost_channels(user, before, &caller);
  });
}

bool Server::delete_user(std::string_view name, Session& caller) {
  return acl_.remove(name, [&](AclUser& user) { close_sessions_of(user, &caller); });
}

Status Server::load_users() {
  const std::string& path = options_.resp_acl_file;
  if (path.empty()) return {};
  if (hooks_.disk == nullptr) return Status::invalid("resp.acl_file: there are no files here");
  const Result<std::string> text = hooks_.disk->read_file(path);
  if (!text.ok()) return {text.status().code(), "resp.acl_file: " + text.status().message()};
  const std::string errors = acl_.load(text.value(), path, [](AclUser&) {});
  if (!errors.empty()) return Status::invalid("resp.acl_file: " + errors);
  if (!options_.resp_password.empty()) {
    log_warning("resp.password has no effect: resp.acl_file decides about the user default");
  }
  log_info("users loaded", {{"file", path}, {"users", acl_.users().size()}});
  return {};
}

std::string Server::load_acl_file(Session& caller) {
  const std::string& path = options_.resp_acl_file;
  const Result<std::string> text = hooks_.disk->read_file(path);
  if (!text.ok()) {
    const std::string message = text.status().message();  // "open PATH: reason"
    const size_t colon = message.rfind(": ");
    return "Error loading ACLs, opening file '" + path +
           "': " + message.substr(colon == std::string::npos ? 0 : colon + 2);
  }
  return acl_.load(
      text.value(), path, [&](AclUser& user) { close_sessions_of(user, &caller); },
      [&](const AclUser& user, const AclUser& before) {
        close_if_lost_channels(user, before, &caller);
      });
}

std::string Server::save_acl_file() {
  const Status saved = hooks_.disk->replace_file(options_.resp_acl_file, acl_.file_text());
  if (saved.ok()) return {};
  log_error("ACL SAVE failed", {{"file", options_.resp_acl_file}, {"reason", saved.message()}});
  return "There was an error trying to save the ACLs. Please check the server logs for more "
         "information";
}

}  // namespace holdfast
