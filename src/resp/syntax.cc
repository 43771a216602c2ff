// See syntax.h. A recursive descent over words and brackets.
//
// Two habits of Redis's own tables are kept, because clients draw hints from them: a word in front
// of a choice belongs to the choice ("TYPE <normal | master>"), and the word that opens a group
// belongs to the group ("[LIMIT offset count]"), not to the argument behind it.
#include "resp/syntax.h"

#include <algorithm>
#include <array>

namespace holdfast {
namespace {

using Nodes = std::vector<SyntaxNode>;

constexpr auto kIntegers = std::to_array<std::string_view>({"bit",
                                                            "bits",
                                                            "client-id",
                                                            "cluster-bus-port",
                                                            "count",
                                                            "cursor",
                                                            "cutoff",
                                                            "db",
                                                            "decrement",
                                                            "config-epoch",
                                                            "destination-db",
                                                            "end",
                                                            "end-slot",
                                                            "frequency",
                                                            "increment",
                                                            "index",
                                                            "index1",
                                                            "index2",
                                                            "len",
                                                            "maxage",
                                                            "milliseconds",
                                                            "min-match-len",
                                                            "numkeys",
                                                            "numlocal",
                                                            "numreplicas",
                                                            "offset",
                                                            "port",
                                                            "protover",
                                                            "seconds",
                                                            "slot",
                                                            "start",
                                                            "start-slot",
                                                            "timeout",
                                                            "ttl",
                                                            "version"});
constexpr auto kKeys = std::to_array<std::string_view>(
    {"key", "key1", "key2", "newkey", "source", "destination", "destkey"});
constexpr auto kTypes =
    std::to_array<std::string_view>({"string", "integer", "double", "key", "pattern", "unix-time"});

// What Redis calls a choice, by the first word of it.
struct ChoiceName {
  std::string_view first, name;
};
constexpr ChoiceName kChoiceNames[] = {
    {"NX", "condition"},       {"EX", "expiration"},       {"BYTE", "unit"},
    {"ASYNC", "flush-type"},   {"AND", "operation"},       {"WRAP", "overflow-block"},
    {"NORMAL", "client-type"}, {"MODULE", "filterby"},     {"TIMEOUT", "unblock-type"},
    {"LIB-NAME", "attr"},      {"ON", "enabled"},          {"YES", "enabled"},
    {"GET", "operation"},      {"SET", "write-operation"}, {"NOSAVE", "save-selector"},
    {"MAXLEN", "strategy"},    {"=", "operator"},          {"*", "id-selector"},
};

template <typename List>
bool among(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_token(std::string_view word) {
  if (word == "*" || word == "=" || word == "~" || word == "$") return true;
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string_view type_of(std::string_view name) {
  if (among(kKeys, name)) return "key";
  if (among(kIntegers, name)) return "integer";
  if (name.starts_with("unix-time")) return "unix-time";
  if (name == "pattern") return "pattern";
  return "string";
}

SyntaxNode argument(std::string_view word) {
  SyntaxNode node;
  const size_t colon = word.rfind(':');
  if (colon != std::string_view::npos && among(kTypes, word.substr(colon + 1))) {
    node.name = word.substr(0, colon);
    node.type = word.substr(colon + 1);
  } else {
    node.name = word;
    node.type = type_of(word);
  }
  return node;
}

std::string_view first_word(const SyntaxNode& node) {
  if (!node.token.empty()) return node.token;
  return node.children.empty() ? std::string_view(node.name) : first_word(node.children[0]);
}

// One node for a group.
SyntaxNode block(Nodes nodes) {
  if (nodes.size() == 1) return std::move(nodes[0]);
  SyntaxNode node;
  node.type = "block";
  if (!nodes.empty()) {
    SyntaxNode& opening = nodes[0];
    node.name = opening.name;
    const bool has_argument = opening.type != "pure-token" && opening.children.empty();
    if (has_argument && !opening.optional && !opening.multiple && !opening.token.empty()) {
      node.token = std::move(opening.token);
      node.name = lower(node.token);
      opening.token.clear();
    }
  }
  node.children = std::move(nodes);
  return node;
}

SyntaxNode choice(std::vector<Nodes> alternatives) {
  SyntaxNode node;
  node.type = "oneof";
  for (Nodes& alternative : alternatives) node.children.push_back(block(std::move(alternative)));
  node.name = node.children[0].name;
  for (const ChoiceName& known : kChoiceNames) {
    if (first_word(node) == known.first) node.name = known.name;
  }
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Until the closing bracket or the end: a sequence, or choices between sequences.
  Nodes sequence() {
    std::vector<Nodes> alternatives(1);
    bool repeated = false;
    while (true) {
      const std::string_view word = peek();
      if (word.empty() || is_closing(word)) break;
      if (word == "|") {
        next();
        alternatives.emplace_back();
      } else if (word == "[") {
        bracket(&alternatives.back(), &repeated);
      } else if (word == "<") {
        alternatives.back().push_back(group());
      } else {
        word_or_argument(&alternatives.back());
      }
    }
    if (alternatives.size() == 1) return std::move(alternatives[0]);
    Nodes nodes;
    nodes.push_back(choice(std::move(alternatives)));
    nodes[0].multiple = repeated;
    return nodes;
  }

 private:
  static bool is_closing(std::string_view word) { return word == "]" || word == ">"; }

  // What a bracket holds, as one node.
  SyntaxNode group() {
    next();
    SyntaxNode node = block(sequence());
    next();
    return node;
  }

  // "[x]", or the "[x ...]" that says that what stands before it may be repeated. A repeated choice
  // repeats all that it is a part of: *repeated.
  void bracket(Nodes* nodes, bool* repeated) {
    next();
    const size_t start = at_;
    Nodes inner = sequence();
    const bool repeats = text_.substr(start, at_ - start).ends_with("...");
    next();
    if (!repeats) {
      nodes->push_back(block(std::move(inner)));
      nodes->back().optional = true;
    } else if (inner.size() == 1 && inner[0].type == "oneof") {
      *repeated = true;
    } else {
      repeat(nodes, std::move(inner));
    }
  }

  static void repeat(Nodes* nodes, Nodes inner) {
    const size_t count = inner.size();
    const size_t first = nodes->size() - std::min(count, nodes->size());
    const bool stands_before =
        count > 0 && std::equal(inner.begin(), inner.end(), nodes->begin() + first, nodes->end(),
                                [](const auto& a, const auto& b) { return a.name == b.name; });
    SyntaxNode node = block(std::move(inner));
    node.multiple = true;
    node.multiple_token = !node.token.empty();
    if (!stands_before) {
      node.optional = true;  // "[x ...]" by itself: any number of x
    } else {
      if (node.token.empty()) node.token = (*nodes)[first].token;
      if (node.type == "block" && node.token.empty()) node.name = "data";
      nodes->resize(first);
    }
    nodes->push_back(std::move(node));
  }

  void word_or_argument(Nodes* nodes) {
    const std::string_view word = next();
    if (word == "...") return;  // bracket() looks for it
    if (!is_token(word)) {
      nodes->push_back(argument(word));
      return;
    }
    const std::string_view follows = peek();
    if (follows == "<") {
      nodes->push_back(group());
    } else if (!follows.empty() && !is_bracket(follows[0]) && follows != "..." &&
               !is_token(follows)) {
      nodes->push_back(argument(next()));
    } else {
      nodes->emplace_back();
      nodes->back().name = lower(word);
      nodes->back().type = "pure-token";
    }
    nodes->back().token = word;
  }

  static bool is_bracket(char c) {
    return c == '[' || c == ']' || c == '<' || c == '>' || c == '|';
  }

  std::string_view peek() {
    const size_t before = at_;
    const std::string_view word = next();
    at_ = before;
    return word;
  }

  std::string_view next() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ == text_.size()) return {};
    const size_t start = at_++;
    if (is_bracket(text_[start])) return text_.substr(start, 1);
    while (at_ < text_.size() && text_[at_] != ' ' && !is_bracket(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  std::string_view text_;
  size_t at_ = 0;
};

void assign_keys(Nodes* nodes, int key_specs, int* next) {
  for (SyntaxNode& node : *nodes) {
    if (node.type == "key" && key_specs == 0) {
      node.type = "string";
    } else if (node.type == "key") {
      node.key_index = std::min((*next)++, key_specs - 1);
    }
    assign_keys(&node.children, key_specs, next);
  }
}

}  // namespace

std::vector<SyntaxNode> parse_syntax(std::string_view syntax, int key_specs) {
  Nodes nodes = Parser(syntax).sequence();
  int next_key = 0;
  assign_keys(&nodes, key_specs, &next_key);
  return nodes;
}

}  // namespace holdfast
