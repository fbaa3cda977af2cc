#include "neighbours.h"

#include <algorithm>

namespace espalier::tuners {

namespace {

/// The other coordinates that one axis may take.
std::vector<double> other_coordinates(const AxisScale& scale, double coordinate) {
  constexpr int64_t kFew = 16;
  std::vector<double> out;
  if (scale.levels > 0 && (scale.categorical || scale.levels <= kFew)) {
    for (int64_t k = 0; k < scale.levels; ++k) out.push_back(scale.level(k));
  } else {
    for (double distance = 0.25; distance >= 1.0 / 64.0; distance /= 2.0)
      for (const double moved : {coordinate - distance, coordinate + distance})
        if (moved >= 0.0 && moved <= 1.0) out.push_back(scale.snap(moved));
    if (scale.levels > 0)
      for (const int64_t k : {scale.index(coordinate) - 1, scale.index(coordinate) + 1})
        if (k >= 0 && k < scale.levels) out.push_back(scale.level(k));
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  std::erase(out, coordinate);
  return out;
}

}  // namespace

std::vector<Neighbour> neighbours(const Space& space, const Encoding& encoding, std::span<const double> row) {
  std::vector<Neighbour> out;
  for (size_t axis = 0; axis < encoding.size(); ++axis) {
    if (row[axis] == kInactive) continue;
    for (const double coordinate : other_coordinates(encoding[axis], row[axis])) {
      Neighbour next{.row = {row.begin(), row.end()}, .axis = axis};
      next.row[axis] = coordinate;
      for (size_t below = axis + 1; below < encoding.size(); ++below) {
        if (!encoding.is_active(below, next.row)) next.row[below] = kInactive;
        else if (next.row[below] == kInactive) next.row[below] = encoding[below].encode(space.axes[below].first);
      }
      out.push_back(std::move(next));
    }
  }
  return out;
}

}  // namespace espalier::tuners
