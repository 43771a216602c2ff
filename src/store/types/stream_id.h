// StreamId: the name of a stream's entry: milliseconds and a number within them.
//
// As text "ms-seq"; a client may leave the second half out, and what it then means depends on where
// it stands.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace holdfast {

struct StreamId {
  uint64_t ms = 0;
  uint64_t seq = 0;

  auto operator<=>(const StreamId&) const = default;  // NOLINT(modernize-use-nullptr)
  bool zero() const { return ms == 0 && seq == 0; }

  static constexpr StreamId max() { return {UINT64_MAX, UINT64_MAX}; }
  // To the next or previous one; false, and unchanged, at the end of all.
  bool step_forward();
  bool step_back();
};

// Bytes that hold any id as text.
struct StreamIdScratch {
  char bytes[48];
};
std::string_view format_stream_id(const StreamId& id, StreamIdScratch& scratch);

// "ms" or "ms-seq", with `missing_seq` in place of a half that is not there. Redis's rule for
// numbers: what strtoull takes, but nothing negative.
bool parse_stream_id(std::string_view text, uint64_t missing_seq, StreamId* id);
// Also "ms-*", which leaves the number open: `*seq_given` is false then and id->seq 0.
bool parse_new_stream_id(std::string_view text, StreamId* id, bool* seq_given);

}  // namespace holdfast
