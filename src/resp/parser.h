// RequestParser: turns bytes from a client into commands, in place: arguments are views into the
// caller's buffer. Multibulk ("*2\r\n$3\r\nGET\r\n...") and inline ("GET k\r\n") requests.
//
// Pure: bytes in, commands or an error out; no socket, no clock. Split points don't matter: a
// command that is incomplete is resumed, not parsed again, when more bytes are there.
//
// Error texts are Redis's; after an error the connection is closed.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct ParserLimits {
  uint64_t max_bulk_bytes = 512ULL << 20;
  bool authenticated = true;  // false: at most 10 arguments of 16 KiB each (CVE-2021-32675)
};

class RequestParser {
 public:
  enum class Outcome : uint8_t { kCommand, kIncomplete, kError };

  // Parses the command that starts at input[*offset]. kCommand: its arguments were appended to
  // *args, and *offset is behind it. kIncomplete: *offset is where the unfinished command starts
  // (empty requests before it are skipped); the next call must present it again from there, with
  // more bytes behind it. An inline argument with quotes lives in the parser until
  // forget_inline(); all other views are of `input`.
  Outcome parse(std::string_view input, size_t* offset, std::vector<std::string_view>* args,
                const ParserLimits& limits);

  // After kError: "Protocol error: ...", without the prefix "ERR ".
  const std::string& error() const { return error_; }
  // After kIncomplete: bytes from the command's start that are certainly needed; 0 if unknown.
  size_t bytes_wanted() const { return wanted_; }
  // Arguments of the unfinished command found so far.
  size_t partial_arguments() const { return partial_.size(); }

  void forget_inline() { inline_.clear(); }
  // Frees what a large unfinished command made grow.
  void reset();

 private:
  static constexpr size_t kMaxLine = 64 * 1024;

  struct Span {
    size_t offset;  // from the command's start
    size_t size;
  };

  Outcome parse_inline(std::string_view command, size_t* used, std::vector<std::string_view>* args);
  static bool parse_whole(std::string_view command, size_t* used,
                          std::vector<std::string_view>* args, const ParserLimits& limits);
  Outcome parse_multibulk(std::string_view command, size_t* used,
                          std::vector<std::string_view>* args, const ParserLimits& limits);
  // Reads the number of a "*N\r\n" or "$N\r\n" line at resume_. False: incomplete, or error_ set.
  bool read_count(std::string_view command, std::string_view too_big, std::string_view invalid,
                  int64_t* count);
  Outcome fail(const std::string& error);

  // State of an unfinished multibulk, relative to its start.
  int64_t remaining_ = 0;  // arguments still to come
  int64_t bulk_size_ = -1;
  size_t resume_ = 0;
  std::vector<Span> partial_;
  size_t wanted_ = 0;

  std::deque<std::string> inline_;
  std::string error_;
};

// Splits an inline request by Redis's quoting rules ("..." with \n \xhh escapes, '...' with \').
// Words without quotes are views of `line`, others are put into *storage. False: unbalanced.
bool split_inline(std::string_view line, std::vector<std::string_view>* args,
                  std::deque<std::string>* storage);

}  // namespace holdfast
