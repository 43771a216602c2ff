// See parser.h.
#include "resp/parser.h"

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>

#include "store/object.h"

namespace holdfast {
namespace {

constexpr int64_t kMaxArgumentsBeforeAuth = 10;
constexpr int64_t kMaxBulkBeforeAuth = 16 * 1024;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The character that \c stands for in double quotes.
char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// The number and the line's end at `*at`, of up to four digits. False: another number, or a part.
bool read_short_count(const char** at, const char* end, size_t* count) {
  constexpr std::ptrdiff_t kMostDigits = 4;
  const char* p = *at;
  const char* stop = p + std::min<std::ptrdiff_t>(end - p, kMostDigits);
  if (p == stop || *p < '1' || *p > '9') return false;
  size_t value = 0;
  for (; p < stop && *p >= '0' && *p <= '9'; ++p)
    value = value * 10 + static_cast<size_t>(*p - '0');
  if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return false;
  *at = p + 2;
  *count = value;
  return true;
}

// Reads from the opening quote at line[*at] to behind the closing one. False: unbalanced.
bool read_quoted(std::string_view line, size_t* at, std::string* word) {
  const char quote = line[(*at)++];
  while (*at < line.size()) {
    const char c = line[*at];
    const size_t left = line.size() - *at;
    if (c == quote) {
      ++*at;
      return *at == line.size() || is_space(line[*at]);
    }
    if (quote == '"' && c == '\\' && left >= 4 && line[*at + 1] == 'x' &&
        hex_digit(line[*at + 2]) >= 0 && hex_digit(line[*at + 3]) >= 0) {
      word->push_back(static_cast<char>(hex_digit(line[*at + 2]) * 16 + hex_digit(line[*at + 3])));
      *at += 4;
    } else if (quote == '"' && c == '\\' && left >= 2) {
      word->push_back(unescape(line[*at + 1]));
      *at += 2;
    } else if (quote == '\'' && c == '\\' && left >= 2 && line[*at + 1] == '\'') {
      word->push_back('\'');
      *at += 2;
    } else {
      word->push_back(c);
      ++*at;
    }
  }
  return false;
}

}  // namespace

bool split_inline(std::string_view line, std::vector<std::string_view>* args,
                  std::deque<std::string>* storage) {
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) return true;
    const size_t start = at;
    while (at < line.size() && !is_space(line[at]) && line[at] != '"' && line[at] != '\'') ++at;
    if (at == line.size() || is_space(line[at])) {
      args->push_back(line.substr(start, at - start));
      continue;
    }
    std::string& word = storage->emplace_back(line.substr(start, at - start));
    while (at < line.size() && !is_space(line[at])) {
      if (line[at] == '"' || line[at] == '\'') {
        if (!read_quoted(line, &at, &word)) return false;
      } else {
        word.push_back(line[at++]);
      }
    }
    args->push_back(word);
  }
}

void RequestParser::reset() {
  remaining_ = 0;
  bulk_size_ = -1;
  resume_ = 0;
  wanted_ = 0;
  std::vector<Span>().swap(partial_);
}

RequestParser::Outcome RequestParser::fail(const std::string& error) {
  error_ = "Protocol error: " + error;
  return Outcome::kError;
}

RequestParser::Outcome RequestParser::parse(std::string_view input, size_t* offset,
                                            std::vector<std::string_view>* args,
                                            const ParserLimits& limits) {
  error_.clear();
  wanted_ = 0;
  while (*offset < input.size()) {
    const std::string_view command = input.substr(*offset);
    const size_t before = args->size();
    size_t used = 0;
    const Outcome outcome = command[0] == '*' ? parse_multibulk(command, &used, args, limits)
                                              : parse_inline(command, &used, args);
    if (outcome != Outcome::kCommand) return outcome;
    *offset += used;
    if (args->size() != before) return Outcome::kCommand;  // else an empty request: skipped
  }
  return Outcome::kIncomplete;
}

RequestParser::Outcome RequestParser::parse_inline(std::string_view command, size_t* used,
                                                   std::vector<std::string_view>* args) {
  const size_t end = command.find('\n');
  if (end == std::string_view::npos) {
    return command.size() > kMaxLine ? fail("too big inline request") : Outcome::kIncomplete;
  }
  std::string_view line = command.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!split_inline(line, args, &inline_)) return fail("unbalanced quotes in request");
  *used = end + 1;
  return Outcome::kCommand;
}

bool RequestParser::read_count(std::string_view command, std::string_view too_big,
                               std::string_view invalid, int64_t* count) {
  const std::string_view rest = command.substr(resume_);
  // The usual line is a digit or two: look there first.
  size_t digits = 1;
  while (digits < rest.size() && digits < 4 && rest[digits] != '\r') ++digits;
  const char* found = digits < rest.size() && rest[digits] == '\r'
                          ? rest.data() + digits
                          : static_cast<const char*>(std::memchr(rest.data(), '\r', rest.size()));
  if (found == nullptr) {
    if (rest.size() > kMaxLine) fail(std::string(too_big));
    return false;
  }
  const auto end = static_cast<size_t>(found - rest.data());
  if (end + 1 >= rest.size()) return false;  // the line feed is still to come
  if (rest[end + 1] != '\n' || !parse_int64(rest.substr(1, end - 1), count)) {
    fail(std::string(invalid));
    return false;
  }
  resume_ += end + 2;
  return true;
}

// The usual request, which is there as a whole and has short counts, at once. False: nothing
// happened, and it takes the long way.
bool RequestParser::parse_whole(std::string_view command, size_t* used,
                                std::vector<std::string_view>* args, const ParserLimits& limits) {
  const char* at = command.data() + 1;
  const char* end = command.data() + command.size();
  const size_t before = args->size();
  size_t count = 0, size = 0;
  if (!limits.authenticated || !read_short_count(&at, end, &count)) return false;
  for (; count > 0; --count) {
    const bool counted = at < end && *at++ == '$' && read_short_count(&at, end, &size);
    if (!counted || size > limits.max_bulk_bytes || static_cast<size_t>(end - at) < size + 2 ||
        at[size] != '\r' || at[size + 1] != '\n') {
      args->resize(before);
      return false;
    }
    args->push_back({at, size});
    at += size + 2;
  }
  *used = static_cast<size_t>(at - command.data());
  return true;
}

RequestParser::Outcome RequestParser::parse_multibulk(std::string_view command, size_t* used,
                                                      std::vector<std::string_view>* args,
                                                      const ParserLimits& limits) {
  if (resume_ == 0 && parse_whole(command, used, args, limits)) return Outcome::kCommand;
  if (resume_ == 0) {
    int64_t count = 0;
    if (!read_count(command, "too big mbulk count string", "invalid multibulk length", &count)) {
      return error_.empty() ? Outcome::kIncomplete : Outcome::kError;
    }
    if (count > INT_MAX) return fail("invalid multibulk length");
    if (count > kMaxArgumentsBeforeAuth && !limits.authenticated) {
      return fail("unauthenticated multibulk length");
    }
    remaining_ = count;
  }
  while (remaining_ > 0) {
    if (bulk_size_ < 0) {
      if (resume_ >= command.size()) return Outcome::kIncomplete;
      if (command[resume_] != '$') {
        return fail(std::string("expected '$', got '") + command[resume_] + "'");
      }
      if (!read_count(command, "too big bulk count string", "invalid bulk length", &bulk_size_)) {
        bulk_size_ = -1;
        return error_.empty() ? Outcome::kIncomplete : Outcome::kError;
      }
      if (bulk_size_ < 0 || static_cast<uint64_t>(bulk_size_) > limits.max_bulk_bytes) {
        return fail("invalid bulk length");
      }
      if (bulk_size_ > kMaxBulkBeforeAuth && !limits.authenticated) {
        return fail("unauthenticated bulk length");
      }
    }
    const auto size = static_cast<size_t>(bulk_size_);
    if (command.size() - resume_ < size + 2) {
      wanted_ = resume_ + size + 2;
      return Outcome::kIncomplete;
    }
    if (command[resume_ + size] != '\r' || command[resume_ + size + 1] != '\n') {
      return fail("expected CRLF after a bulk");
    }
    partial_.push_back({resume_, size});
    resume_ += size + 2;
    bulk_size_ = -1;
    --remaining_;
  }
  for (const Span& span : partial_) args->push_back(command.substr(span.offset, span.size));
  partial_.clear();
  *used = resume_;
  resume_ = 0;
  return Outcome::kCommand;
}

}  // namespace holdfast
