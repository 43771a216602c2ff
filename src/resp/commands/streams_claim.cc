// XCLAIM and XAUTOCLAIM: pending entries change hands.
//
// What is claimed is one effect with the ids, whose delivery time and counts are decided here; what
// is pending and no longer in the stream is acknowledged instead.
#include <algorithm>
#include <limits>
#include <vector>

#include "resp/commands/streams.h"

namespace holdfast {
namespace {

struct ClaimOptions {
  int64_t min_idle_ms = 0;
  int64_t delivered_ms = 0;
  int64_t deliveries = -1;  // not given
  bool force = false;
  bool just_ids = false;
  StreamId last_id;  // of the group, if that is lower
  std::vector<StreamId> ids;
};

struct Claimed {
  StreamId id;
  uint64_t deliveries;
};

// Claims, gathered for one effect.
class Claims {
 public:
  Claims(CommandContext& c, FoundGroup& found, std::string_view consumer, int64_t delivered_ms)
      : c_(c), found_(found), consumer_(consumer), delivered_ms_(delivered_ms) {}

  void claim(const StreamId& id, uint64_t deliveries) { claimed_.push_back({id, deliveries}); }
  void drop(const StreamId& id) { dropped_.push_back(id); }
  const std::vector<Claimed>& claimed() const { return claimed_; }
  const std::vector<StreamId>& dropped() const { return dropped_; }

  // Makes it so, and forgets it; what was found is found anew.
  void emit() {
    if (claimed_.empty() && dropped_.empty()) return;
    emit_claimed();
    emit_dropped();
    claimed_.clear();
    dropped_.clear();
    found_.find(c_.find_write(found_.key));
  }

 private:
  void emit_claimed() {
    if (claimed_.empty()) return;
    std::string& operands = c_.operands();
    put_bytes(operands, found_.name);
    put_bytes(operands, consumer_);
    put_varint(operands, static_cast<uint64_t>(c_.now_ms));
    operands.push_back(1);  // it is active
    put_varint(operands, static_cast<uint64_t>(delivered_ms_));
    StreamIdWriter writer(operands);
    for (const Claimed& claimed : claimed_) {
      writer.put(claimed.id);
      put_varint(operands, claimed.deliveries);
    }
    c_.edit(EffectType::kStreamClaim, found_.key, operands);
  }

  void emit_dropped() {
    if (dropped_.empty()) return;
    std::string& operands = c_.operands();
    put_bytes(operands, found_.name);
    StreamIdWriter writer(operands);
    for (const StreamId& id : dropped_) writer.put(id);
    c_.edit(EffectType::kStreamAck, found_.key, operands);
  }

  CommandContext& c_;
  FoundGroup& found_;
  const std::string_view consumer_;
  const int64_t delivered_ms_;
  std::vector<Claimed> claimed_;
  std::vector<StreamId> dropped_;
};

bool option_with_number(CommandContext& c, size_t i, std::string_view name, int64_t* out) {
  return c.integer(i, out, "ERR Invalid " + std::string(name) + " option argument for XCLAIM");
}

bool parse_option(CommandContext& c, size_t* i, ClaimOptions* options) {
  const bool more = *i + 1 < c.argc();
  if (c.is(*i, "force")) {
    options->force = true;
  } else if (c.is(*i, "justid")) {
    options->just_ids = true;
  } else if (c.is(*i, "idle") && more) {
    if (!option_with_number(c, ++*i, "IDLE", &options->delivered_ms)) return false;
    // Redis lets the difference wrap.
    __builtin_sub_overflow(c.now_ms, options->delivered_ms, &options->delivered_ms);
  } else if (c.is(*i, "time") && more) {
    return option_with_number(c, ++*i, "TIME", &options->delivered_ms);
  } else if (c.is(*i, "retrycount") && more) {
    return option_with_number(c, ++*i, "RETRYCOUNT", &options->deliveries);
  } else if (c.is(*i, "lastid") && more) {
    return stream_id_argument(c, ++*i, &options->last_id);
  } else {
    c.fail("ERR Unrecognized XCLAIM option '" + std::string(c.args[*i]) + "'");
    return false;
  }
  return true;
}

bool parse_options(CommandContext& c, ClaimOptions* options) {
  if (!c.integer(4, &options->min_idle_ms, "ERR Invalid min-idle-time argument for XCLAIM")) {
    return false;
  }
  options->delivered_ms = -1;
  size_t i = 5;
  for (StreamId id; i < c.argc() && parse_stream_id(c.args[i], 0, &id); ++i) {
    options->ids.push_back(id);
  }
  for (; i < c.argc(); ++i) {
    if (!parse_option(c, &i, options)) return false;
  }
  // A client's clock may be wrong; that is no reason to fail.
  const int64_t at_ms = options->delivered_ms;
  if (at_ms < 0 || at_ms > c.now_ms) options->delivered_ms = c.now_ms;
  return true;
}

// Whether the entry is claimed, and how often it was handed out then.
bool claims(const CommandContext& c, const ClaimOptions& options, const StreamPending* pending,
            uint64_t* deliveries) {
  *deliveries = 1;
  if (pending == nullptr) {
    if (!options.force) return false;
  } else {
    if (options.min_idle_ms > 0 && c.now_ms - pending->delivered_ms < options.min_idle_ms) {
      return false;
    }
    *deliveries = pending->deliveries;
  }
  if (options.deliveries >= 0) {
    *deliveries = static_cast<uint64_t>(options.deliveries);
  } else if (!options.just_ids) {
    ++*deliveries;
  }
  return true;
}

void reply_claimed(ReplyWriter& reply, const Stream& stream, const StreamId& id, bool just_id) {
  if (just_id) {
    reply_stream_id(reply, id);
  } else {
    reply_entry_of(reply, stream, id);
  }
}

void raise_last_id(CommandContext& c, FoundGroup& found, const StreamId& last) {
  if (last <= found.group->last_id) return;
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_stream_id(operands, last);
  put_count_or_none(operands, found.group->entries_read);
  c.edit(EffectType::kStreamGroupSet, found.key, operands);
  found.find(c.find_write(found.key));
}

}  // namespace

void xclaim_command(CommandContext& c) {
  FoundGroup found;
  ClaimOptions options;
  if (!find_group(c, 1, 2, &found) || !parse_options(c, &options)) return;
  raise_last_id(c, found, options.last_id);
  const std::string_view consumer = c.args[3];
  consumer_asks(c, found, consumer);

  Claims claims_made(c, found, consumer, options.delivered_ms);
  const ReplyWriter::Late entries = c.reply.late();
  uint64_t count = 0;
  StreamId highest;
  for (size_t i = 0; i < options.ids.size(); ++i) {
    const StreamId& id = options.ids[i];
    // An id that may have come before has to see what was made of it.
    if (i > 0 && id <= highest) claims_made.emit();
    highest = std::max(highest, id);
    const StreamPending* pending = found.group->pending.find(id);
    if (!found.stream->contains(id)) {
      if (pending != nullptr) claims_made.drop(id);
      continue;
    }
    uint64_t deliveries = 0;
    if (!claims(c, options, pending, &deliveries)) continue;
    claims_made.claim(id, deliveries);
    reply_claimed(c.reply, *found.stream, id, options.just_ids);
    ++count;
  }
  c.reply.array_was(entries, count);
  claims_made.emit();
}

namespace {

struct AutoclaimOptions {
  int64_t min_idle_ms = 0;
  StreamId low;
  int64_t count = 100;
  bool just_ids = false;
};

constexpr int64_t kLooksPerEntry = 10;  // pending entries that are looked at for each wanted

bool parse_options(CommandContext& c, AutoclaimOptions* options) {
  if (!c.integer(4, &options->min_idle_ms, "ERR Invalid min-idle-time argument for XAUTOCLAIM")) {
    return false;
  }
  if (!range_low_argument(c, 5, &options->low)) return false;
  constexpr std::string_view kCountError = "ERR COUNT must be > 0";
  constexpr int64_t kMostCount = std::numeric_limits<int64_t>::max() / 16;
  for (size_t i = 6; i < c.argc(); ++i) {
    if (c.is(i, "count") && i + 1 < c.argc()) {
      if (!c.integer(++i, &options->count, kCountError)) return false;
      if (options->count < 1 || options->count > kMostCount) {
        c.fail(kCountError);
        return false;
      }
    } else if (c.is(i, "justid")) {
      options->just_ids = true;
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

// Gives from where the next call goes on; 0-0 at the end.
StreamId choose_claims(CommandContext& c, const AutoclaimOptions& options, const FoundGroup& found,
                       Claims* chosen) {
  int64_t wanted = options.count;
  int64_t looks = options.count * kLooksPerEntry;
  auto at = found.group->pending.at_or_after(options.low);
  for (; at && looks > 0 && wanted > 0; at.next(), --looks) {
    const StreamPending& pending = at.value();
    if (!found.stream->contains(at.id())) {
      chosen->drop(at.id());
      --wanted;
      continue;
    }
    if (options.min_idle_ms > 0 && c.now_ms - pending.delivered_ms < options.min_idle_ms) continue;
    chosen->claim(at.id(), pending.deliveries + (options.just_ids ? 0 : 1));
    --wanted;
  }
  return at ? at.id() : StreamId();
}

}  // namespace

void xautoclaim_command(CommandContext& c) {
  AutoclaimOptions options;
  FoundGroup found;
  if (!parse_options(c, &options) || !find_group(c, 1, 2, &found)) return;
  const std::string_view consumer = c.args[3];
  consumer_asks(c, found, consumer);
  Claims chosen(c, found, consumer, c.now_ms);
  const StreamId next = choose_claims(c, options, found, &chosen);

  c.reply.array(3);
  reply_stream_id(c.reply, next);
  c.reply.array(chosen.claimed().size());
  for (const Claimed& claimed : chosen.claimed()) {
    reply_claimed(c.reply, *found.stream, claimed.id, options.just_ids);
  }
  c.reply.array(chosen.dropped().size());
  for (const StreamId& id : chosen.dropped()) reply_stream_id(c.reply, id);
  chosen.emit();
}

}  // namespace holdfast
