// Users and selectors alone: what rules print as, what they refuse, what they decide.
#include "resp/acl_user.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "resp/acl.h"

using namespace holdfast;

namespace {

using Words = std::vector<std::string_view>;

Words split(std::string_view text) {
  Words words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

struct World {
  CommandTable table;
  Acl acl{table};

  std::string set(std::string_view rules, std::string_view name = "u") {
    return acl.set_user(name, split(rules));
  }
  std::string described(std::string_view name = "u") { return acl.find(name)->describe(); }
  // "ok", "command", "key 1", "channel 2".
  std::string decide(std::string_view call) {
    const Words args = split(call);
    const Command* command = table.find(args[0]);
    REQUIRE(command != nullptr);
    if (!command->subcommands.empty() && args.size() > 1) command = command->subcommand(args[1]);
    REQUIRE(command != nullptr);
    return text(acl.find("u")->check(*command, args));
  }
  static std::string text(AclDecision decision) {
    switch (decision.reason) {
      case AclReason::kAllowed:
        return "ok";
      case AclReason::kCommand:
        return "command";
      case AclReason::kKey:
        return "key " + std::to_string(decision.argument);
      default:
        return "channel " + std::to_string(decision.argument);
    }
  }
};

constexpr std::string_view kSecret =
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

}  // namespace

TEST_CASE("acl rules print in the one form that Redis 7.2 gives them, and read back the same") {
  constexpr std::string_view kOff = "off sanitize-payload ";
  const std::vector<std::pair<std::string_view, std::string>> table = {
      {"", "resetchannels -@all"},
      {"~*", "~* resetchannels -@all"},
      {"allkeys allchannels allcommands", "~* &* +@all"},
      {"&* resetchannels &b &a &b", "resetchannels &b &a -@all"},
      {"~a ~b ~a", "~a ~b resetchannels -@all"},
      {"%R~a %W~b %RW~c %wr~d", "%R~a %W~b ~c ~d resetchannels -@all"},
      {"%R~a %W~a", "~a resetchannels -@all"},
      {"~a resetkeys ~b", "~b resetchannels -@all"},
      {"+get +set", "resetchannels -@all +get +set"},
      {"+GET -Set +get", "resetchannels -@all -set +get"},
      {"+@all -@DANGEROUS +keys", "resetchannels +@all -@dangerous +keys"},
      {"+@read -@read +@read", "resetchannels -@all +@read"},
      {"+get +@all", "resetchannels +@all"},
      {"+@all -get -@all", "resetchannels -@all"},
      {"+config|get +config|set -config|set", "resetchannels -@all +config|get -config|set"},
      {"+config|get +config", "resetchannels -@all +config"},
      {"+config +config|get", "resetchannels -@all +config +config|get"},
      {"+select|0 +select|1 +Select|0", "resetchannels -@all +select|1 +select|0"},
      {"+select|0 -select", "resetchannels -@all -select"},
      {"+get +getset -get", "resetchannels -@all +getset -get"},
      {"(~a +get) (%R~b &c +@read -mget)",
       "resetchannels -@all (~a resetchannels -@all +get) "
       "(%R~b resetchannels &c -@all +@read -mget)"},
      {"( ~a   +get ) ( )",
       "resetchannels -@all (~a resetchannels -@all +get) (resetchannels -@all)"},
      {"(~a +get) clearselectors", "resetchannels -@all"},
      {"(~a\"b ~'c)", "resetchannels -@all (~a\"b ~'c resetchannels -@all)"},
  };
  for (const auto& [rules, printed] : table) {
    CAPTURE(rules);
    World world;
    CHECK(world.set(rules) == "");
    CHECK(world.described() == std::string(kOff) + printed);
    CHECK(world.set(world.described(), "copy") == "");
    CHECK(world.described("copy") == world.described());
  }
}

TEST_CASE("acl: flags and passwords") {
  const std::string hash(kSecret);
  const std::vector<std::pair<std::string, std::string>> table = {
      {"on", "on sanitize-payload"},
      {"ON nopass", "on nopass sanitize-payload"},
      {"on skip-sanitize-payload", "on skip-sanitize-payload"},
      {"skip-sanitize-payload sanitize-payload on off", "off sanitize-payload"},
      {">secret", "off sanitize-payload #" + hash},
      {"#" + hash + " >secret", "off sanitize-payload #" + hash},
      {">secret <secret", "off sanitize-payload"},
      {">secret !" + hash, "off sanitize-payload"},
      {">secret nopass", "off nopass sanitize-payload"},
      {"nopass >secret", "off sanitize-payload #" + hash},
      {"nopass resetpass", "off sanitize-payload"},
      {"on nopass ~* +@all (~a) skip-sanitize-payload reset", "off sanitize-payload"},
  };
  for (const auto& [rules, printed] : table) {
    CAPTURE(rules);
    World world;
    CHECK(world.set(rules) == "");
    CHECK(world.described() == printed + " resetchannels -@all");
  }
  World world;
  CHECK(world.set("on >secret >other") == "");
  CHECK(world.acl.authenticate("u", "secret") == world.acl.find("u"));
  CHECK(world.acl.authenticate("u", "other") != nullptr);
  CHECK(world.acl.authenticate("u", "secret ") == nullptr);
  CHECK(world.acl.authenticate("u", hash) == nullptr);
  CHECK(world.acl.authenticate("nobody", "secret") == nullptr);
  CHECK(world.set("off") == "");
  CHECK(world.acl.authenticate("u", "secret") == nullptr);
}

TEST_CASE("acl: a refused rule is told and changes nothing") {
  const auto about = [](std::string_view rule, AclError error) {
    return "Error in ACL SETUSER modifier '" + std::string(rule) +
           "': " + std::string(acl_error_text(error));
  };
  const std::vector<std::pair<std::string_view, AclError>> table = {
      {"nosuch", AclError::kSyntax},
      {"+nosuch", AclError::kUnknownCommand},
      {"-nosuch", AclError::kUnknownCommand},
      {"+@nosuch", AclError::kUnknownCommand},
      {"-@", AclError::kUnknownCommand},
      {"+config|nosuch", AclError::kUnknownCommand},
      {"-select|1", AclError::kUnknownCommand},
      {"+config|", AclError::kSyntax},
      {"+config|get|x", AclError::kArgumentOfSubcommand},
      {"~a\tb", AclError::kSyntax},
      {"&a\nb", AclError::kSyntax},
      {"%", AclError::kSyntax},
      {"%~a", AclError::kSyntax},
      {"%RR~a", AclError::kSyntax},
      {"%Q~a", AclError::kSyntax},
      {"<nosuch", AclError::kNoSuchPassword},
      {"#abc", AclError::kBadHash},
      {"!abc", AclError::kBadHash},
      {"(on)", AclError::kSyntax},
      {"(+nosuch)", AclError::kUnknownCommand},
      {"(~*", AclError::kNone},
  };
  for (const auto& [rule, error] : table) {
    CAPTURE(rule);
    World world;
    CHECK(world.set("on >x ~a +get") == "");
    const std::string before = world.described();
    const Words rules = {"off", "+set", rule};
    CHECK(world.acl.set_user("u", rules) ==
          (error == AclError::kNone ? "Unmatched parenthesis in acl selector starting at '(~*'."
                                    : about(rule, error)));
    CHECK(world.described() == before);
    CHECK(world.acl.set_user("new", rules) != "");
    CHECK(world.acl.find("new") == nullptr);
  }
  World world;
  CHECK(world.set("allkeys ~a") == about("~a", AclError::kKeysAfterAll));
  CHECK(world.set("allchannels &a") == about("&a", AclError::kChannelsAfterAll));
  CHECK(world.set("on", "a b") == "Usernames can't contain spaces or null characters");
  CHECK(world.set("on", std::string_view("a\0b", 3)) != "");
}

TEST_CASE("acl: decisions about commands and keys") {
  struct Case {
    std::string_view rules;
    std::vector<std::pair<std::string_view, std::string_view>> calls;
  };
  const std::vector<Case> table = {
      {"", {{"get a", "command"}, {"ping", "command"}, {"auth x", "ok"}, {"hello", "ok"}}},
      {"+@all", {{"ping", "ok"}, {"get a", "key 1"}, {"mget a b", "key 1"}, {"keys *", "ok"}}},
      {"+@all ~a*",
       {{"get a1", "ok"},
        {"get b", "key 1"},
        {"mget a1 a2 b", "key 3"},
        {"mset a 1 b 2", "key 3"}}},
      {"+@all %R~a",
       {{"get a", "ok"},
        {"set a x", "key 1"},
        {"set a x get", "key 1"},
        {"del a", "key 1"},
        {"exists a", "ok"},
        {"bitfield a get u8 0", "ok"},
        {"bitfield a set u8 0 1", "key 1"}}},
      {"+@all %W~a",
       {{"get a", "key 1"},
        {"set a x", "ok"},
        {"set a get", "ok"},
        {"set a x get", "key 1"},
        {"del a", "ok"},
        {"incr a", "key 1"},
        {"bitfield a get u8 0", "key 1"}}},
      {"+@all %R~a %W~b", {{"copy a b", "ok"}, {"copy b a", "key 1"}, {"copy a a", "key 2"}}},
      {"+config|get", {{"config get x", "ok"}, {"config set x y", "command"}}},
      {"+@all -config|get", {{"config get x", "command"}, {"config set x y", "ok"}}},
      {"+select|0", {{"select 0", "ok"}, {"select 1", "command"}, {"select", "command"}}},
      {"+select|0 -@connection", {{"select 0", "command"}}},
      {"+get ~a (+set ~b)",
       {{"get a", "ok"}, {"set b x", "ok"}, {"get b", "key 1"}, {"del a", "command"}}},
      {"+mget ~a (+mget ~a ~b)", {{"mget a b", "ok"}, {"mget a b c", "key 3"}}},
  };
  for (const Case& each : table) {
    World world;
    CHECK(world.set(each.rules) == "");
    for (const auto& [call, decision] : each.calls) {
      CAPTURE(each.rules);
      CAPTURE(call);
      CHECK(world.decide(call) == decision);
    }
  }
}

TEST_CASE("acl: decisions about channels") {
  const auto row = [](std::string_view name) {
    CommandSpec spec{};
    spec.name = name;
    spec.arity = -2;
    spec.flags = kPubSub;
    return spec;
  };
  const CommandSpec publish = row("publish"), subscribe = row("subscribe"),
                    psubscribe = row("psubscribe"), unsubscribe = row("unsubscribe");
  World world;
  CHECK(world.set("+@all allkeys &news.* &a") == "");
  const AclUser& user = *world.acl.find("u");
  const auto decide = [&user](const CommandSpec& spec, std::string_view call) {
    const Command command(spec, nullptr);
    return World::text(user.check(command, split(call)));
  };
  CHECK(decide(publish, "publish a b") == "ok");
  CHECK(decide(publish, "publish b a") == "channel 1");
  CHECK(decide(subscribe, "subscribe a news.x b") == "channel 3");
  CHECK(decide(subscribe, "subscribe a news.x") == "ok");
  CHECK(decide(psubscribe, "psubscribe news.*") == "ok");
  CHECK(decide(psubscribe, "psubscribe news.x") == "channel 1");
  CHECK(decide(unsubscribe, "unsubscribe b") == "ok");
  CHECK(user.check_channel("news.y", false));
  CHECK(!user.check_channel("news.y", true));
}

TEST_CASE("acl: a user who may do everything is known as such, and no other") {
  World world;
  CHECK(world.acl.default_user().unrestricted());
  for (const auto& [rules, unrestricted] : std::vector<std::pair<std::string_view, bool>>{
           {"+@all ~* &*", true},
           {"-get", false},
           {"+get", false},  // as in Redis: only +@all says all
           {"+@all", true},
           {"resetkeys", false},
           {"(+@all ~* &*)", true},
           {"clearselectors", false},
           {"~* resetchannels", false},
           {"&*", true},
           {"reset", false}}) {
    CAPTURE(rules);
    CHECK(world.set(rules) == "");
    CHECK(world.acl.find("u")->unrestricted() == unrestricted);
  }
}

TEST_CASE("acl: keys beyond those that the arguments name") {
  World world;
  const Command& get = *world.table.find("get");
  const Words call = split("get a");
  for (const auto& [rules, allowed] :
       std::vector<std::pair<std::string_view, bool>>{{"+get ~a*", false},
                                                      {"resetkeys %R~*", true},
                                                      {"resetkeys %W~*", false},
                                                      {"(+get ~*)", true},
                                                      {"clearselectors (~*)", false},
                                                      {"allkeys", true}}) {
    CAPTURE(rules);
    CHECK(world.set(rules) == "");
    CHECK(world.acl.find("u")->check_with_all_keys(get, call, kKeyAccess) == allowed);
  }
}

TEST_CASE("acl: which changes may take a subscription away") {
  for (const auto& [before, after, lost] :
       std::vector<std::tuple<std::string_view, std::string_view, bool>>{
           {"&a", "&b", false},
           {"&a", "resetchannels &b", true},
           {"&a &b", "resetchannels &b &a", false},
           {"&*", "resetchannels &a", true},
           {"&*", "resetchannels (&*)", false},
           {"&a (&b)", "clearselectors", true},
           {"&a (&b)", "clearselectors &b", false}}) {
    CAPTURE(before);
    CAPTURE(after);
    World world;
    CHECK(world.set(before) == "");
    const AclUser old = *world.acl.find("u");
    CHECK(world.set(after) == "");
    CHECK(world.acl.find("u")->lost_channels(old) == lost);
  }
}
