// WHY: a command of our own: who last changed a key, how and when: entries of the log, which say
// what was done, and the traces of this primary's own writes, which say for whom.
//
// It tells of what is committed only. The log is read back from its end, in pieces, as far as it
// takes, at most kMostEntries or kMostBytes: nobody else is answered meanwhile.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/commands/families.h"
#include "resp/commands/operator_rows.h"
#include "resp/commands/trace.h"
#include "resp/context.h"
#include "store/entry_text.h"

namespace holdfast {
namespace {

constexpr Seq kMostEntries = 10'000;
constexpr uint64_t kMostBytes = 16 << 20;
constexpr uint64_t kPieceBytes = 1 << 20;

struct Change {
  EntryHeader header;
  std::vector<std::string> effects;  // that have to do with the key
};

bool concerns(const Effect& effect, DbId db, std::string_view key) {
  if (has_key(effect.type)) return effect.db == db && effect.key.bytes == key;
  if (effect.type == EffectType::kFlushDb) return effect.db == db;
  return effect.type == EffectType::kMapDatabases;
}

// The log from its end backwards.
class Search {
 public:
  Search(CommandContext& c, std::string_view key) : c_(c), key_(key) {}

  // Looks until so many changes are found or it has looked far enough.
  Status run(size_t wanted);
  // Newest first.
  const std::vector<Change>& changes() const { return changes_; }
  // What it has looked at; from > to: nothing.
  Seq from() const { return from_; }
  Seq to() const { return to_; }

 private:
  Status look_at(Seq from, Seq to);
  Status look_at_newest();

  CommandContext& c_;
  const std::string_view key_;
  std::vector<Change> changes_;
  Seq from_ = 0, to_ = 0;
  uint64_t bytes_ = 0;
};

Status Search::look_at(Seq from, Seq to) {
  std::vector<Change> found;
  Status damaged;
  const Status read = c_.shard().read_committed(from, to, [&](Seq, std::string_view entry) {
    bytes_ += entry.size();
    Change change;
    bool concerned = false;
    std::string number;
    damaged = read_effects(entry, c_.keyspace(), [&](const Effect& effect) {
      if (effect.type == EffectType::kRemember) number = effect_text(effect);
      if (!concerns(effect, c_.db(), key_)) return;
      concerned = true;
      if (change.effects.size() < EntryText::kMostEffects) {
        change.effects.push_back(effect_text(effect));
      }
    });
    if (!damaged.ok()) return false;
    if (!concerned) return true;
    if (!number.empty()) change.effects.push_back(std::move(number));
    change.header = peek_entry_header(entry);  // which read_effects() has checked
    found.push_back(std::move(change));
    return true;
  });
  std::move(found.rbegin(), found.rend(), std::back_inserter(changes_));
  return read.ok() ? damaged : read;
}

// The last change may lie before all that was looked at; its entry is known as long as the key is.
Status Search::look_at_newest() {
  const Object* object = c_.keyspace().find(c_.db(), c_.keyspace().key(key_));
  if (object == nullptr || object->mod_seq() >= from_) return {};
  if (object->mod_seq() < c_.shard().first_logged()) return {};
  return look_at(object->mod_seq(), object->mod_seq());
}

Status Search::run(size_t wanted) {
  const Seq first = c_.shard().first_logged();
  to_ = c_.shard().commit_seq();
  from_ = to_ + 1;
  if (first == 0) return {};
  Seq piece = 64;
  while (from_ > first && changes_.size() < wanted && to_ + 1 - from_ < kMostEntries &&
         bytes_ < kMostBytes) {
    const Seq begin = from_ - first > piece ? from_ - piece : first;
    const Status looked = look_at(begin, from_ - 1);
    if (!looked.ok()) return looked;
    from_ = begin;
    const uint64_t average = bytes_ / (to_ + 1 - from_) + 1;
    piece = std::clamp<Seq>(kPieceBytes / average, 1, 1000);
  }
  const Status looked = changes_.empty() ? look_at_newest() : Status();
  if (changes_.size() > wanted) changes_.resize(wanted);
  return looked;
}

void reply_change(CommandContext& c, const Change& change) {
  const WriteTrace* write = c.shard().traces().write(change.header.seq);
  const GroupTrace* group = c.shard().traces().group_of(change.header.seq);
  CountedFacts facts(c.reply);
  facts.number("seq", change.header.seq);
  facts.number("epoch", change.header.epoch);
  facts.number("time_ms", static_cast<uint64_t>(change.header.log_clock_ms));
  if (write != nullptr) {
    origin_facts(c.server, facts, *write);
    trace_facts(c.reply, facts, write, group, 0);
  }
  facts.name("effects");
  c.reply.array(change.effects.size());
  for (const std::string& effect : change.effects) c.reply.bulk(effect);
  facts.end();
}

// WHY key [count]
void why_command(CommandContext& c) {
  int64_t wanted = 10;
  if (c.argc() > 3) return c.fail();
  if (c.argc() == 3 && !c.integer_between(2, 1, 1000, &wanted)) return;
  Search search(c, c.args[1]);
  if (const Status status = search.run(static_cast<size_t>(wanted)); !status.ok()) {
    return c.fail("ERR " + status.message());
  }
  CountedFacts facts(c.reply);
  facts.text("key", c.args[1]);
  facts.number("database", static_cast<uint64_t>(c.session.state.db));
  facts.number("shard", c.shard().id());
  if (c.slot() >= 0) facts.number("slot", static_cast<uint64_t>(c.slot()));
  facts.number("searched_from", search.from());
  facts.number("searched_to", search.to());
  facts.number("log_begins", c.shard().first_logged());
  facts.name("writes");
  c.reply.array(search.changes().size());
  for (const Change& change : search.changes()) reply_change(c, change);
  facts.end();
}

constexpr CommandSpec why_row() {
  CommandSpec row = operator_row("why", -2, kReadonly | kAdmin | kNoScript, why_command,
                                 "Returns the last writes of a key.", "key [count]");
  row.keys = {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)};
  return row;
}

constexpr CommandSpec kCommands[] = {why_row()};

}  // namespace

std::span<const CommandSpec> why_commands() { return kCommands; }

}  // namespace holdfast
