// See stream_id.h.
#include "store/types/stream_id.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "store/object.h"

namespace holdfast {
namespace {

constexpr size_t kMaxIdText = 127;

// `text` is followed by a zero byte.
bool parse_number(const char* text, size_t size, uint64_t* value) {
  int64_t number;
  if (parse_int64({text, size}, &number)) {
    *value = static_cast<uint64_t>(number);
    return number >= 0;
  }
  errno = 0;
  char* end = nullptr;
  *value = std::strtoull(text, &end, 10);
  return errno == 0 && *text != '\0' && *end == '\0';
}

bool parse(std::string_view text, uint64_t missing_seq, StreamId* id, bool* seq_given) {
  if (text.size() > kMaxIdText) return false;
  char buffer[kMaxIdText + 1];
  text.copy(buffer, text.size());
  buffer[text.size()] = '\0';
  const size_t size = std::strlen(buffer);  // a zero byte ends an id
  char* dash = std::strchr(buffer, '-');
  if (dash != nullptr) *dash = '\0';
  const size_t ms_size = dash == nullptr ? size : static_cast<size_t>(dash - buffer);
  StreamId parsed;
  if (!parse_number(buffer, ms_size, &parsed.ms)) return false;
  parsed.seq = missing_seq;
  if (dash != nullptr) {
    const size_t seq_size = size - ms_size - 1;
    if (seq_given != nullptr && seq_size == 1 && dash[1] == '*') {
      *seq_given = false;
      parsed.seq = 0;
    } else if (!parse_number(dash + 1, seq_size, &parsed.seq)) {
      return false;
    }
  }
  *id = parsed;
  return true;
}

char* print(uint64_t value, char* out) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

}  // namespace

bool StreamId::step_forward() {
  if (seq == UINT64_MAX) {
    if (ms == UINT64_MAX) return false;
    ++ms;
  }
  ++seq;
  return true;
}

bool StreamId::step_back() {
  if (seq == 0) {
    if (ms == 0) return false;
    --ms;
  }
  --seq;
  return true;
}

std::string_view format_stream_id(const StreamId& id, StreamIdScratch& scratch) {
  char* end = print(id.ms, scratch.bytes);
  *end++ = '-';
  end = print(id.seq, end);
  return {scratch.bytes, static_cast<size_t>(end - scratch.bytes)};
}

bool parse_stream_id(std::string_view text, uint64_t missing_seq, StreamId* id) {
  return parse(text, missing_seq, id, nullptr);
}

bool parse_new_stream_id(std::string_view text, StreamId* id, bool* seq_given) {
  *seq_given = true;
  return parse(text, 0, id, seq_given);
}

}  // namespace holdfast
