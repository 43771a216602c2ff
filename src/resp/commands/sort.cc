// SORT, SORT_RO: the elements of a list, set or sorted set in order, by themselves or by what other
// keys say of them.
//
// All elements are copied first: what a pattern leads to may be a key that has expired, whose erase
// is an effect, and an effect moves values.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/types/hash.h"
#include "store/types/list.h"
#include "store/types/set.h"
#include "store/types/zset.h"

namespace holdfast {
namespace {

struct SortOptions {
  bool descending = false;
  bool alphabetic = false;
  bool sorts = true;  // BY a pattern without a star keeps the order that there is
  int64_t offset = 0;
  int64_t count = -1;   // negative: all
  std::string_view by;  // empty: the elements themselves
  std::vector<std::string_view> get;
  size_t store_at = 0;  // the argument; 0: not asked for
};

struct Item {
  std::string text;
  double score = 0;
  std::optional<std::string> by;  // what it is sorted by alphabetically; none: there is no such key
};

// --- patterns ---

// What a pattern leads to for an element: the star stands for it, "->" leads to a field of a hash,
// "#" is the element. Nothing when there is no such value.
std::optional<std::string> lookup(CommandContext& c, std::string_view pattern,
                                  std::string_view element) {
  if (pattern == "#") return std::string(element);
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::nullopt;
  std::string_view name = pattern;
  std::string_view field;
  const size_t arrow = pattern.find("->", star + 1);
  if (arrow != std::string_view::npos && arrow + 2 < pattern.size()) {
    name = pattern.substr(0, arrow);
    field = pattern.substr(arrow + 2);
  }
  std::string key(name.substr(0, star));
  key.append(element).append(name.substr(star + 1));
  const Object* object = c.find_read(c.keyspace().key(key));
  if (object == nullptr) return std::nullopt;
  IntScratch scratch;
  if (field.empty()) {
    if (object->type() != ObjectType::kString) return std::nullopt;
    return std::string(object->string(scratch));
  }
  if (object->type() != ObjectType::kHash) return std::nullopt;
  const auto value = hash_get(object->collection(), field, scratch);
  if (!value) return std::nullopt;
  return std::string(*value);
}

// --- arguments ---

// Patterns lead to keys that the arguments do not name: they take the right to read every key.
bool may_use_patterns(CommandContext& c, std::string_view option) {
  if (c.server.shards().in_cluster()) {  // they are of other slots
    c.fail("ERR " + std::string(option) + " option of SORT denied in cluster mode.");
    return false;
  }
  const AclUser& user = *c.session.state.user;
  if (user.unrestricted() || user.check_with_all_keys(c.command, c.args, kKeyRO | kKeyAccess)) {
    return true;
  }
  c.fail("ERR " + std::string(option) +
         " option of SORT denied due to insufficient ACL permissions");
  return false;
}

bool parse(CommandContext& c, bool may_store, SortOptions* options) {
  for (size_t i = 2; i < c.argc(); ++i) {
    const size_t left = c.argc() - i - 1;
    if (c.is(i, "asc")) {
      options->descending = false;
    } else if (c.is(i, "desc")) {
      options->descending = true;
    } else if (c.is(i, "alpha")) {
      options->alphabetic = true;
    } else if (c.is(i, "limit") && left >= 2) {
      if (!c.integer(i + 1, &options->offset) || !c.integer(i + 2, &options->count)) return false;
      i += 2;
    } else if (c.is(i, "store") && left >= 1 && may_store) {
      options->store_at = ++i;
    } else if (c.is(i, "by") && left >= 1) {
      const bool pattern = c.args[++i].find('*') != std::string_view::npos;
      if (pattern && !may_use_patterns(c, "BY")) return false;
      if (pattern) options->by = c.args[i];
      options->sorts = options->sorts && pattern;
    } else if (c.is(i, "get") && left >= 1) {
      options->get.push_back(c.args[++i]);
      if (c.args[i] != "#" && !may_use_patterns(c, "GET")) return false;
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

// --- elements ---

// In the order they have: that of the list, of the scores; of a set any.
std::vector<Item> elements(const Object* object) {
  std::vector<Item> items;
  if (object == nullptr) return items;
  const Collection value = object->collection();
  items.reserve(collection_type(object->type()).size(value));
  if (object->type() == ObjectType::kList) {
    IntScratch scratch;
    for (ListCursor at(value, 0, true); at.valid(); at.step()) {
      items.push_back({std::string(element_text(at.get(), scratch)), 0, {}});
    }
  } else if (object->type() == ObjectType::kSet) {
    SetCursor cursor(value);
    while (cursor.next()) items.push_back({std::string(cursor.member()), 0, {}});
  } else {
    for (Zset::Cursor i = Zset(value).at(0); i.valid(); i.next()) {
      items.push_back({std::string(i.item().member), 0, {}});
    }
  }
  return items;
}

bool to_score(const std::string& text, double* score) {
  char* end = nullptr;
  errno = 0;
  *score = std::strtod(text.c_str(), &end);
  return *end == '\0' && errno != ERANGE && !std::isnan(*score);
}

// What the items are sorted by; false when an error was replied.
bool weigh(CommandContext& c, const SortOptions& options, std::vector<Item>* items) {
  bool numbers = true;
  for (Item& item : *items) {
    std::optional<std::string> by;
    if (!options.by.empty()) by = lookup(c, options.by, item.text);
    if (options.alphabetic) {
      item.by = std::move(by);
      continue;
    }
    // Without a value it weighs nothing.
    if (options.by.empty()) {
      numbers = to_score(item.text, &item.score) && numbers;
    } else if (by) {
      numbers = to_score(*by, &item.score) && numbers;
    }
  }
  if (!numbers) c.fail("ERR One or more scores can't be converted into double");
  return numbers;
}

bool before(const SortOptions& options, const Item& a, const Item& b) {
  int order;
  if (!options.alphabetic) {
    if (a.score != b.score) {
      order = a.score < b.score ? -1 : 1;
    } else {
      order = a.text.compare(b.text);  // so that the result does not depend on chance
    }
  } else if (!options.by.empty()) {
    order = a.by && b.by ? a.by->compare(*b.by) : int{a.by.has_value()} - int{b.by.has_value()};
  } else {
    order = a.text.compare(b.text);
  }
  return options.descending ? order > 0 : order < 0;
}

// Leaves those that LIMIT asks for, in order.
void arrange(const SortOptions& options, std::vector<Item>* items) {
  const auto size = static_cast<int64_t>(items->size());
  const int64_t from = std::clamp<int64_t>(options.offset, 0, size);
  const int64_t most = options.count < 0 ? size - from : std::min(options.count, size - from);
  const auto first = items->begin() + from;
  const auto last = first + most;
  if (options.sorts) {
    const auto less = [&options](const Item& a, const Item& b) { return before(options, a, b); };
    std::partial_sort(items->begin(), last, items->end(), less);
  } else if (options.descending) {
    std::reverse(items->begin(), items->end());
  }
  items->erase(last, items->end());
  items->erase(items->begin(), first);
}

// --- the result ---

void reply_items(CommandContext& c, const SortOptions& options, const std::vector<Item>& items) {
  c.reply.array(items.size() * std::max<size_t>(1, options.get.size()));
  for (const Item& item : items) {
    if (options.get.empty()) c.reply.bulk(item.text);
    for (const std::string_view pattern : options.get) {
      const std::optional<std::string> value = lookup(c, pattern, item.text);
      if (value) {
        c.reply.bulk(*value);
      } else {
        c.reply.null();
      }
    }
  }
}

// As a list; a value that is not there is an empty string in it.
void store_items(CommandContext& c, const SortOptions& options, const std::vector<Item>& items) {
  std::deque<std::string> values;
  for (const Item& item : items) {
    if (options.get.empty()) values.push_back(item.text);
    for (const std::string_view pattern : options.get) {
      values.push_back(lookup(c, pattern, item.text).value_or(""));
    }
  }
  const KeyRef key = c.key(options.store_at);
  const bool existed = c.find_write(key) != nullptr;
  if (existed) c.erase(key);
  if (!values.empty()) {
    std::string& operands = c.operands();
    put_fixed(operands, ListSide::kBack);
    for (const std::string& value : values) put_bytes(operands, value);
    c.edit(EffectType::kListPush, key, operands);
    c.notify(NotifyClass::kList, "sortstore", key);
  } else if (existed) {
    c.notify(NotifyClass::kGeneric, "del", key);
  }
  c.reply.integer(static_cast<int64_t>(values.size()));
}

void sort(CommandContext& c, bool may_store) {
  SortOptions options;
  if (!parse(c, may_store, &options)) return;
  const Object* object = c.find_read(c.key(1));
  if (object != nullptr && object->type() != ObjectType::kList &&
      object->type() != ObjectType::kSet && object->type() != ObjectType::kZset) {
    return c.fail(errors::kWrongType);
  }
  // What has no order of its own gets one where the result is kept or computed with.
  const bool kept = options.store_at != 0 || c.in_script();
  if (!options.sorts && kept && object != nullptr && object->type() == ObjectType::kSet) {
    options.sorts = options.alphabetic = true;
  }
  std::vector<Item> items = elements(object);
  if (options.sorts && !weigh(c, options, &items)) return;
  arrange(options, &items);
  if (options.store_at != 0) {
    store_items(c, options, items);
  } else {
    reply_items(c, options, items);
  }
}

void sort_command(CommandContext& c) { sort(c, true); }
void sort_ro_command(CommandContext& c) { sort(c, false); }

constexpr uint32_t kSorted = kCatSet | kCatSortedSet | kCatList | kCatDangerous;
constexpr std::string_view kComplexity =
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number "
    "of returned elements. When the elements are not sorted, complexity is O(N).";

constexpr CommandSpec kCommands[] = {
    {"sort",
     -2,
     kWrite | kDenyOom | kMovableKeys,
     kSorted,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1), KeySpec::behind(kKeyOW | kKeyUpdate, "STORE", 2)},
     sort_command,
     "generic",
     "1.0.0",
     kComplexity,
     "Sort the elements in a list, set or sorted set",
     "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] "
     "[STORE destination]"},
    {"sort_ro",
     -2,
     kReadonly | kMovableKeys,
     kSorted,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     sort_ro_command,
     "generic",
     "7.0.0",
     kComplexity,
     "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
     "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]"},
};

}  // namespace

std::span<const CommandSpec> sort_commands() { return kCommands; }

}  // namespace holdfast
