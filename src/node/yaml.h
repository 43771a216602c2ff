// The YAML that configuration files use: nested maps of scalars and lists of scalars, read into a
// flat list of entries with their lines, so that errors can name them and a rewrite can find them.
//
// Anchors, aliases and several documents are refused: a reader of the file could miss what they do.
// No exception of the YAML library leaves this file. Memory and nesting are bounded by the input's
// size and kMaxYamlDepth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

inline constexpr int kMaxYamlDepth = 8;

struct YamlEntry {
  // kOther: a value that no option can take; a problem says why.
  enum class Kind { kScalar, kList, kNull, kSection, kOther };

  std::string path;  // keys joined by dots: "resp.port"
  std::string key;   // the last one as the file writes it; may have dots itself
  Kind kind = Kind::kNull;
  std::vector<std::string> values;  // one for kScalar
  int depth = 1;                    // maps around it; 1: top level
  int line = 0;                     // of the key, from 1
  int column = 0;                   // of the key, from 0
  int last_line = 0;                // where the last value begins
};

struct YamlProblem {
  int line;
  std::string text;
};

struct YamlFile {
  std::vector<YamlEntry> entries;  // in the order of the file; a section before its entries
  std::vector<YamlProblem> problems;
};

YamlFile read_yaml(std::string_view text);

// The text as a YAML scalar, in quotes where it needs them.
std::string yaml_scalar(std::string_view text);

}  // namespace holdfast
