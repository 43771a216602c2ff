// ReplyWriter: encodes replies as RESP2 or RESP3, as the session asked for (HELLO).
//
// A handler says what a reply is; the writer knows how each protocol shows it: a map is a flat
// array in RESP2, a double a bulk string, a set an array, null the null bulk. Counts given to
// array/map/set/push are of elements (pairs for a map); the handler then writes that many.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/double_text.h"
#include "resp/output.h"
#include "store/object.h"

namespace holdfast {

class ReplyWriter {
 public:
  explicit ReplyWriter(Output* out) : out_(out) {}

  Output& output() { return *out_; }
  int protocol() const { return protocol_; }
  bool resp3() const { return protocol_ == 3; }
  void set_protocol(int protocol) { protocol_ = protocol; }

  void ok() { out_->append("+OK\r\n"); }
  void simple(std::string_view text) { line('+', text); }
  // "ERR ..." with its prefix and no line end; line breaks inside are replaced by spaces.
  // `counted` false: it repeats one that is in the statistics.
  void error(std::string_view text, bool counted = true);
  void integer(int64_t value) { number(':', value); }
  void bulk(std::string_view bytes);
  void null();        // a missing value
  void null_array();  // a missing list (RESP2 tells the two apart)
  void array(uint64_t count) { number('*', static_cast<int64_t>(count)); }
  void map(uint64_t pairs);
  void set(uint64_t count) { number(resp3() ? '~' : '*', static_cast<int64_t>(count)); }
  void push(uint64_t count) { number(resp3() ? '>' : '*', static_cast<int64_t>(count)); }
  // Extra information before a reply. RESP3 only: REQUIRES resp3().
  void attribute(uint64_t pairs) { number('|', static_cast<int64_t>(pairs)); }
  // An array (or map) of which it is not known yet how many elements (or pairs) will be written; it
  // is told when they are. An array within it is told before.
  using Late = Output::Late;
  Late late() { return out_->leave_room(); }
  void array_was(const Late& late, uint64_t count) { fill(late, '*', count); }
  void map_was(const Late& late, uint64_t pairs) {
    fill(late, resp3() ? '%' : '*', resp3() ? pairs : pairs * 2);
  }
  void real(double value);                  // shortest form that reads back; inf, -inf, nan
  void real_text(std::string_view digits);  // the same with digits that are made already
  void boolean(bool value);
  void big_number(std::string_view digits);
  // `format`: three letters, "txt" or "mkd".
  void verbatim(std::string_view format, std::string_view text);
  void bulk_integer(int64_t value);  // an integer as a bulk string

  // Errors written so far, and the first word of the last one: for statistics.
  uint64_t error_count() const { return error_count_; }
  const std::string& last_error_code() const { return last_error_code_; }

 private:
  void line(char kind, std::string_view text);
  void number(char kind, int64_t value);
  void fill(const Late& late, char kind, uint64_t count);

  Output* out_;
  int protocol_ = 2;
  uint64_t error_count_ = 0;
  std::string last_error_code_;
};

}  // namespace holdfast
