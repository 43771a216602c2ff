// See collection_scan.h.
#include "resp/commands/collection_scan.h"

#include <charconv>

namespace holdfast {

bool parse_cursor(std::string_view text, uint64_t* cursor) {
  text = text.substr(0, text.find('\0'));
  *cursor = 0;
  if (text.empty()) return true;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *cursor);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if (negative) *cursor = 0 - *cursor;
  return true;
}

bool parse_scan_cursor(CommandContext& c, ScanArguments* scan) {
  if (parse_cursor(c.args[2], &scan->cursor)) return true;
  c.fail(errors::kInvalidCursor);
  return false;
}

bool parse_scan_options(CommandContext& c, bool values, ScanArguments* scan) {
  for (size_t i = 3; i < c.argc(); ++i) {
    const bool more = i + 1 < c.argc();
    if (more && c.is(i, "count")) {
      int64_t count;
      if (!c.integer(++i, &count)) return false;
      if (count < 1) {
        c.fail();
        return false;
      }
      scan->count = static_cast<uint64_t>(count);
    } else if (more && c.is(i, "match")) {
      scan->pattern = c.args[++i];
      scan->match = scan->pattern != "*";
    } else if (values && c.is(i, "novalues")) {
      scan->no_values = true;
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

void reply_scan(CommandContext& c, uint64_t cursor, uint64_t count, std::string_view found) {
  c.reply.array(2);
  char text[24];
  const auto [end, error] = std::to_chars(text, text + sizeof text, cursor);
  c.reply.bulk({text, static_cast<size_t>(end - text)});
  c.reply.array(count);
  Reader in(found);
  while (!in.at_end()) c.reply.bulk(in.sized_bytes());
}

}  // namespace holdfast
