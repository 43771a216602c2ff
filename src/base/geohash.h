// Geohashes: places on the earth as integers of 52 bits that are near each other where the places
// are, and the areas that have to be looked at for all places around one. The same arithmetic as
// Redis's, so that scores, results and their order agree.
//
// Longitude and latitude are in degrees, distances in meters. A cell of step n is one of 4^n parts
// of the map: its bits interleave n bits of the latitude (bit 0) and of the longitude (bit 1).
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace holdfast {

inline constexpr double kGeoMaxLongitude = 180;
// Of the Mercator projection: what is nearer to the poles has no hash.
inline constexpr double kGeoMaxLatitude = 85.05112878;
inline constexpr int kGeoMaxStep = 26;

struct GeoPoint {
  double longitude = 0;
  double latitude = 0;
};

// Whether there is a hash for it.
bool geo_valid(const GeoPoint& point);

// The hash of 52 bits, which is the score in a sorted set. REQUIRES: geo_valid(point).
uint64_t geo_encode(const GeoPoint& point);
// The middle of the cell that a score means; scores that are no hash mean some place too.
GeoPoint geo_decode(double score);
// The eleven letters that other systems know a place by.
std::array<char, 11> geo_letters(const GeoPoint& point);

// Along a great circle.
double geo_distance(const GeoPoint& a, const GeoPoint& b);

// What is looked for: a circle or a box, in some unit.
struct GeoShape {
  GeoPoint center;
  bool is_box = false;
  double radius = 0;  // of a circle
  double width = 0;   // of a box
  double height = 0;
  double unit = 1;  // meters

  // Whether the point is inside; then `*distance` is that from the center, in meters.
  bool contains(const GeoPoint& point, double* distance) const;
};

// Hashes from `first` on, `end` not included.
struct GeoHashRange {
  uint64_t first;
  uint64_t end;
};

// Ranges that together hold all points of the shape (and others), in the order in which they are
// looked at: the cell of the center first.
std::vector<GeoHashRange> geo_ranges(const GeoShape& shape);

}  // namespace holdfast
