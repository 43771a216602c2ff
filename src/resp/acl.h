// Acl: all users, and the file that keeps them. Pure: text in, text out; the server opens the file
// and closes the clients (resp/access.cc).
//
// Invariants: there is always a user "default". An AclUser stays where it is until remove() or
// replace() takes it away, and `on_leave` has been called for it before: nobody holds a pointer to
// a user that is gone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "resp/acl_user.h"

namespace holdfast {

class Acl {
 public:
  using Users = std::map<std::string, std::unique_ptr<AclUser>, std::less<>>;
  using OnLeave = std::function<void(AclUser&)>;
  // After a user was changed, with what it was before.
  using OnChange = std::function<void(const AclUser& user, const AclUser& before)>;
  static void no_one_minds(const AclUser&, const AclUser&) {}

  // With "default" only, who may do everything without a password. `table` outlives this.
  explicit Acl(const CommandTable& table);

  const AclCommands& commands() const { return commands_; }
  AclUser& default_user() const { return *default_; }
  // A new connection is the default user without more ado.
  bool default_is_open() const { return default_->no_password() && default_->enabled(); }
  AclUser* find(std::string_view name) const;  // null: no such user
  const Users& users() const { return users_; }
  // New users may use all channels (acl-pubsub-default).
  void set_all_channels_by_default(bool on) { all_channels_by_default_ = on; }
  // requirepass: the default user's only password; empty: it needs none.
  void set_default_password(std::string_view password);

  // The user of that name and password, if enabled; else null.
  AclUser* authenticate(std::string_view name, std::string_view password) const;

  // Makes the user or changes it, by all rules or, if one is refused, not at all. The reason is
  // told without "ERR "; empty: done.
  std::string set_user(std::string_view name, std::span<const std::string_view> rules,
                       const OnChange& on_change = no_one_minds);
  // False when there is none. REQUIRES: not "default".
  bool remove(std::string_view name, const OnLeave& on_leave);

  // The ACL file: a line a user.
  std::string file_text() const;
  // Makes `text` the users, or changes nothing and tells every mistake in it; empty: done. `file`
  // is its name for the errors. Users that are gone or changed leave (on_leave), except "default",
  // which changes (on_change).
  std::string load(std::string_view text, std::string_view file, const OnLeave& on_leave,
                   const OnChange& on_change = no_one_minds);

 private:
  std::unique_ptr<AclUser> make_user(std::string_view name) const;
  std::unique_ptr<AclUser> make_default() const;
  void parse_line(std::string_view line, const std::string& place, size_t number, Users* users,
                  std::string* errors) const;
  void replace(Users users, const OnLeave& on_leave, const OnChange& on_change);

  const AclCommands commands_;
  bool all_channels_by_default_ = false;
  Users users_;
  AclUser* default_;
};

// Denials in Redis's words. `verbose` names the key or channel (ACL DRYRUN); the client itself is
// not told. Without a prefix.
std::string acl_denial_text(AclDecision decision, const AclUser& user, const Command& command,
                            std::span<const std::string_view> args, bool verbose);
// Why EXEC refuses a command that was queued when it was still allowed.
std::string_view acl_exec_denial_text(AclReason reason);

}  // namespace holdfast
