// The notation of command arguments that Redis's documentation uses, parsed into the tree that
// COMMAND DOCS shows:
//
//   key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]     key [key ...]
//
// WORDS are tokens, lower-case names are arguments, [x] is optional, a | b is a choice, <a | b> a
// choice that must be made, and "x [x ...]" is one or more of x. The type of an argument follows
// from its name; where it does not, the row says it: "value:integer". Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct SyntaxNode {
  std::string name;
  std::string type;   // key, string, integer, double, pattern, unix-time, pure-token, oneof, block
  std::string token;  // the word before the argument, or the word itself
  bool optional = false;
  bool multiple = false;
  bool multiple_token = false;  // the token is repeated too
  int key_index = -1;           // of a key: which key specification it belongs to
  std::vector<SyntaxNode> children;
};

// `key_specs`: how many key specifications the command has; keys are assigned to them in order, the
// last taking the rest. Without any, what is called a key is only a string.
std::vector<SyntaxNode> parse_syntax(std::string_view syntax, int key_specs);

}  // namespace holdfast
