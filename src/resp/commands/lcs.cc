// LCS: the longest common subsequence of two string values.
//
// The table of the textbook algorithm takes 4 bytes per pair of positions. As in Redis that is
// bounded by proto-max-bulk-len, also for LEN, which needs two rows of it only: the bound is on the
// time as well.
#include <algorithm>
#include <vector>

#include "resp/commands/strings.h"
#include "resp/context.h"
#include "store/types/lcs.h"

namespace holdfast {
namespace {

struct LcsOptions {
  bool length = false;
  bool positions = false;
  bool with_length = false;
  int64_t min_length = 0;
};

bool read_options(CommandContext& c, LcsOptions* options) {
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "IDX")) {
      options->positions = true;
    } else if (c.is(i, "LEN")) {
      options->length = true;
    } else if (c.is(i, "WITHMATCHLEN")) {
      options->with_length = true;
    } else if (c.is(i, "MINMATCHLEN") && i + 1 < c.argc()) {
      if (!c.integer(++i, &options->min_length)) return false;
      options->min_length = std::max<int64_t>(0, options->min_length);
    } else {
      c.fail();
      return false;
    }
  }
  if (options->length && options->positions) {
    c.fail("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

void reply_range(CommandContext& c, const LcsRange& range) {
  c.reply.array(2);
  c.reply.integer(static_cast<int64_t>(range.start));
  c.reply.integer(static_cast<int64_t>(range.end));
}

void reply_positions(CommandContext& c, const LcsOptions& options, const Lcs& lcs) {
  std::vector<const LcsMatch*> shown;
  for (const LcsMatch& match : lcs.matches) {
    if (match.length() >= static_cast<uint64_t>(options.min_length)) shown.push_back(&match);
  }
  c.reply.map(2);
  c.reply.bulk("matches");
  c.reply.array(shown.size());
  for (const LcsMatch* match : shown) {
    c.reply.array(options.with_length ? 3 : 2);
    reply_range(c, match->a);
    reply_range(c, match->b);
    if (options.with_length) c.reply.integer(static_cast<int64_t>(match->length()));
  }
  c.reply.bulk("len");
  c.reply.integer(static_cast<int64_t>(lcs.text.size()));
}

}  // namespace

void lcs_command(CommandContext& c) {
  const Object* a = c.find_read(c.key(1));
  const Object* b = c.find_read(c.key(2));
  for (const Object* object : {a, b}) {
    if (object != nullptr && object->type() != ObjectType::kString) {
      c.fail("ERR The specified keys must contain string values");
      return;
    }
  }
  LcsOptions options;
  if (!read_options(c, &options)) return;
  IntScratch scratch_a, scratch_b;
  const std::string_view text_a = a == nullptr ? std::string_view() : a->string(scratch_a);
  const std::string_view text_b = b == nullptr ? std::string_view() : b->string(scratch_b);
  const uint64_t cells = lcs_cells(text_a.size(), text_b.size());
  if (cells > std::min(kMaxLcsCells, c.options().resp_max_bulk_bytes / kLcsCellBytes)) {
    c.fail("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  if (options.positions) {
    reply_positions(c, options, longest_common_subsequence(text_a, text_b));
  } else if (options.length) {
    c.reply.integer(static_cast<int64_t>(lcs_length(text_a, text_b)));
  } else {
    c.reply.bulk(longest_common_subsequence(text_a, text_b).text);
  }
}

}  // namespace holdfast
