// See reply_writer.h.
#include "resp/reply_writer.h"

namespace holdfast {
namespace {

constexpr size_t kNumberLine = 24;  // kind, 20 digits, CR LF

char* write_number(char* out, char kind, int64_t value) {
  *out++ = kind;
  if (value >= 0 && value < 10) {
    *out++ = static_cast<char>('0' + value);
  } else {
    out += format_int64(value, out).size();
  }
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

}  // namespace

void ReplyWriter::number(char kind, int64_t value) {
  char* start = out_->reserve(kNumberLine);
  out_->commit(static_cast<size_t>(write_number(start, kind, value) - start));
}

void ReplyWriter::fill(const Late& late, char kind, uint64_t count) {
  char text[kNumberLine];
  const char* end = write_number(text, kind, static_cast<int64_t>(count));
  out_->fill(late, {text, static_cast<size_t>(end - text)});
}

void ReplyWriter::line(char kind, std::string_view text) {
  char* out = out_->reserve(text.size() + 3);
  *out++ = kind;
  for (const char c : text) *out++ = c == '\r' || c == '\n' ? ' ' : c;
  *out++ = '\r';
  *out++ = '\n';
  out_->commit(text.size() + 3);
}

void ReplyWriter::error(std::string_view text, bool counted) {
  if (counted) {
    ++error_count_;
    last_error_code_.assign(text.substr(0, text.find(' ')));
  }
  line('-', text);
}

void ReplyWriter::bulk(std::string_view bytes) {
  char* start = out_->reserve(bytes.size() + kNumberLine + 2);
  char* out = write_number(start, '$', static_cast<int64_t>(bytes.size()));
  // An empty view may have no address.
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  out += bytes.size();
  *out++ = '\r';
  *out++ = '\n';
  out_->commit(static_cast<size_t>(out - start));
}

void ReplyWriter::null() { out_->append(resp3() ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::null_array() { out_->append(resp3() ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::map(uint64_t pairs) {
  number(resp3() ? '%' : '*', static_cast<int64_t>(resp3() ? pairs : pairs * 2));
}

void ReplyWriter::real(double value) {
  char text[kMaxDoubleText];
  real_text(format_double(value, text));
}

void ReplyWriter::real_text(std::string_view digits) {
  if (resp3()) {
    line(',', digits);
  } else {
    bulk(digits);
  }
}

void ReplyWriter::boolean(bool value) {
  if (resp3()) {
    out_->append(value ? "#t\r\n" : "#f\r\n");
  } else {
    integer(value ? 1 : 0);
  }
}

void ReplyWriter::big_number(std::string_view digits) {
  if (resp3()) {
    line('(', digits);
  } else {
    bulk(digits);
  }
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  if (!resp3()) {
    bulk(text);
    return;
  }
  number('=', static_cast<int64_t>(text.size() + 4));
  out_->append(format);
  out_->append(":");
  out_->append(text);
  out_->append("\r\n");
}

void ReplyWriter::bulk_integer(int64_t value) {
  char text[24];
  bulk(format_int64(value, text));
}

}  // namespace holdfast
