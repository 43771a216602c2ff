// The notation of command arguments: trees as Redis's COMMAND DOCS has them, and back to the text
// that a client draws as a hint.
#include "resp/syntax.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/command_table.h"

using namespace holdfast;

namespace {

// "name/type=TOKEN#key?*+{children}": ? optional, * multiple, + with its token.
std::string show(const std::vector<SyntaxNode>& nodes) {
  std::string out;
  for (const SyntaxNode& node : nodes) {
    if (!out.empty()) out += " ";
    out += node.name + "/" + node.type;
    if (!node.token.empty()) out += "=" + node.token;
    if (node.key_index >= 0) out += "#" + std::to_string(node.key_index);
    if (node.optional) out += "?";
    if (node.multiple) out += "*";
    if (node.multiple_token) out += "+";
    if (!node.children.empty()) out += "{" + show(node.children) + "}";
  }
  return out;
}

std::string parsed(std::string_view syntax, int key_specs = 1) {
  return show(parse_syntax(syntax, key_specs));
}

std::string draw(const SyntaxNode& node);

std::string draw_all(const std::vector<SyntaxNode>& nodes, std::string_view between) {
  std::string out;
  for (const SyntaxNode& node : nodes) {
    if (!out.empty()) out += between;
    out += draw(node);
  }
  return out;
}

// As redis-cli draws its hints.
std::string draw(const SyntaxNode& node) {
  std::string text = node.name;
  if (node.type == "pure-token") text = node.token;
  if (node.type == "block") text = draw_all(node.children, " ");
  if (node.type == "oneof") text = draw_all(node.children, " | ");
  const std::string token = node.type == "pure-token" || node.token.empty() ? "" : node.token + " ";
  if (node.multiple) text += " [" + (node.multiple_token ? token : "") + text + " ...]";
  if (node.type == "oneof" && (!node.optional || !token.empty())) text = "<" + text + ">";
  text = token + text;
  return node.optional ? "[" + text + "]" : text;
}

// Types said in the row are not drawn.
std::string without_types(std::string text) {
  for (const std::string_view type : {":integer", ":double", ":string", ":key", ":pattern"}) {
    for (size_t at = text.find(type); at != text.npos; at = text.find(type)) {
      text.erase(at, type.size());
    }
  }
  return text;
}

}  // namespace

TEST_CASE("syntax: plain arguments, and what their names say of their types") {
  CHECK(parsed("") == "");
  CHECK(parsed("key") == "key/key#0");
  CHECK(parsed("key offset") == "key/key#0 offset/integer");
  CHECK(parsed("key unix-time-seconds") == "key/key#0 unix-time-seconds/unix-time");
  CHECK(parsed("pattern", 0) == "pattern/pattern");
  CHECK(parsed("message", 0) == "message/string");
  CHECK(parsed("key increment:double") == "key/key#0 increment/double");
  CHECK(parsed("ip:port", 0) == "ip:port/string");
}

TEST_CASE("syntax: keys go to the specifications in order, the last taking the rest") {
  CHECK(parsed("source destination", 2) == "source/key#0 destination/key#1");
  CHECK(parsed("key1 key2", 1) == "key1/key#0 key2/key#0");
  CHECK(parsed("key", 0) == "key/string");
}

TEST_CASE("syntax: repetition") {
  CHECK(parsed("key [key ...]") == "key/key#0*");
  CHECK(parsed("key value [key value ...]") == "data/block*{key/key#0 value/string}");
  CHECK(parsed("[section [section ...]]") == "section/string?*");
  CHECK(parsed("command [arg [arg ...]]") == "command/string arg/string?*");
  CHECK(parsed("[name ...]") == "name/string?*");
  CHECK(parsed("[GET pattern [GET pattern ...]]") == "pattern/pattern=GET?*+");
  CHECK(parsed("[ID client-id [client-id ...]]") == "client-id/integer=ID?*");
}

TEST_CASE("syntax: tokens, options and choices") {
  CHECK(parsed("key [GET]") == "key/key#0 get/pure-token=GET?");
  CHECK(parsed("[NX | XX]") == "condition/oneof?{nx/pure-token=NX xx/pure-token=XX}");
  CHECK(parsed("[COUNT count] [TYPE type]") == "count/integer=COUNT? type/string=TYPE?");
  CHECK(parsed("[EX seconds | KEEPTTL]") ==
        "expiration/oneof?{seconds/integer=EX keepttl/pure-token=KEEPTTL}");
  CHECK(parsed("<host port | NO ONE>") ==
        "host/oneof{host/block{host/string port/integer} "
        "no/block{no/pure-token=NO one/pure-token=ONE}}");
}

TEST_CASE("syntax: a word before a choice or a group belongs to all of it") {
  CHECK(parsed("[TYPE <NORMAL | MASTER>]") ==
        "client-type/oneof=TYPE?{normal/pure-token=NORMAL master/pure-token=MASTER}");
  CHECK(parsed("[LIMIT offset count]") == "limit/block=LIMIT?{offset/integer count/integer}");
  CHECK(parsed("key [GET encoding offset [GET encoding offset ...]]") ==
        "key/key#0 get/block=GET?*+{encoding/string offset/integer}");
  CHECK(parsed("[protover [AUTH username password]]") ==
        "protover/block?{protover/integer auth/block=AUTH?{username/string password/string}}");
}

TEST_CASE("syntax: a choice that repeats does so as a whole") {
  CHECK(parsed("key [GET offset | SET offset value [GET offset | SET offset value ...]]") ==
        "key/key#0 operation/oneof?*{offset/integer=GET "
        "set/block=SET{offset/integer value/string}}");
}

TEST_CASE("syntax: brackets that do not match end the parse and nothing else") {
  for (const std::string_view text :
       {"[", "]", "<", ">", "|", "[a", "a ]", "[a | ", "<a | [b", "...", "[...]", "A <", "A [",
        "[ ]", "a | | b", "[a ... ...]"}) {
    CAPTURE(text);
    CHECK_NOTHROW(parse_syntax(text, 1));
  }
}

TEST_CASE("syntax: every command's arguments are drawn as its row has them") {
  const CommandTable table;
  const auto check = [](const Command& command) {
    CAPTURE(command.full_name);
    const auto nodes = parse_syntax(command.spec.syntax, 1);
    CHECK(draw_all(nodes, " ") == without_types(std::string(command.spec.syntax)));
  };
  for (const auto& command : table.commands()) {
    check(*command);
    for (const auto& sub : command->subcommands) check(*sub);
  }
}
