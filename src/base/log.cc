// See log.h. Lines are formatted here; spdlog takes care of sinks and of concurrent writers.
//
// What must hold: one event is one line, whatever bytes a message or a field has, and a JSON line
// is valid JSON in valid UTF-8. Logging never throws: what the library reports becomes a Status,
// or is dropped when there is nobody to tell.
#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <time.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log_hook.h"

namespace holdfast {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

std::shared_ptr<spdlog::logger> make_logger(const std::string& file) {
  spdlog::sink_ptr sink;
  if (file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  }
  auto logger = std::make_shared<spdlog::logger>("holdfast", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);  // the level is decided before a line is formatted
  logger->flush_on(spdlog::level::trace);
  return logger;
}

struct LogState {
  std::atomic<LogLevel> level = LogLevel::kInfo;
  std::atomic<bool> json = false;
  std::atomic<LogHook> hook = nullptr;
  std::mutex mutex;
  std::string file;                                          // under mutex
  std::shared_ptr<spdlog::logger> logger = make_logger("");  // under mutex
};

// Never destroyed: objects with static lifetime may log in their destructors.
LogState& state() {
  static auto* kept = new LogState;
  return *kept;
}

Status open_log(const std::string& file) {
  try {
    auto logger = make_logger(file);
    std::lock_guard lock(state().mutex);
    state().file = file;
    state().logger = std::move(logger);
    return {};
  } catch (const std::exception& error) {
    return Status::io("open log file " + file + ": " + error.what());
  }
}

std::string timestamp() {
  const int64_t wall_ms = RealClock().wall_ms();
  const time_t seconds = wall_ms / 1000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     wall_ms % 1000);
}

// JSON has no NaN and no infinity.
bool is_json_literal(const LogField& field) {
  return !field.quoted && field.value.find("nan") == std::string::npos &&
         field.value.find("inf") == std::string::npos;
}

std::string json_line(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
  std::string out = "{\"time\":\"" + timestamp() + "\",\"level\":\"";
  out += kLevelNames[static_cast<size_t>(level)];
  out += "\",\"message\":";
  append_json_string(out, message);
  for (const LogField& field : fields) {
    out += ',';
    append_json_string(out, field.key);
    out += ':';
    if (is_json_literal(field)) {
      out += field.value;
    } else {
      append_json_string(out, field.value);
    }
  }
  return out + "}";
}

// A value that reads as one word stands bare.
bool is_bare(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

std::string text_line(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
  std::string out = timestamp() + " ";
  out += kLevelNames[static_cast<size_t>(level)];
  out += ' ';
  append_escaped(out, message, false);
  for (const LogField& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    if (is_bare(field.value)) {
      out += field.value;
      continue;
    }
    out += '"';
    append_escaped(out, field.value, false);
    out += '"';
  }
  return out;
}

}  // namespace

Status configure_log(const LogOptions& options) {
  if (Status status = open_log(options.file); !status.ok()) return status;
  state().json = options.json;
  set_log_level(options.level);
  return {};
}

void set_log_level(LogLevel level) { state().level.store(level, std::memory_order_relaxed); }

LogLevel log_level() { return state().level.load(std::memory_order_relaxed); }

void reopen_log() {
  std::string file;
  {
    std::lock_guard lock(state().mutex);
    file = state().file;
  }
  if (file.empty()) return;
  if (Status status = open_log(file); !status.ok()) {
    log_error("log file not reopened", {{"reason", status.message()}});  // goes to the old one
  }
}

void set_log_hook(LogHook hook) { state().hook = hook; }

void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (const LogHook hook = state().hook) hook(level, message, fields);
  if (level < log_level() || level >= LogLevel::kOff) return;
  const std::string line =
      state().json ? json_line(level, message, fields) : text_line(level, message, fields);
  std::shared_ptr<spdlog::logger> logger;
  {
    std::lock_guard lock(state().mutex);
    logger = state().logger;
  }
  logger->log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace holdfast
