// See merge.h.
#include "gateway/merge.h"

#include <charconv>
#include <map>
#include <set>

#include "gateway/reply_framer.h"

namespace holdfast {
namespace {

constexpr std::string_view kNotUnderstood =
    "-ERR the answers of the nodes do not fit together; see the gateway's log\r\n";

int64_t number_of(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void append_header(std::string* out, char kind, uint64_t count) {
  out->push_back(kind);
  out->append(std::to_string(count)).append("\r\n");
}

std::string sum(std::span<const std::string_view> parts) {
  int64_t total = 0;
  for (const std::string_view part : parts) {
    ReplyElement element;
    if (!ReplyCursor(part).next(&element) || element.kind != ':')
      return std::string(kNotUnderstood);
    total += number_of(element.text);
  }
  return ":" + std::to_string(total) + "\r\n";
}

// The header of each part's array; false if one has none.
bool open_arrays(std::span<const std::string_view> parts, std::vector<ReplyCursor>* cursors,
                 std::vector<ReplyElement>* headers) {
  for (const std::string_view part : parts) {
    ReplyElement header;
    cursors->emplace_back(part);
    if (!cursors->back().next(&header) || !header.is_aggregate() || header.null) return false;
    headers->push_back(header);
  }
  return true;
}

std::string gather(std::span<const std::string_view> parts, std::span<const uint32_t> order) {
  std::vector<ReplyCursor> cursors;
  std::vector<ReplyElement> headers;
  if (!open_arrays(parts, &cursors, &headers)) return std::string(kNotUnderstood);
  size_t size = 16;
  for (const std::string_view part : parts) size += part.size();
  std::string out;
  out.reserve(size);
  append_header(&out, '*', order.size());
  for (const uint32_t part : order) {
    const std::string_view element = cursors[part].next_whole();
    if (element.empty()) return std::string(kNotUnderstood);
    out.append(element);
  }
  return out;
}

std::string concatenate(std::span<const std::string_view> parts, bool each_once) {
  std::vector<ReplyCursor> cursors;
  std::vector<ReplyElement> headers;
  if (!open_arrays(parts, &cursors, &headers)) return std::string(kNotUnderstood);
  uint64_t count = 0;
  std::string elements;
  std::set<std::string_view> seen;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!each_once) {
      elements.append(cursors[i].rest());
      count += static_cast<uint64_t>(headers[i].count);
      continue;
    }
    for (int64_t k = 0; k < headers[i].count; ++k) {
      const std::string_view element = cursors[i].next_whole();
      if (!seen.insert(element).second) continue;
      elements.append(element);
      ++count;
    }
  }
  std::string out;
  append_header(&out, headers.empty() ? '*' : headers[0].kind, count);
  return out + elements;
}

// Arrays of the same length: integers of one place are joined, all else must be the same.
std::string element_by_element(std::span<const std::string_view> parts, bool add) {
  std::vector<ReplyCursor> cursors;
  std::vector<ReplyElement> headers;
  if (!open_arrays(parts, &cursors, &headers) || headers.empty())
    return std::string(kNotUnderstood);
  std::string out;
  append_header(&out, '*', static_cast<uint64_t>(headers[0].count));
  for (int64_t i = 0; i < headers[0].count; ++i) {
    int64_t total = add ? 0 : 1;
    bool number = false;
    std::string_view first;
    for (size_t p = 0; p < cursors.size(); ++p) {
      const std::string_view whole = cursors[p].next_whole();
      if (whole.empty()) return std::string(kNotUnderstood);
      if (p == 0) first = whole;
      if (whole[0] != ':') continue;
      number = true;
      const int64_t value = number_of(whole.substr(1));
      total = add ? total + value : total * (value != 0 ? 1 : 0);
    }
    if (number) {
      append_header(&out, ':', static_cast<uint64_t>(total));
    } else {
      out.append(first);
    }
  }
  return out;
}

std::string one_of(std::span<const std::string_view> parts, Random& random) {
  std::vector<std::string_view> some;
  for (const std::string_view part : parts) {
    ReplyElement element;
    if (ReplyCursor(part).next(&element) && !element.null) some.push_back(part);
  }
  if (some.empty()) return std::string(parts[0]);
  return std::string(some[random.below(some.size())]);
}

}  // namespace

std::string merge_answers(Merge merge, std::span<const std::string_view> parts,
                          std::span<const uint32_t> order, Random& random) {
  for (const std::string_view part : parts) {
    if (!part.empty() && (part[0] == '-' || part[0] == '!')) return std::string(part);
  }
  switch (merge) {
    case Merge::kSum:
      return sum(parts);
    case Merge::kAllTrue:
      return element_by_element(parts, false);
    case Merge::kSums:
      return element_by_element(parts, true);
    case Merge::kGather:
      return gather(parts, order);
    case Merge::kConcat:
      return concatenate(parts, false);
    case Merge::kUnion:
      return concatenate(parts, true);
    case Merge::kRandom:
      return one_of(parts, random);
    default:
      return std::string(parts[0]);
  }
}

uint64_t join_cursor(uint64_t of_node, SlotId slot) { return of_node << 14 | slot; }

void split_cursor(uint64_t cursor, uint64_t* of_node, SlotId* slot) {
  *of_node = cursor >> 14;
  *slot = static_cast<SlotId>(cursor & (kSlotCount - 1));
}

std::string merge_scan(std::string_view answer, SlotId slot, int next_slot) {
  ReplyCursor cursor(answer);
  ReplyElement header, text;
  if (!cursor.next(&header) || !header.is_aggregate() || header.count != 2) return {};
  if (!cursor.next(&text) || !text.is_string()) return {};
  uint64_t of_node = 0;
  const char* end = text.text.data() + text.text.size();
  const auto [stop, error] = std::from_chars(text.text.data(), end, of_node);
  if (error != std::errc() || stop != end || of_node >> kScanNodeBits != 0) return {};
  uint64_t joined = 0;
  if (of_node != 0) {
    joined = join_cursor(of_node, slot);
  } else if (next_slot >= 0) {
    joined = join_cursor(0, static_cast<SlotId>(next_slot));
  }
  const std::string digits = std::to_string(joined);
  std::string out = "*2\r\n$" + std::to_string(digits.size()) + "\r\n" + digits + "\r\n";
  return out.append(cursor.rest());
}

}  // namespace holdfast
