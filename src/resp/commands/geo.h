// Geo commands: what their files have in common. The rows are in geo.cc.
#pragma once

#include <string_view>

#include "base/geohash.h"
#include "resp/context.h"
#include "store/types/zset.h"

namespace holdfast {

// geo_search.cc
void geosearch_command(CommandContext& c);
void geosearchstore_command(CommandContext& c);
void georadius_command(CommandContext& c);
void georadius_ro_command(CommandContext& c);
void georadiusbymember_command(CommandContext& c);
void georadiusbymember_ro_command(CommandContext& c);

// --- arguments; each replies and returns false when they are wrong ---

// Longitude and latitude at two arguments.
bool geo_point_argument(CommandContext& c, size_t i, GeoPoint* point);
// M, KM, FT or MI, in meters.
bool geo_unit_argument(CommandContext& c, size_t i, double* meters);

// A distance as replies show it.
void reply_geo_distance(CommandContext& c, double distance);
// Two coordinates.
void reply_geo_point(CommandContext& c, const GeoPoint& point);

}  // namespace holdfast
