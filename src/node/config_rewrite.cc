// See config.h: CONFIG REWRITE.
//
// Lines are edited, not a tree printed, so that everything else in the file stays as it is. A form
// that the editing does not understand (a flow map over several lines, say) gives a text that does
// not read back as wanted; then nothing is written.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/yaml.h"

namespace holdfast {
namespace {

using Lines = std::vector<std::string>;

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return lines;
}

std::string join_lines(const Lines& lines) {
  std::string out;
  for (const std::string& line : lines) out.append(line).append("\n");
  return out;
}

// Where the comment behind a value begins, with the spaces before it; the line's end if none.
size_t comment_start(std::string_view line, size_t from) {
  char quote = 0;
  for (size_t i = from; i < line.size(); ++i) {
    const char before = i > from ? line[i - 1] : ' ';
    const bool opens = before == ' ' || before == '[' || before == ',' || before == '{';
    if (quote != 0) {
      if (quote == '"' && line[i] == '\\') ++i;
      if (i < line.size() && line[i] == quote) quote = 0;
    } else if ((line[i] == '"' || line[i] == '\'') && opens) {
      quote = line[i];
    } else if (line[i] == '#' && (before == ' ' || before == '\t')) {
      const size_t last = line.find_last_not_of(" \t", i - 1);
      return last == std::string_view::npos ? i : std::max(last + 1, from);
    }
  }
  return line.size();
}

// The file with the value of `entry` replaced; no value when its line is not "key: value".
std::optional<Lines> replaced(Lines lines, const YamlEntry& entry, const std::string& value) {
  const size_t at = size_t(entry.line - 1);
  if (at >= lines.size()) return std::nullopt;
  std::string& line = lines[at];
  const size_t key = line.find(entry.key, size_t(entry.column));
  const size_t colon = key == std::string::npos ? key : line.find(':', key + entry.key.size());
  if (colon == std::string::npos) return std::nullopt;
  const size_t comment = comment_start(line, colon + 1);
  line = line.substr(0, colon + 1) + " " + value + line.substr(comment);
  // Items of a list in block form go; comments between them stay.
  for (size_t i = std::min(size_t(entry.last_line), lines.size()); i > at + 1; --i) {
    const size_t first = lines[i - 1].find_first_not_of(" \t");
    if (first != std::string::npos && lines[i - 1][first] == '-') {
      lines.erase(lines.begin() + std::ptrdiff_t(i - 1));
    }
  }
  return lines;
}

// The file with the option added behind the last one of its section, if that is there.
std::optional<Lines> inserted(Lines lines, const YamlFile& file, std::string_view name,
                              const std::string& value) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const YamlEntry* last = nullptr;
  for (const YamlEntry& entry : file.entries) {
    if (entry.depth == 2 && entry.path.starts_with(name.substr(0, dot + 1))) last = &entry;
  }
  if (last == nullptr || size_t(last->last_line) > lines.size()) return std::nullopt;
  const std::string indent(size_t(std::max(last->column, 0)), ' ');
  lines.insert(lines.begin() + last->last_line,
               indent + std::string(name.substr(dot + 1)) + ": " + value);
  return lines;
}

// True if the text is valid and gives `option` the value it has in `current`.
bool says(const std::string& text, const OptionSpec& option, const Options& current) {
  const Result<Options> read = read_config_values(text, "");
  return read.ok() && option.get(read.value()) == option.get(current);
}

// The text with the one option as in `current`; no value when the file's form is too unusual.
std::optional<std::string> with_option(const std::string& text, const OptionSpec& option,
                                       const Options& current) {
  const YamlFile file = read_yaml(text);
  const Lines lines = split_lines(text);
  const std::string value = yaml_value(option, current);
  const auto found = std::ranges::find(file.entries, option.name, &YamlEntry::path);
  std::vector<std::optional<Lines>> tries;
  if (found != file.entries.end()) {
    tries.push_back(replaced(lines, *found, value));
  } else {
    tries.push_back(inserted(lines, file, option.name, value));
    Lines appended = lines;
    appended.push_back(std::string(option.name) + ": " + value);
    tries.push_back(std::move(appended));
  }
  for (const std::optional<Lines>& each : tries) {
    if (!each.has_value()) continue;
    std::string candidate = join_lines(*each);
    if (says(candidate, option, current)) return candidate;
  }
  return std::nullopt;
}

}  // namespace

Status rewrite_config(const Options& current, Disk& disk) {
  const std::string& path = current.config_file;
  if (path.empty()) return Status::invalid("The server is running without a config file");
  const Result<std::string> old_text = disk.read_file(path);
  if (!old_text.ok()) return old_text.status();
  std::string text = old_text.value();
  for (const OptionSpec& option : option_table()) {
    const Result<Options> read = read_config_values(text, path);
    if (!read.ok()) return read.status();
    if (option.get(read.value()) == option.get(current)) continue;
    std::optional<std::string> changed = with_option(text, option, current);
    if (!changed.has_value()) {
      return Status::invalid(path + ": " + std::string(option.name) +
                             ": cannot be rewritten in this form; write each key on a line of its "
                             "own");
    }
    text = std::move(*changed);
  }
  for (const OptionSpec& option : option_table()) {
    if (!says(text, option, current)) {
      return Status::invalid(path + ": " + std::string(option.name) + ": cannot be rewritten");
    }
  }
  if (text == old_text.value()) return {};
  return disk.replace_file(path, text);
}

}  // namespace holdfast
