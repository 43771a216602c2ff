// Geo commands: places as sorted sets of members whose scores are geohashes. The family's rows, and
// GEOADD, GEODIST, GEOHASH, GEOPOS; searching is in geo_search.cc.
#include "resp/commands/geo.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "resp/commands/families.h"
#include "resp/commands/long_double.h"
#include "resp/commands/zsets.h"

namespace holdfast {
namespace {

constexpr size_t kMaxDigits = 320;  // of a double in full

}  // namespace

bool geo_point_argument(CommandContext& c, size_t i, GeoPoint* point) {
  if (!c.real(i, &point->longitude) || !c.real(i + 1, &point->latitude)) return false;
  if (geo_valid(*point)) return true;
  char text[2 * kMaxDigits + 64];
  const int size = std::snprintf(text, sizeof text, "ERR invalid longitude,latitude pair %f,%f",
                                 point->longitude, point->latitude);
  c.fail({text, static_cast<size_t>(size)});
  return false;
}

bool geo_unit_argument(CommandContext& c, size_t i, double* meters) {
  if (c.is(i, "m")) {
    *meters = 1;
  } else if (c.is(i, "km")) {
    *meters = 1000;
  } else if (c.is(i, "ft")) {
    *meters = 0.3048;
  } else if (c.is(i, "mi")) {
    *meters = 1609.34;
  } else {
    c.fail("ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
  }
  return true;
}

void reply_geo_distance(CommandContext& c, double distance) {
  char text[kMaxDigits];
  const int size = std::snprintf(text, sizeof text, "%.4f", distance);
  c.reply.bulk({text, static_cast<size_t>(size)});
}

void reply_geo_point(CommandContext& c, const GeoPoint& point) {
  c.reply.array(2);
  c.reply.real_text(format_long_double(point.longitude));
  c.reply.real_text(format_long_double(point.latitude));
}

namespace {

// It is ZADD with scores that are computed; what it replies and checks is ZADD's.
void geoadd_command(CommandContext& c) {
  bool nx = false;
  bool xx = false;
  size_t i = 2;
  for (; i < c.argc(); ++i) {
    if (c.is(i, "nx")) {
      nx = true;
    } else if (c.is(i, "xx")) {
      xx = true;
    } else if (!c.is(i, "ch")) {
      break;
    }
  }
  if ((c.argc() - i) % 3 != 0 || (nx && xx)) {
    c.fail();
    return;
  }
  std::vector<ZsetItem> items;
  items.reserve((c.argc() - i) / 3);
  for (size_t at = i; at < c.argc(); at += 3) {
    GeoPoint point;
    if (!geo_point_argument(c, at, &point)) return;
    items.push_back({c.args[at + 2], static_cast<double>(geo_encode(point))});
  }
  zadd_items(c, items);
}

void geodist_command(CommandContext& c) {
  double unit = 1;
  if (c.argc() == 5 && !geo_unit_argument(c, 4, &unit)) return;
  if (c.argc() > 5) {
    c.fail();
    return;
  }
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kZset)) return;
  double from, to;
  if (object == nullptr || !Zset(object->collection()).score(c.args[2], &from) ||
      !Zset(object->collection()).score(c.args[3], &to)) {
    c.reply.null();
    return;
  }
  reply_geo_distance(c, geo_distance(geo_decode(from), geo_decode(to)) / unit);
}

// For each member named: shows where it is, or what there is instead.
template <typename Show, typename None>
void show_members(CommandContext& c, Show show, None none) {
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kZset)) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    double score;
    if (object != nullptr && Zset(object->collection()).score(c.args[i], &score)) {
      show(geo_decode(score));
    } else {
      none();
    }
  }
}

void geohash_command(CommandContext& c) {
  show_members(
      c,
      [&c](const GeoPoint& point) {
        const auto letters = geo_letters(point);
        c.reply.bulk({letters.data(), letters.size()});
      },
      [&c] { c.reply.null(); });
}

void geopos_command(CommandContext& c) {
  show_members(
      c, [&c](const GeoPoint& point) { reply_geo_point(c, point); },
      [&c] { c.reply.null_array(); });
}

constexpr CommandSpec kCommands[] = {
    {"geoadd",
     -5,
     kWrite | kDenyOom,
     kCatGeo,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     geoadd_command,
     "geo",
     "3.2.0",
     "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     "Add one or more geospatial items in the geospatial index represented using a sorted set",
     "key [NX | XX] [CH] longitude:double latitude:double member [longitude:double latitude:double "
     "member ...]"},
    {"geodist",
     -4,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     geodist_command,
     "geo",
     "3.2.0",
     "O(log(N))",
     "Returns the distance between two members of a geospatial index",
     "key member1 member2 [M | KM | FT | MI]"},
    {"geohash",
     -2,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     geohash_command,
     "geo",
     "3.2.0",
     "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
     "Returns members of a geospatial index as standard geohash strings",
     "key member [member ...]"},
    {"geopos",
     -2,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     geopos_command,
     "geo",
     "3.2.0",
     "O(N) where N is the number of members requested.",
     "Returns longitude and latitude of members of a geospatial index",
     "key member [member ...]"},
    {"georadius",
     -6,
     kWrite | kDenyOom | kMovableKeys,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1), KeySpec::behind(kKeyOW | kKeyUpdate, "STORE", 6),
      KeySpec::behind(kKeyOW | kKeyUpdate, "STOREDIST", 6)},
     georadius_command,
     "geo",
     "3.2.0",
     "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
     "delimited by center and radius and M is the number of items inside the index.",
     "Query a sorted set representing a geospatial index to fetch members matching a given maximum "
     "distance from a point",
     "key longitude:double latitude:double radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] "
     "[WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key] [STOREDIST key]"},
    {"georadius_ro",
     -6,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     georadius_ro_command,
     "geo",
     "3.2.10",
     "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
     "delimited by center and radius and M is the number of items inside the index.",
     "A read-only variant for GEORADIUS",
     "key longitude:double latitude:double radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] "
     "[WITHHASH] [COUNT count [ANY]] [ASC | DESC]"},
    {"georadiusbymember",
     -5,
     kWrite | kDenyOom | kMovableKeys,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1), KeySpec::behind(kKeyOW | kKeyUpdate, "STORE", 5),
      KeySpec::behind(kKeyOW | kKeyUpdate, "STOREDIST", 5)},
     georadiusbymember_command,
     "geo",
     "3.2.0",
     "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
     "delimited by center and radius and M is the number of items inside the index.",
     "Query a sorted set representing a geospatial index to fetch members matching a given maximum "
     "distance from a member",
     "key member radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count "
     "[ANY]] [ASC | DESC] [STORE key] [STOREDIST key]"},
    {"georadiusbymember_ro",
     -5,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     georadiusbymember_ro_command,
     "geo",
     "3.2.10",
     "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
     "delimited by center and radius and M is the number of items inside the index.",
     "A read-only variant for GEORADIUSBYMEMBER",
     "key member radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count "
     "[ANY]] [ASC | DESC]"},
    {"geosearch",
     -7,
     kReadonly,
     kCatGeo,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     geosearch_command,
     "geo",
     "6.2.0",
     "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around "
     "the shape provided as the filter and M is the number of items inside the shape",
     "Query a sorted set representing a geospatial index to fetch members inside an area of a box "
     "or a circle.",
     "key <FROMMEMBER member | FROMLONLAT longitude:double latitude:double> <BYRADIUS "
     "radius:double <M | KM | FT | MI> | BYBOX width:double height:double <M | KM | FT | MI>> [ASC "
     "| DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]"},
    {"geosearchstore",
     -8,
     kWrite | kDenyOom,
     kCatGeo,
     {KeySpec::range(kKeyOW | kKeyUpdate, 1, 1), KeySpec::range(kKeyRO | kKeyAccess, 2, 2)},
     geosearchstore_command,
     "geo",
     "6.2.0",
     "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around "
     "the shape provided as the filter and M is the number of items inside the shape",
     "Query a sorted set representing a geospatial index to fetch members inside an area of a box "
     "or a circle, and store the result in another key.",
     "destination source <FROMMEMBER member | FROMLONLAT longitude:double latitude:double> "
     "<BYRADIUS radius:double <M | KM | FT | MI> | BYBOX width:double height:double <M | KM | FT | "
     "MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]"},
};

}  // namespace

std::span<const CommandSpec> geo_commands() { return kCommands; }

}  // namespace holdfast
