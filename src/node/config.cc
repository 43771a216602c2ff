// See config.h: reading and checking. Writing is in config_rewrite.cc and config_reference.cc.
#include "node/config.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/real_disk.h"
#include "node/yaml.h"

namespace holdfast {
namespace {

std::string_view section_of(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool is_section(std::string_view name) {
  return std::ranges::any_of(option_table(),
                             [name](const OptionSpec& o) { return section_of(o.name) == name; });
}

// By our name exactly: in files a thing has one name.
const OptionSpec* own_option(std::string_view name) {
  const OptionSpec* option = find_option(name);
  return option != nullptr && option->name == name ? option : nullptr;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string unknown_key(std::string_view key) {
  constexpr size_t kLongest = 64;  // nothing longer can be near
  const OptionSpec* option = find_option(key);
  if (option != nullptr) return "unknown key; here it is " + std::string(option->name);
  std::string_view nearest;
  size_t distance = key.size() / 3 + 2;  // farther is a guess
  if (key.size() <= kLongest) {
    const auto consider = [&](std::string_view name) {
      const size_t d = edit_distance(key, name);
      if (!name.empty() && d < distance) std::tie(nearest, distance) = std::pair(name, d);
    };
    for (const OptionSpec& each : option_table()) {
      consider(each.name);
      consider(section_of(each.name));
    }
  }
  if (nearest.empty()) return "unknown key; 'holdfast reference' prints all of them";
  return "unknown key; did you mean " + std::string(nearest) + "?";
}

// A key in an error: one line, whatever the file says.
std::string shown_key(std::string_view key) {
  constexpr size_t kMaxShown = 80;
  std::string out(key.substr(0, kMaxShown));
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return key.size() > kMaxShown ? out + "..." : out;
}

class Loader {
 public:
  explicit Loader(std::string name) : name_(std::move(name)) {}

  void read(std::string_view text) {
    if (text.size() > kMaxConfigBytes) {
      return error_at(1, "larger than " + std::to_string(kMaxConfigBytes) + " bytes");
    }
    const YamlFile file = read_yaml(text);
    for (const YamlProblem& problem : file.problems) error_at(problem.line, problem.text);
    for (const YamlEntry& entry : file.entries) take(entry);
  }

  void override_with(const std::string& text) {
    const size_t equals = text.find('=');
    const std::string where = "--set " + shown_key(text);
    if (equals == std::string::npos) {
      return error(kAfterFile, where + ": no value; write --set KEY=VALUE");
    }
    const std::string_view key = std::string_view(text).substr(0, equals);
    const OptionSpec* option = own_option(key);
    if (option == nullptr) return error(kAfterFile, where + ": " + unknown_key(key));
    const Status status = option->set(options_, std::string_view(text).substr(equals + 1));
    if (!status.ok()) return error(kAfterFile, where + ": " + status.message());
    where_[option] = where;
  }

  // Checks across options; only when each of them is good, or one mistake would be told twice.
  void check_together() {
    if (count_ > 0) return;
    if (options_.engine_type == EngineType::kMem && options_.durability != Durability::kNone) {
      refuse({"durability", "engine.type"}, "durability",
             "\"" + own_option("durability")->get(options_) +
                 "\" is more than engine.type mem can keep; write durability: none");
    }
    if (options_.resp_bind.empty() && options_.resp_unix_socket.empty()) {
      refuse({"resp.bind"}, "resp.bind", "empty, and so is resp.unix_socket: nowhere to listen");
    }
  }

  Result<Options> finish() {
    if (count_ == 0) return std::move(options_);
    std::ranges::stable_sort(errors_, {}, &YamlProblem::line);
    std::string all;
    for (const YamlProblem& each : errors_) all.append(all.empty() ? "" : "\n").append(each.text);
    if (count_ > errors_.size()) {
      all.append("\n... and ").append(std::to_string(count_ - errors_.size())).append(" more");
    }
    return Status::invalid(std::move(all));
  }

 private:
  static constexpr int kAfterFile = std::numeric_limits<int>::max();

  bool full() const { return errors_.size() == kMaxConfigErrors; }
  void error(int line, std::string text) {
    ++count_;
    if (!full()) errors_.push_back({line, std::move(text)});
  }
  std::string place(int line) const { return name_ + ":" + std::to_string(line); }
  void error_at(int line, const std::string& text) { error(line, place(line) + ": " + text); }
  void key_error(const YamlEntry& entry, const std::string& text) {
    error_at(entry.line, shown_key(entry.path) + ": " + text);
  }
  // Names the place of the first of `keys` that somebody wrote.
  void refuse(std::initializer_list<std::string_view> keys, std::string_view key,
              const std::string& text) {
    std::string where = name_;
    for (const std::string_view each : keys) {
      const auto found = where_.find(own_option(each));
      if (found == where_.end()) continue;
      where = found->second;
      break;
    }
    // A place of the command line names a key already, though it may be another one.
    error(kAfterFile, where + ": " + std::string(key) + ": " + text);
  }

  void take(const YamlEntry& entry) {
    if (!passed_over_.empty() && entry.path.starts_with(passed_over_)) return;
    passed_over_.clear();
    const auto [first, is_new] = lines_.try_emplace(entry.path, entry.line);
    if (!is_new) {
      return key_error(entry, "given twice, first in line " + std::to_string(first->second));
    }
    const OptionSpec* option = own_option(entry.path);
    if (option != nullptr) return take_option(entry, *option);
    if (!is_section(entry.path)) {
      if (entry.kind == YamlEntry::Kind::kSection) passed_over_ = entry.path + ".";
      return key_error(entry, full() ? "unknown key" : unknown_key(entry.path));
    }
    if (entry.kind != YamlEntry::Kind::kSection && entry.kind != YamlEntry::Kind::kNull) {
      key_error(entry, "is a section: it takes keys, not a value");
    }
  }

  void take_option(const YamlEntry& entry, const OptionSpec& option) {
    using Kind = YamlEntry::Kind;
    const std::string allowed = "; allowed: " + std::string(option.allowed);
    std::string text;
    switch (entry.kind) {
      case Kind::kOther:
        return;  // told already
      case Kind::kNull:
        return key_error(entry, "has no value" + allowed);
      case Kind::kSection:
        passed_over_ = entry.path + ".";
        return key_error(entry, "takes a value, not keys" + allowed);
      case Kind::kList:
        if (!option.list) return key_error(entry, "takes one value, not a list" + allowed);
        [[fallthrough]];
      case Kind::kScalar:
        for (const std::string& value : entry.values) {
          text.append(text.empty() ? "" : " ").append(value);
        }
    }
    const Status status = option.set(options_, text);
    if (!status.ok()) return key_error(entry, status.message());
    where_[&option] = place(entry.line);
  }

  std::string name_;
  Options options_;
  std::map<const OptionSpec*, std::string> where_;  // who said it: file and line, or --set
  std::map<std::string, int> lines_;                // of each key
  std::string passed_over_;                         // prefix of the entries of a refused section
  std::vector<YamlProblem> errors_;
  size_t count_ = 0;
};

}  // namespace

Result<Options> load_config_text(std::string_view text, const std::string& name,
                                 const std::vector<std::string>& overrides) {
  Loader loader(name);
  loader.read(text);
  for (const std::string& each : overrides) loader.override_with(each);
  loader.check_together();
  return loader.finish();
}

Result<Options> read_config_values(std::string_view text, const std::string& name) {
  Loader loader(name);
  loader.read(text);
  return loader.finish();
}

Result<Options> load_config(const std::string& path, const std::vector<std::string>& overrides) {
  RealDisk disk;
  const Result<std::string> text = disk.read_file(path);
  if (!text.ok()) return text.status();
  Result<Options> options = load_config_text(text.value(), path, overrides);
  if (!options.ok()) return options;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  options.value().config_file = error ? path : absolute.string();
  return options;
}

}  // namespace holdfast
