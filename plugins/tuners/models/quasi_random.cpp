#include "quasi_random.h"

#include "../drawing.h"
#include "sobol.h"

#include <fmt/format.h>

namespace espalier::tuners {

namespace {

std::vector<double> row_of(const Encoding& encoding, const std::vector<double>& point) {
  std::vector<double> row(encoding.size(), kInactive);
  for (size_t axis = 0; axis < row.size(); ++axis) {
    if (!encoding.is_active(axis, row)) continue;
    const AxisScale& scale = encoding[axis];
    row[axis] = scale.snap(scale.categorical ? std::floor(point[axis] * static_cast<double>(scale.levels)) : point[axis]);
  }
  return row;
}

}  // namespace

std::optional<Proposal> next_point(const Space& space, const Encoding& encoding, const Rows& rows, const Feasible& feasible) {
  const uint64_t seed = derive_seed(space.seed, "sobol");
  for (uint64_t index = rows.size(); index < rows.size() + kMostDraws; ++index) {
    const std::vector<double> row = row_of(encoding, scrambled_sobol_point(index, encoding.size(), seed));
    if (rows.contains(row)) continue;
    if (Settings settings = encoding.decode(row); feasible(settings))
      return Proposal{.settings = std::move(settings), .reason = fmt::format("point {} of the Sobol sequence", index)};
  }
  return std::nullopt;
}

std::optional<Proposal> propose_quasi_random(const Space& space, const History& history, Random& random, const Feasible& feasible) {
  const Encoding encoding(space);
  const Rows rows(encoding, evidence_of(history, 1));
  if (auto point = next_point(space, encoding, rows, feasible)) return point;
  const std::optional<Settings> left = draw_new(space, history, random, feasible);
  if (!left) return std::nullopt;
  return Proposal{.settings = *left, .reason = "drawn at random: the Sobol sequence gave nothing new"};
}

}  // namespace espalier::tuners
