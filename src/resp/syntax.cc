// See syntax.h. A recursive descent over words and brackets.
#include "resp/syntax.h"

#include <algorithm>
#include <array>

namespace holdfast {
namespace {

constexpr std::array kIntegers = {"seconds",
                                  "milliseconds",
                                  "increment",
                                  "decrement",
                                  "offset",
                                  "count",
                                  "cursor",
                                  "start",
                                  "end",
                                  "bit",
                                  "db",
                                  "index1",
                                  "index2",
                                  "timeout",
                                  "len",
                                  "ttl",
                                  "destination-db",
                                  "frequency",
                                  "numreplicas",
                                  "numlocal",
                                  "min-match-len",
                                  "protover",
                                  "client-id"};
constexpr std::array kKeys = {"key", "key1", "key2", "newkey", "source", "destination", "destkey"};

bool is_token(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string type_of(std::string_view name) {
  const auto among = [name](const auto& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  if (among(kKeys)) return "key";
  if (among(kIntegers)) return "integer";
  if (name.starts_with("unix-time")) return "unix-time";
  if (name == "pattern") return "pattern";
  return "string";
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Until the closing bracket or the end: a sequence, or choices between sequences.
  std::vector<SyntaxNode> sequence() {
    std::vector<std::vector<SyntaxNode>> choices(1);
    while (true) {
      const std::string_view word = peek();
      if (word.empty() || word == "]" || word == ">") break;
      if (word == "|") {
        next();
        choices.emplace_back();
        continue;
      }
      add(&choices.back());
    }
    if (choices.size() == 1) return std::move(choices[0]);
    SyntaxNode node;
    node.type = "oneof";
    for (auto& choice : choices) node.children.push_back(block(std::move(choice)));
    node.name = node.children[0].name;
    return {node};
  }

 private:
  static SyntaxNode block(std::vector<SyntaxNode> nodes) {
    if (nodes.size() == 1) return std::move(nodes[0]);
    SyntaxNode node;
    node.type = "block";
    node.name = nodes.empty() ? "" : nodes[0].name;
    node.children = std::move(nodes);
    return node;
  }

  void add(std::vector<SyntaxNode>* nodes) {
    const std::string_view word = next();
    if (word == "[" || word == "<") {
      const size_t start = at_;
      SyntaxNode node = block(sequence());
      const std::string_view inside = text_.substr(start, at_ - start);
      next();  // the closing bracket
      if (inside.ends_with("...")) return repeat(nodes, inside);
      node.optional = word == "[";
      nodes->push_back(std::move(node));
      return;
    }
    if (word == "...") return;  // seen by repeat()
    SyntaxNode node;
    node.name = lower(word);
    if (!is_token(word)) {
      node.type = type_of(word);
    } else {
      node.token = std::string(word);
      const std::string_view follows = peek();
      const bool lone =
          follows.empty() || is_token(follows) || follows.size() == 1 || follows == "...";
      if (lone && !(follows.size() == 1 && std::isalpha(static_cast<unsigned char>(follows[0])))) {
        node.type = "pure-token";
      } else {
        node.name = std::string(next());
        node.type = type_of(node.name);
      }
    }
    nodes->push_back(std::move(node));
  }

  // "x y [x y ...]": the last nodes, as many as the bracket repeats, are one that may be repeated.
  static void repeat(std::vector<SyntaxNode>* nodes, std::string_view inside) {
    size_t count = 0;
    Parser inner(inside);
    const std::vector<SyntaxNode> repeated = inner.sequence();
    count = std::min(repeated.size(), nodes->size());
    if (count == 0) return;
    SyntaxNode node;
    if (count == 1) {
      node = std::move(nodes->back());
    } else {
      const auto first = nodes->end() - static_cast<std::ptrdiff_t>(count);
      node = block({std::make_move_iterator(first), std::make_move_iterator(nodes->end())});
      node.name = "data";
    }
    nodes->resize(nodes->size() - count);
    node.multiple = true;
    node.multiple_token = !node.token.empty() && node.type != "pure-token";
    nodes->push_back(std::move(node));
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

void number_keys(std::vector<SyntaxNode>* nodes, int* next) {
  for (SyntaxNode& node : *nodes) {
    if (node.type == "key") node.key_index = (*next)++;
    number_keys(&node.children, next);
  }
}

}  // namespace

std::vector<SyntaxNode> parse_syntax(std::string_view syntax) {
  Parser parser(syntax);
  std::vector<SyntaxNode> nodes = parser.sequence();
  int next_key = 0;
  number_keys(&nodes, &next_key);
  return nodes;
}

}  // namespace holdfast
