// What MONITOR and SLOWLOG leave out of a call.
#include "resp/redact.h"

#include <doctest/doctest.h>

#include <string>

using namespace holdfast;

namespace {

std::string shown(const std::vector<std::string_view>& args) {
  std::string out;
  for (const std::string_view arg : redact(args))
    out += (out.empty() ? "" : " ") + std::string(arg);
  return out;
}

}  // namespace

TEST_CASE("redact: passwords of AUTH, HELLO and CONFIG SET, and the users of ACL") {
  CHECK(shown({"AUTH", "p"}) == "AUTH (redacted)");
  CHECK(shown({"auth", "u", "p"}) == "auth (redacted) (redacted)");
  CHECK(shown({"HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"}) ==
        "HELLO 3 AUTH (redacted) (redacted) SETNAME n");
  CHECK(shown({"HELLO", "3", "SETNAME", "n", "AUTH", "u"}) == "HELLO 3 SETNAME n AUTH (redacted)");
  CHECK(shown({"HELLO", "3", "AUTH", "auth", "auth", "SETNAME", "n"}) ==
        "HELLO 3 AUTH (redacted) (redacted) SETNAME n");
  CHECK(shown({"acl", "setuser", "u", ">p"}) == "acl setuser (redacted) (redacted)");
  CHECK(shown({"ACL", "GetUser", "u"}) == "ACL GetUser (redacted)");
  CHECK(shown({"acl", "deluser", "u", "v"}) == "acl deluser (redacted) (redacted)");
  CHECK(shown({"config", "set", "maxmemory", "1", "RequirePass", "p", "timeout", "3"}) ==
        "config set maxmemory 1 RequirePass (redacted) timeout 3");
  CHECK(shown({"config", "set", "resp.password", "p"}) == "config set resp.password (redacted)");
}

TEST_CASE("redact: everything else is shown") {
  CHECK(shown({}) == "");
  CHECK(shown({"SET", "auth", "p"}) == "SET auth p");
  CHECK(shown({"HELLO", "3"}) == "HELLO 3");
  CHECK(shown({"acl", "dryrun", "u", "ping"}) == "acl dryrun u ping");
  CHECK(shown({"config", "get", "requirepass"}) == "config get requirepass");
  CHECK(shown({"config", "set", "requirepass"}) == "config set requirepass");
}
