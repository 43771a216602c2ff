// ReplyFramer: finds where each reply of a server ends, without building its value: what passes
// through a gateway is never decoded. ReplyCursor: reads a whole reply, element by element, where
// several have to become one.
//
// Invariants: F1 where a reply is cut into pieces does not matter. F2 nothing is kept of a reply
// but how much of it is still to come; no reply, however large or deep, makes the framer grow.
//
// RESP2 and RESP3, without the streamed types, which no Redis sends. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

// Of a string in bytes, or of an aggregate in elements; larger numbers are no reply.
constexpr int64_t kMaxReplyLength = int64_t{1} << 40;

class ReplyFramer {
 public:
  enum class Outcome : uint8_t { kMore, kDone, kError };

  // Takes bytes of the reply that is being read, at most through its end; *used says how many.
  // kError: these are no replies; nothing may be fed any more.
  Outcome feed(std::string_view bytes, size_t* used);

  // The first byte of the reply that feed() took bytes of last.
  char kind() const { return kind_; }
  // Between the first and the last byte of a reply.
  bool inside() const { return left_ > 0; }

 private:
  static constexpr uint64_t kMaxElements = uint64_t{1} << 40;

  bool read_number(std::string_view bytes, size_t* at);
  bool end_of_number();

  uint64_t left_ = 0;  // elements that are not complete; 0: between replies
  uint64_t skip_ = 0;  // bytes of a string, and its line end, still to come
  char kind_ = 0;
  // The line of the element at hand; 0: it has not begun.
  char line_ = 0;
  bool negative_ = false;
  bool digits_ = false;
  bool carriage_ = false;  // its '\r' was seen
  int64_t number_ = 0;
};

// One element of a reply, before those that are in it.
struct ReplyElement {
  char kind = 0;
  int64_t count = 0;      // of an array, set, map (twice its pairs) or push; -1: null
  std::string_view text;  // of a string, or of a line
  bool null = false;

  bool is_string() const { return kind == '$' || kind == '=' || kind == '+'; }
  bool is_aggregate() const { return kind == '*' || kind == '~' || kind == '%' || kind == '>'; }
  bool is_error() const { return kind == '-' || kind == '!'; }
};

class ReplyCursor {
 public:
  explicit ReplyCursor(std::string_view bytes) : rest_(bytes) {}

  // False at the end, or where the bytes are no reply.
  bool next(ReplyElement* element);
  // The bytes of the next element with all that is in it; empty at the end.
  std::string_view next_whole();
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace holdfast
