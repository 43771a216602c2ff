// See push.h.
#include "resp/push.h"

#include "store/object.h"

namespace holdfast {
namespace {

void append_number(char kind, uint64_t number, std::string* out) {
  char text[24];
  out->push_back(kind);
  out->append(format_int64(static_cast<int64_t>(number), text)).append("\r\n");
}

}  // namespace

void append_push_header(int protocol, uint64_t count, std::string* out) {
  append_number(protocol == 3 ? '>' : '*', count, out);
}

void append_array_header(uint64_t count, std::string* out) { append_number('*', count, out); }

void append_bulk(std::string_view bytes, std::string* out) {
  append_number('$', bytes.size(), out);
  out->append(bytes).append("\r\n");
}

}  // namespace holdfast
