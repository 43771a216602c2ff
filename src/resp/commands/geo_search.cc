// GEOSEARCH, GEOSEARCHSTORE and the GEORADIUS commands before them: the members in a circle or a
// box. The hashes of near places are near each other, so a few ranges of scores are looked at.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "resp/commands/geo.h"
#include "resp/commands/zsets.h"

namespace holdfast {
namespace {

enum class Order : uint8_t { kNone, kNearest, kFarthest };

struct SearchCall {
  // What the command is.
  bool by_options = false;       // GEOSEARCH: center and shape are options
  bool by_member = false;        // GEORADIUSBYMEMBER
  bool may_store = false;        // STORE and STOREDIST are options
  bool stores_to_first = false;  // GEOSEARCHSTORE

  // What was asked for.
  GeoShape shape;
  bool has_center_member = false;
  bool has_center_point = false;
  bool has_radius = false;
  bool has_box = false;
  bool with_distance = false;
  bool with_hash = false;
  bool with_point = false;
  bool any = false;
  Order order = Order::kNone;
  uint64_t count = 0;   // 0: all
  size_t store_at = 0;  // the argument with the key; 0: none
  bool store_distance = false;

  size_t source_at() const { return stores_to_first ? 2 : 1; }
};

struct Found {
  std::string member;
  double score;
  double distance;  // meters
  GeoPoint point;
  size_t place;  // among what was found
};

bool number_argument(CommandContext& c, size_t i, std::string_view error, double* out) {
  return c.real(i, out, error);
}

// radius and unit
bool take_radius(CommandContext& c, size_t i, GeoShape* shape) {
  if (!number_argument(c, i, "ERR need numeric radius", &shape->radius)) return false;
  if (shape->radius < 0) {
    c.fail("ERR radius cannot be negative");
    return false;
  }
  shape->is_box = false;
  return geo_unit_argument(c, i + 1, &shape->unit);
}

// width, height and unit
bool take_box(CommandContext& c, size_t i, GeoShape* shape) {
  if (!number_argument(c, i, "ERR need numeric width", &shape->width)) return false;
  if (!number_argument(c, i + 1, "ERR need numeric height", &shape->height)) return false;
  if (shape->width < 0 || shape->height < 0) {
    c.fail("ERR height or width cannot be negative");
    return false;
  }
  shape->is_box = true;
  return geo_unit_argument(c, i + 2, &shape->unit);
}

bool take_member(CommandContext& c, size_t i, const Object& source, GeoPoint* center) {
  double score;
  if (!Zset(source.collection()).score(c.args[i], &score)) {
    c.fail("ERR could not decode requested zset member");
    return false;
  }
  *center = geo_decode(score);
  return true;
}

bool take_count(CommandContext& c, size_t i, uint64_t* count) {
  int64_t number;
  if (!c.integer(i, &number)) return false;
  if (number <= 0) {
    c.fail("ERR COUNT must be > 0");
    return false;
  }
  *count = static_cast<uint64_t>(number);
  return true;
}

// An option that is one word; false when it is another.
bool take_word(const CommandContext& c, size_t i, SearchCall* call) {
  if (c.is(i, "withdist")) {
    call->with_distance = true;
  } else if (c.is(i, "withhash")) {
    call->with_hash = true;
  } else if (c.is(i, "withcoord")) {
    call->with_point = true;
  } else if (c.is(i, "any")) {
    call->any = true;
  } else if (c.is(i, "asc")) {
    call->order = Order::kNearest;
  } else if (c.is(i, "desc")) {
    call->order = Order::kFarthest;
  } else if (call->stores_to_first && c.is(i, "storedist")) {
    call->store_distance = true;
  } else {
    return false;
  }
  return true;
}

// GEOSEARCH's center or shape at `*i`, which is moved on. `*taken`: whether it was one of them.
bool take_where(CommandContext& c, size_t* i, const Object* source, SearchCall* call, bool* taken) {
  const size_t behind = c.argc() - *i - 1;
  *taken = true;
  if (behind >= 1 && !call->has_center_point && c.is(*i, "frommember")) {
    call->has_center_member = true;
    ++*i;
    return source == nullptr || take_member(c, *i, *source, &call->shape.center);
  }
  if (behind >= 2 && !call->has_center_member && c.is(*i, "fromlonlat")) {
    call->has_center_point = true;
    *i += 2;
    return geo_point_argument(c, *i - 1, &call->shape.center);
  }
  if (behind >= 2 && !call->has_box && c.is(*i, "byradius")) {
    call->has_radius = true;
    *i += 2;
    return take_radius(c, *i - 1, &call->shape);
  }
  if (behind >= 3 && !call->has_radius && c.is(*i, "bybox")) {
    call->has_box = true;
    *i += 3;
    return take_box(c, *i - 2, &call->shape);
  }
  *taken = false;
  return true;
}

// Where GEORADIUS's fixed arguments say; gives the first option, 0 after an error.
size_t take_fixed(CommandContext& c, const Object* source, SearchCall* call) {
  if (call->by_options) return call->source_at() + 1;
  if (call->by_member) {
    // Without a source only the options matter.
    const bool ok = source == nullptr || (take_member(c, 2, *source, &call->shape.center) &&
                                          take_radius(c, 3, &call->shape));
    return ok ? 5 : 0;
  }
  return geo_point_argument(c, 2, &call->shape.center) && take_radius(c, 4, &call->shape) ? 6 : 0;
}

bool take_options(CommandContext& c, size_t i, const Object* source, SearchCall* call) {
  for (; i < c.argc(); ++i) {
    const bool more = i + 1 < c.argc();
    if (take_word(c, i, call)) continue;
    if (more && c.is(i, "count")) {
      if (!take_count(c, ++i, &call->count)) return false;
    } else if (more && call->may_store && (c.is(i, "store") || c.is(i, "storedist"))) {
      call->store_distance = c.is(i, "storedist");
      call->store_at = ++i;
    } else {
      bool taken = false;
      if (call->by_options && !take_where(c, &i, source, call, &taken)) return false;
      if (!taken) {
        c.fail();
        return false;
      }
    }
  }
  return true;
}

bool check_options(CommandContext& c, const SearchCall& call) {
  const std::string name(c.args[0]);
  if (call.store_at != 0 && (call.with_distance || call.with_hash || call.with_point)) {
    const std::string who = call.stores_to_first ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    c.fail("ERR " + who + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  } else if (call.by_options && !call.has_center_member && !call.has_center_point) {
    c.fail("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name);
  } else if (call.by_options && !call.has_radius && !call.has_box) {
    c.fail("ERR exactly one of BYRADIUS and BYBOX can be specified for " + name);
  } else if (call.any && call.count == 0) {
    c.fail("ERR the ANY argument requires COUNT argument");
  } else {
    return true;
  }
  return false;
}

// Members inside of the shape, in the order of the ranges; with ANY no more than were asked for.
std::vector<Found> search(const Zset& zset, const SearchCall& call) {
  std::vector<Found> found;
  for (const GeoHashRange& range : geo_ranges(call.shape)) {
    const ScoreRange scores{static_cast<double>(range.first), static_cast<double>(range.end), false,
                            true};
    const RankRange ranks = zset.within(scores);
    Zset::Cursor cursor = zset.at(ranks.first);
    for (uint64_t left = ranks.size(); left > 0; --left, cursor.next()) {
      const ZsetItem item = cursor.item();
      const GeoPoint point = geo_decode(item.score);
      double distance;
      if (!call.shape.contains(point, &distance)) continue;
      found.push_back({std::string(item.member), item.score, distance, point, found.size()});
      if (call.any && found.size() >= call.count) return found;
    }
  }
  return found;
}

// Sorts as asked for and leaves no more than were asked for.
void choose(const SearchCall& call, std::vector<Found>* found) {
  Order order = call.order;
  if (call.count != 0 && order == Order::kNone && !call.any) order = Order::kNearest;
  const size_t taken = call.count == 0 ? found->size() : std::min(found->size(), call.count);
  if (order != Order::kNone) {
    const bool nearest = order == Order::kNearest;
    std::partial_sort(found->begin(), found->begin() + static_cast<ptrdiff_t>(taken), found->end(),
                      [nearest](const Found& a, const Found& b) {
                        if (a.distance == b.distance) return a.place < b.place;
                        return nearest ? a.distance < b.distance : a.distance > b.distance;
                      });
  }
  found->resize(taken);
}

void reply_found(CommandContext& c, const SearchCall& call, const std::vector<Found>& found) {
  const uint64_t options =
      (call.with_distance ? 1U : 0U) + (call.with_hash ? 1U : 0U) + (call.with_point ? 1U : 0U);
  c.reply.array(found.size());
  for (const Found& one : found) {
    if (options > 0) c.reply.array(options + 1);
    c.reply.bulk(one.member);
    if (call.with_distance) reply_geo_distance(c, one.distance / call.shape.unit);
    if (call.with_hash) c.reply.integer(static_cast<int64_t>(one.score));
    if (call.with_point) reply_geo_point(c, one.point);
  }
}

void run(CommandContext& c, SearchCall call) {
  const Object* source = c.find_read(c.key(call.source_at()));
  if (!c.expect_type(source, ObjectType::kZset)) return;
  if (call.stores_to_first) call.store_at = 1;
  const size_t options_at = take_fixed(c, source, &call);
  if (options_at == 0 || !take_options(c, options_at, source, &call)) return;
  if (!check_options(c, call)) return;
  std::vector<Found> found;
  if (source != nullptr) {
    found = search(Zset(source->collection()), call);
    choose(call, &found);
  }
  if (call.store_at == 0) {
    reply_found(c, call, found);
    return;
  }
  ZsetBuilder result(c.keyspace().limits().hash_seed);
  for (const Found& one : found) {
    result.set(one.member, call.store_distance ? one.distance / call.shape.unit : one.score);
  }
  store_zset(c, c.key(call.store_at), result,
             call.by_options ? "geosearchstore" : "georadiusstore");
}

}  // namespace

void geosearch_command(CommandContext& c) {
  SearchCall call;
  call.by_options = true;
  run(c, call);
}

void geosearchstore_command(CommandContext& c) {
  SearchCall call;
  call.by_options = true;
  call.stores_to_first = true;
  run(c, call);
}

void georadius_command(CommandContext& c) {
  SearchCall call;
  call.may_store = true;
  run(c, call);
}

void georadius_ro_command(CommandContext& c) { run(c, {}); }

void georadiusbymember_command(CommandContext& c) {
  SearchCall call;
  call.may_store = true;
  call.by_member = true;
  run(c, call);
}

void georadiusbymember_ro_command(CommandContext& c) {
  SearchCall call;
  call.by_member = true;
  run(c, call);
}

}  // namespace holdfast
