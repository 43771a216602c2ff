// See geohash.h.
#include "base/geohash.h"

#include <algorithm>
#include <cmath>

namespace holdfast {
namespace {

constexpr double kEarthRadius = 6372797.560856;
constexpr double kMercatorMax = 20037726.37;
constexpr double kDegree = M_PI / 180.0;

// The bits that belong to the latitude, and those of the longitude.
constexpr uint64_t kLatitudeBits = 0x5555555555555555ULL;
constexpr uint64_t kLongitudeBits = 0xaaaaaaaaaaaaaaaaULL;

double radians(double degrees) { return degrees * kDegree; }
double degrees(double radians) { return radians / kDegree; }

// Puts a zero between all bits.
uint64_t spread(uint32_t value) {
  uint64_t v = value;
  v = (v | v << 16) & 0x0000ffff0000ffffULL;
  v = (v | v << 8) & 0x00ff00ff00ff00ffULL;
  v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fULL;
  v = (v | v << 2) & 0x3333333333333333ULL;
  return (v | v << 1) & kLatitudeBits;
}

uint32_t gather(uint64_t v) {
  v &= kLatitudeBits;
  v = (v | v >> 1) & 0x3333333333333333ULL;
  v = (v | v >> 2) & 0x0f0f0f0f0f0f0f0fULL;
  v = (v | v >> 4) & 0x00ff00ff00ff00ffULL;
  v = (v | v >> 8) & 0x0000ffff0000ffffULL;
  return static_cast<uint32_t>(v | v >> 16);
}

struct Cell {
  uint64_t bits = 0;
  int step = 0;  // 0: none
};

struct Area {
  GeoPoint min;
  GeoPoint max;
};

Cell cell_of(const GeoPoint& point, int step, double max_latitude = kGeoMaxLatitude) {
  const double cells = std::ldexp(1.0, step);
  const double x = (point.longitude + kGeoMaxLongitude) / (2 * kGeoMaxLongitude) * cells;
  const double y = (point.latitude + max_latitude) / (2 * max_latitude) * cells;
  return {spread(static_cast<uint32_t>(y)) | spread(static_cast<uint32_t>(x)) << 1, step};
}

Area area_of(const Cell& cell) {
  const double cells = std::ldexp(1.0, cell.step);
  const double y = gather(cell.bits);
  const double x = gather(cell.bits >> 1);
  const auto place = [cells](double max, double i) { return -max + i / cells * (2 * max); };
  return {{place(kGeoMaxLongitude, x), place(kGeoMaxLatitude, y)},
          {place(kGeoMaxLongitude, x + 1), place(kGeoMaxLatitude, y + 1)}};
}

// One step in the dimension of these bits, around the map's edge.
uint64_t moved(uint64_t bits, int step, uint64_t dimension, int by) {
  if (by == 0) return bits;  // as it is, also at the map's very edge, which has no cell of its own
  const uint64_t within = ~uint64_t{0} >> (64 - step * 2);
  const uint64_t others = ~dimension & within;
  uint64_t v = bits & dimension;
  if (by > 0) v += others + 1;  // the carry runs through the other bits
  if (by < 0) v = (v | others) - (others + 1);
  return (v & dimension & within) | (bits & ~dimension);
}

Cell neighbour(const Cell& cell, int east, int north) {
  uint64_t bits = moved(cell.bits, cell.step, kLongitudeBits, east);
  bits = moved(bits, cell.step, kLatitudeBits, north);
  return {bits, cell.step};
}

double latitude_distance(double a, double b) {
  return kEarthRadius * std::fabs(radians(b) - radians(a));
}

// The box around the shape, in degrees. Meridians converge: the side nearer to the pole decides.
Area bounds_of(const GeoShape& shape) {
  const double height = shape.unit * (shape.is_box ? shape.height / 2 : shape.radius);
  const double width = shape.unit * (shape.is_box ? shape.width / 2 : shape.radius);
  const double latitude = shape.center.latitude;
  const double up = degrees(height / kEarthRadius);
  const double edge = latitude < 0 ? latitude - up : latitude + up;
  const double aside = degrees(width / kEarthRadius / std::cos(radians(edge)));
  return {{shape.center.longitude - aside, latitude - up},
          {shape.center.longitude + aside, latitude + up}};
}

// The finest step at which a cell and its neighbours are likely to cover so much.
int step_for(double meters, double latitude) {
  if (meters == 0) return kGeoMaxStep;
  int step = 1;
  for (; meters < kMercatorMax; meters *= 2) ++step;
  step -= 2;
  const double from_equator = std::fabs(latitude);
  if (from_equator > 66) --step;
  if (from_equator > 80) --step;
  return std::clamp(step, 1, kGeoMaxStep);
}

// The directions in the order in which cells are looked at.
struct Direction {
  int east, north;
};
constexpr Direction kDirections[] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                     {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};

bool neighbours_cover(const Cell& cell, const Area& bounds) {
  return area_of(neighbour(cell, 0, 1)).max.latitude >= bounds.max.latitude &&
         area_of(neighbour(cell, 0, -1)).min.latitude <= bounds.min.latitude &&
         area_of(neighbour(cell, 1, 0)).max.longitude >= bounds.max.longitude &&
         area_of(neighbour(cell, -1, 0)).min.longitude <= bounds.min.longitude;
}

// Whether nothing of the shape can be in that direction, because the cell reaches beyond it.
bool useless(const Direction& to, const Area& cell, const Area& bounds) {
  return (to.north < 0 && cell.min.latitude < bounds.min.latitude) ||
         (to.north > 0 && cell.max.latitude > bounds.max.latitude) ||
         (to.east < 0 && cell.min.longitude < bounds.min.longitude) ||
         (to.east > 0 && cell.max.longitude > bounds.max.longitude);
}

}  // namespace

bool geo_valid(const GeoPoint& point) {
  return std::fabs(point.longitude) <= kGeoMaxLongitude &&
         std::fabs(point.latitude) <= kGeoMaxLatitude;
}

uint64_t geo_encode(const GeoPoint& point) { return cell_of(point, kGeoMaxStep).bits; }

GeoPoint geo_decode(double score) {
  // As a conversion that does not trap gives it: what is too large is 0.
  constexpr double kHalf = 9223372036854775808.0;
  uint64_t bits = 0;
  if (std::fabs(score) < kHalf) {
    bits = static_cast<uint64_t>(static_cast<int64_t>(score));
  } else if (score > 0 && score < 2 * kHalf) {
    bits = static_cast<uint64_t>(score);
  } else if (score < 0) {
    bits = uint64_t{1} << 63;
  }
  const Area area = area_of({bits, kGeoMaxStep});
  const auto middle = [](double a, double b, double max) {
    return std::clamp((a + b) / 2, -max, max);
  };
  return {middle(area.min.longitude, area.max.longitude, kGeoMaxLongitude),
          middle(area.min.latitude, area.max.latitude, kGeoMaxLatitude)};
}

std::array<char, 11> geo_letters(const GeoPoint& point) {
  // Other systems divide all latitudes, up to the poles.
  const uint64_t bits = cell_of(point, kGeoMaxStep, 90).bits;
  std::array<char, 11> letters;
  for (size_t i = 0; i < letters.size(); ++i) {
    // 52 bits are enough for ten letters and a part of the eleventh, which Redis leaves out.
    const uint64_t index = i < 10 ? bits >> (52 - (i + 1) * 5) & 0x1f : 0;
    letters[i] = "0123456789bcdefghjkmnpqrstuvwxyz"[index];
  }
  return letters;
}

double geo_distance(const GeoPoint& a, const GeoPoint& b) {
  const double v = std::sin((radians(b.longitude) - radians(a.longitude)) / 2);
  if (v == 0) return latitude_distance(a.latitude, b.latitude);
  const double from = radians(a.latitude);
  const double to = radians(b.latitude);
  const double u = std::sin((to - from) / 2);
  return 2 * kEarthRadius * std::asin(std::sqrt(u * u + std::cos(from) * std::cos(to) * v * v));
}

bool GeoShape::contains(const GeoPoint& point, double* distance) const {
  if (!is_box) {
    *distance = geo_distance(center, point);
    return *distance <= radius * unit;
  }
  if (latitude_distance(point.latitude, center.latitude) > height * unit / 2) return false;
  const GeoPoint beside{center.longitude, point.latitude};
  if (geo_distance(point, beside) > width * unit / 2) return false;
  *distance = geo_distance(center, point);
  return true;
}

std::vector<GeoHashRange> geo_ranges(const GeoShape& shape) {
  const Area bounds = bounds_of(shape);
  const double half_width = shape.width / 2;
  const double half_height = shape.height / 2;
  const double reach =
      shape.is_box ? std::sqrt(half_width * half_width + half_height * half_height) : shape.radius;
  int step = step_for(reach * shape.unit, shape.center.latitude);
  // Near an edge of the cell even the neighbours may be too small.
  if (step > 1 && !neighbours_cover(cell_of(shape.center, step), bounds)) --step;
  const Cell center = cell_of(shape.center, step);
  const Area area = area_of(center);

  std::vector<GeoHashRange> ranges;
  Cell before;
  for (const Direction& to : kDirections) {
    if (step >= 2 && useless(to, area, bounds)) continue;
    const Cell cell = neighbour(center, to.east, to.north);
    // Of a map of few cells neighbours may be the same.
    if (before.step != 0 && cell.bits == before.bits) continue;
    const int shift = 52 - 2 * step;
    ranges.push_back({cell.bits << shift, (cell.bits + 1) << shift});
    before = cell;
  }
  return ranges;
}

}  // namespace holdfast
