// See reply_framer.h.
#include "gateway/reply_framer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace holdfast {
namespace {

bool has_number(char kind) {
  switch (kind) {
    case '$':
    case '*':
    case '~':
    case '%':
    case '>':
    case '|':
    case '=':
    case '!':
      return true;
    default:
      return false;
  }
}

bool is_line(char kind) {
  switch (kind) {
    case '+':
    case '-':
    case ':':
    case '_':
    case ',':
    case '#':
    case '(':
      return true;
    default:
      return false;
  }
}

bool is_bulk(char kind) { return kind == '$' || kind == '=' || kind == '!'; }

}  // namespace

// True when its line feed was read; *at is behind what was read.
bool ReplyFramer::read_number(std::string_view bytes, size_t* at) {
  while (*at < bytes.size()) {
    const char c = bytes[(*at)++];
    if (c >= '0' && c <= '9' && !carriage_) {
      digits_ = true;
      number_ = number_ * 10 + (c - '0');
      if (number_ <= kMaxReplyLength) continue;
    } else if (c == '-' && !digits_ && !negative_ && !carriage_) {
      negative_ = true;
      continue;
    } else if (c == '\r' && digits_ && !carriage_) {
      carriage_ = true;
      continue;
    } else if (c == '\n' && carriage_) {
      return true;
    }
    line_ = '?';
    return false;
  }
  return false;
}

// What the number means for what is still to come. False: too much.
bool ReplyFramer::end_of_number() {
  const uint64_t count = negative_ ? 0 : static_cast<uint64_t>(number_);
  if (is_bulk(line_)) {
    if (negative_) {
      --left_;
    } else {
      skip_ = count + 2;
    }
    return true;
  }
  const bool pairs = line_ == '%' || line_ == '|';
  if (line_ != '|') --left_;  // an attribute stands before an element and is none
  left_ += pairs ? count * 2 : count;
  return left_ <= kMaxElements;
}

ReplyFramer::Outcome ReplyFramer::feed(std::string_view bytes, size_t* used) {
  size_t at = 0;
  if (left_ == 0 && !bytes.empty()) {
    left_ = 1;
    kind_ = bytes[0];
  }
  while (at < bytes.size()) {
    if (skip_ > 0) {
      const uint64_t step = std::min<uint64_t>(skip_, bytes.size() - at);
      at += step;
      skip_ -= step;
      if (skip_ > 0) break;
      --left_;
    } else if (line_ == 0) {
      line_ = bytes[at++];
      negative_ = digits_ = carriage_ = false;
      number_ = 0;
      if (!has_number(line_) && !is_line(line_)) return Outcome::kError;
      continue;
    } else if (has_number(line_)) {
      if (!read_number(bytes, &at)) {
        if (line_ == '?') return Outcome::kError;
        break;
      }
      if (!end_of_number()) return Outcome::kError;
      line_ = 0;
    } else {
      const void* found = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
      if (found == nullptr) {
        at = bytes.size();
        break;
      }
      at = static_cast<size_t>(static_cast<const char*>(found) - bytes.data()) + 1;
      line_ = 0;
      --left_;
    }
    if (left_ == 0) {
      *used = at;
      return Outcome::kDone;
    }
  }
  *used = at;
  return Outcome::kMore;
}

bool ReplyCursor::next(ReplyElement* element) {
  const size_t end = rest_.find("\r\n");
  if (rest_.empty() || end == std::string_view::npos) return false;
  *element = {};
  element->kind = rest_[0];
  element->text = rest_.substr(1, end - 1);
  rest_.remove_prefix(end + 2);
  if (element->kind == '_') element->null = true;
  if (!has_number(element->kind)) return true;
  const char* digits_end = element->text.data() + element->text.size();
  const auto [stop, error] = std::from_chars(element->text.data(), digits_end, element->count);
  if (error != std::errc() || stop != digits_end || element->count > kMaxReplyLength) return false;
  element->null = element->count < 0;
  if (is_bulk(element->kind)) {
    const auto size = static_cast<size_t>(std::max<int64_t>(element->count, 0));
    if (element->null) {
      element->text = {};
      return true;
    }
    if (rest_.size() < size + 2) return false;
    element->text = rest_.substr(0, size);
    rest_.remove_prefix(size + 2);
  } else if (element->kind == '%') {
    element->count *= 2;
  }
  return true;
}

std::string_view ReplyCursor::next_whole() {
  ReplyFramer framer;
  size_t used = 0;
  if (framer.feed(rest_, &used) != ReplyFramer::Outcome::kDone) return {};
  const std::string_view whole = rest_.substr(0, used);
  rest_.remove_prefix(used);
  return whole;
}

}  // namespace holdfast
