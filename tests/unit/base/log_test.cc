// Log lines: both formats to the byte, escaping, levels, reopening after rotation.
#include "base/log.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/support/scratch_directory.h"

namespace holdfast {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// With each time of the right form replaced by T.
std::string without_times(const std::string& text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";
  const auto is_time = [&](size_t at) {
    if (text.size() - at < kForm.size()) return false;
    for (size_t i = 0; i < kForm.size(); ++i) {
      const char c = text[at + i];
      const bool fits = kForm[i] == '0' ? c >= '0' && c <= '9' : c == kForm[i];
      if (!fits) return false;
    }
    return true;
  };
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (is_time(at)) {
      out += 'T';
      at += kForm.size() - 1;
    } else {
      out += text[at];
    }
  }
  return out;
}

// Logs into a file of its own, and leaves the process as it was.
struct LogFile {
  explicit LogFile(bool json, LogLevel level = LogLevel::kInfo) : path(directory.file("log")) {
    REQUIRE(configure_log({.level = level, .json = json, .file = path}).ok());
  }
  ~LogFile() { CHECK(configure_log({}).ok()); }

  std::string take() const { return without_times(content(path)); }

  ScratchDirectory directory;
  std::string path;
};

}  // namespace

TEST_CASE("log: text lines") {
  const LogFile log(false);
  log_info("shard opened", {{"shard", 3}, {"path", "/data/x"}, {"ok", true}});
  log_warning("odd", {{"quoted", "two words"}, {"empty", ""}, {"eq", "a=b"}});
  log_error("line\nbreak", {{"value", "say \"hi\"\\\n\x01"}, {"bytes", "\xff"}});
  CHECK(log.take() ==
        "T info shard opened shard=3 path=/data/x ok=true\n"
        "T warning odd quoted=\"two words\" empty=\"\" eq=\"a=b\"\n"
        "T error line\\nbreak value=\"say \\\"hi\\\"\\\\\\n\\x01\" bytes=\"\\xff\"\n");
}

TEST_CASE("log: JSON lines") {
  const LogFile log(true);
  log_info("shard opened", {{"shard", 3}, {"path", "/data/x"}, {"ok", true}, {"minus", -1}});
  log_error("line\nbreak", {{"value", "say \"hi\"\\\t\x01"}, {"not a number", std::nan("")}});
  CHECK(log.take() ==
        "{\"time\":\"T\",\"level\":\"info\",\"message\":\"shard opened\",\"shard\":3,"
        "\"path\":\"/data/x\",\"ok\":true,\"minus\":-1}\n"
        "{\"time\":\"T\",\"level\":\"error\",\"message\":\"line\\nbreak\","
        "\"value\":\"say \\\"hi\\\"\\\\\\t\\u0001\",\"not a number\":\"nan\"}\n");
}

TEST_CASE("log: JSON stays valid UTF-8 whatever the bytes") {
  const LogFile log(true);
  // Good: é, €, 😀. Bad: a lone continuation, an overlong slash, a surrogate, a cut sequence.
  log_info("m", {{"good", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"}});
  log_info("m", {{"bad",
                  "\x80"
                  "|\xc0\xaf|\xed\xa0\x80|\xe2\x82"}});
  CHECK(log.take() ==
        "{\"time\":\"T\",\"level\":\"info\",\"message\":\"m\","
        "\"good\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}\n"
        "{\"time\":\"T\",\"level\":\"info\",\"message\":\"m\","
        "\"bad\":\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\"}\n");
}

TEST_CASE("log: levels") {
  const LogFile log(false, LogLevel::kWarning);
  log_debug("no");
  log_info("no");
  log_warning("yes");
  set_log_level(LogLevel::kDebug);
  CHECK(log_level() == LogLevel::kDebug);
  log_debug("yes");
  set_log_level(LogLevel::kOff);
  log_error("no");
  CHECK(log.take() == "T warning yes\nT debug yes\n");
}

TEST_CASE("log: reopen writes to a new file after the old one was moved") {
  const LogFile log(false);
  log_info("one");
  std::filesystem::rename(log.path, log.path + ".1");
  log_info("two");
  reopen_log();
  log_info("three");
  CHECK(log.take() == "T info three\n");
  CHECK(content(log.path + ".1").find("info two\n") != std::string::npos);
}

TEST_CASE("log: a file that cannot be opened is an error, and the log goes on as before") {
  const LogFile log(false);
  const Status status = configure_log({.file = log.directory.path()});  // a directory
  CHECK(!status.ok());
  CHECK(status.message().find(log.directory.path()) != std::string::npos);
  log_info("still here");
  CHECK(log.take() == "T info still here\n");
}

}  // namespace holdfast
