// See yaml.h. The library's event interface is used, not its tree: events carry positions, show
// duplicate keys, and never expand an alias.
#include "node/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace holdfast {
namespace {

using Kind = YamlEntry::Kind;

struct StopReading {};  // thrown through the parser after the problem was noted

class Collector final : public YAML::EventHandler {
 public:
  explicit Collector(YamlFile& out) : out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) stop(mark, "more than one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (skipping_ > 0) return;
    if (wants_key()) return bad_key(mark);
    set_value(mark, Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problem(mark, "aliases are not supported");
    if (skipping_ > 0) return;
    if (wants_key()) return take_key(mark, {}, false);
    set_value(mark, Kind::kOther);
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    if (skipping_ > 0) return;
    if (wants_key()) return take_key(mark, value, true);
    set_value(mark, Kind::kScalar, value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    if (start_skipping(mark)) return;
    if (frames_.empty()) return refuse_root(mark);
    set_value(mark, Kind::kList);
    in_list_ = true;
  }
  void OnSequenceEnd() override {
    if (skipping_ > 0) return stop_skipping();
    in_list_ = false;
  }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    if (start_skipping(mark)) return;
    if (frames_.size() == kMaxYamlDepth) stop(mark, "nested too deeply");
    std::string prefix;
    if (!frames_.empty()) {
      prefix = path_of(key_) + ".";
      set_value(mark, Kind::kSection);
    }
    frames_.push_back(std::move(prefix));
    have_key_ = false;
  }
  void OnMapEnd() override {
    if (skipping_ > 0) return stop_skipping();
    frames_.pop_back();
    have_key_ = false;
  }

 private:
  bool wants_key() const { return !frames_.empty() && !have_key_ && !in_list_; }
  std::string path_of(const std::string& key) const { return frames_.back() + key; }
  static int line_of(const YAML::Mark& mark) { return std::max(mark.line, 0) + 1; }

  void problem(const YAML::Mark& mark, std::string text) {
    out_.problems.push_back({line_of(mark), std::move(text)});
  }
  [[noreturn]] void stop(const YAML::Mark& mark, std::string text) {
    problem(mark, std::move(text));
    throw StopReading();
  }
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) problem(mark, "anchors are not supported");
  }
  void refuse_root(const YAML::Mark& mark) {
    stop(mark, "keys and values are expected, as in 'durability: always'");
  }

  void take_key(const YAML::Mark& mark, const std::string& key, bool good) {
    have_key_ = true;
    key_is_good_ = good;
    key_ = key;
    key_mark_ = mark;
  }
  void bad_key(const YAML::Mark& mark) {
    problem(mark, "a key must be a word");
    take_key(mark, {}, false);
  }

  // A list or map that cannot be used is passed over: as a key, under a bad key, in a list.
  bool start_skipping(const YAML::Mark& mark) {
    if (skipping_ > 0) {
      ++skipping_;
      return true;
    }
    if (wants_key()) {
      bad_key(mark);
      skipped_key_ = true;
    } else if (in_list_) {
      problem(mark, out_.entries.back().path + ": a list of plain values is expected");
      out_.entries.back().kind = Kind::kOther;
    } else if (!(have_key_ && !key_is_good_)) {
      return false;
    }
    ++skipping_;
    return true;
  }
  void stop_skipping() {
    if (--skipping_ > 0 || in_list_) return;
    if (!skipped_key_) have_key_ = false;  // it was the value of a bad key
    skipped_key_ = false;
  }

  void set_value(const YAML::Mark& mark, Kind kind, const std::string& value = {}) {
    if (frames_.empty()) {
      if (kind == Kind::kNull) return;  // an empty file
      return refuse_root(mark);
    }
    if (in_list_) return add_item(mark, kind, value);
    have_key_ = false;
    if (!key_is_good_) return;
    YamlEntry entry;
    entry.path = path_of(key_);
    entry.key = key_;
    entry.kind = kind;
    if (kind == Kind::kScalar) entry.values.push_back(value);
    entry.depth = static_cast<int>(frames_.size());
    entry.line = line_of(key_mark_);
    entry.column = key_mark_.column;
    // The mark of a missing value is that of whatever follows.
    entry.last_line = kind == Kind::kNull ? entry.line : line_of(mark);
    out_.entries.push_back(std::move(entry));
  }
  void add_item(const YAML::Mark& mark, Kind kind, const std::string& value) {
    YamlEntry& list = out_.entries.back();
    list.last_line = line_of(mark);
    if (kind == Kind::kScalar) {
      list.values.push_back(value);
    } else if (list.kind != Kind::kOther) {
      problem(mark, list.path + ": an item of the list has no value");
      list.kind = Kind::kOther;
    }
  }

  YamlFile& out_;
  std::vector<std::string> frames_;  // path prefix of each open map
  int documents_ = 0;
  int skipping_ = 0;  // open lists and maps that are passed over
  bool skipped_key_ = false;
  bool in_list_ = false;
  bool have_key_ = false;
  bool key_is_good_ = false;
  std::string key_;
  YAML::Mark key_mark_;
};

bool is_plain(std::string_view text) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
  if (text.empty() || text.find_first_not_of(kSafe) != std::string_view::npos) return false;
  if (text.front() == '-' && text.find_first_not_of("0123456789", 1) != std::string_view::npos) {
    return false;
  }
  return text != "-" && text != "..." && text != "null" && text != "Null" && text != "NULL";
}

}  // namespace

YamlFile read_yaml(std::string_view text) {
  YamlFile file;
  Collector collector(file);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(collector)) {
    }
  } catch (const StopReading&) {
  } catch (const YAML::Exception& e) {
    // What was read of a text that is not YAML misleads: an open bracket turns values into keys.
    file = {};
    file.problems.push_back({std::max(e.mark.line, 0) + 1, "not valid YAML: " + e.msg});
  } catch (const std::exception& e) {
    file.problems.push_back({1, std::string("not readable: ") + e.what()});
  }
  return file;
}

std::string yaml_scalar(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

}  // namespace holdfast
