// Log lines for operators: one event a line, text or JSON, to standard error or a file.
//
// A line is a fixed message plus key=value fields, so that it can be searched:
//   log_info("shard opened", {{"shard", id}, {"seq", seq}});
// Threads: any. Configured once at start by configure_log; before that: text, info, stderr.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/status.h"

namespace holdfast {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  bool json = false;
  std::string file;  // empty: standard error
};

// Value of one field: text or a number, kept as text.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const char* v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : LogField(k, std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <typename N>
  LogField(std::string_view k, N v) : key(k), value(std::to_string(v)), quoted(false) {}

  std::string_view key;
  std::string value;
  bool quoted;  // a string in JSON
};

Status configure_log(const LogOptions& options);
void set_log_level(LogLevel level);
LogLevel log_level();
// Opens the log file anew (after it was moved away by rotation).
void reopen_log();

void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

inline void log_debug(std::string_view m, std::initializer_list<LogField> f = {}) {
  if (log_level() <= LogLevel::kDebug) log_line(LogLevel::kDebug, m, f);
}
inline void log_info(std::string_view m, std::initializer_list<LogField> f = {}) {
  log_line(LogLevel::kInfo, m, f);
}
inline void log_warning(std::string_view m, std::initializer_list<LogField> f = {}) {
  log_line(LogLevel::kWarning, m, f);
}
inline void log_error(std::string_view m, std::initializer_list<LogField> f = {}) {
  log_line(LogLevel::kError, m, f);
}

}  // namespace holdfast
