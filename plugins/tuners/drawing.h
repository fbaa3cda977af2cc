#pragma once

#include <espalier/tuner.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// What tuners of this folder share.
namespace espalier::tuners {

/// Spaces up to this size are walked to their end instead of drawn from.
inline constexpr double kSmallSpace = 20000.0;
inline constexpr int kMostDraws = 200;

inline std::set<std::string> tried_keys(const History& history) {
  std::set<std::string> keys;
  for (const Result& result : history) keys.insert(canonical_key(result.settings));
  return keys;
}

/// The values of an axis, or as many points of a range as `points`, evenly spread, in the logarithm if the axis says so.
inline std::vector<Json> points_of(const Axis& axis, int64_t points) {
  std::vector<Json> out = values(axis);
  const bool too_many = axis.choices.empty() && axis.integer && !axis.step && std::ssize(out) > points;
  if (!out.empty() && !too_many) return out;
  out.clear();
  for (int64_t k = 0; k < points; ++k) {
    const double u = points > 1 ? static_cast<double>(k) / static_cast<double>(points - 1) : 0.0;
    double value = axis.log ? axis.from * std::pow(axis.to / axis.from, u) : axis.from + u * (axis.to - axis.from);
    value = std::clamp(value, axis.from, axis.to);
    const Json point = axis.integer ? Json(static_cast<int64_t>(std::llround(value))) : Json(value);
    if (out.empty() || out.back() != point) out.push_back(point);
  }
  return out;
}

/// Calls `visit` with every configuration of the points, the last axis fastest, until it returns true; returns whether it
/// did.
inline bool walk(const Space& space, const std::function<std::vector<Json>(const Axis&)>& points,
                 const std::function<bool(const Settings&)>& visit, size_t next = 0, const Settings& chosen = {}) {
  while (next < space.axes.size() && !is_active(space.axes[next], chosen)) ++next;
  if (next == space.axes.size()) return visit(chosen);
  for (const Json& value : points(space.axes[next])) {
    Settings more = chosen;
    more[space.axes[next].name] = value;
    if (walk(space, points, visit, next + 1, more)) return true;
  }
  return false;
}

/// One of the configurations that are neither tried nor infeasible, all equally likely; nothing: there is none.
inline std::optional<Settings> draw_untried(const Space& space, const std::set<std::string>& tried, Random& random,
                                            const Feasible& feasible) {
  std::vector<Settings> left;
  walk(space, [](const Axis& axis) { return values(axis); }, [&](const Settings& settings) {
    if (!tried.contains(canonical_key(settings))) left.push_back(settings);
    return false;
  });
  while (!left.empty()) {
    const auto pick = static_cast<size_t>(random.below(std::ssize(left)));
    if (feasible(left[pick])) return left[pick];
    std::swap(left[pick], left.back());
    left.pop_back();
  }
  return std::nullopt;
}

/// Something new from anywhere in the space; nothing: it is used up, or nothing new was found in many draws.
inline std::optional<Settings> draw_new(const Space& space, const History& history, Random& random, const Feasible& feasible) {
  const std::set<std::string> tried = tried_keys(history);
  for (int i = 0; i < kMostDraws; ++i) {
    const Settings settings = complete(space, {}, [&](const Axis& axis) { return draw(axis, random); });
    if (!tried.contains(canonical_key(settings)) && feasible(settings)) return settings;
  }
  if (space.size() <= kSmallSpace) return draw_untried(space, tried, random, feasible);
  return std::nullopt;
}

/// The complete result with the least objective, ties to the lower number; nullptr: there is none.
inline const Result* best_result(const History& history) {
  const Result* best = nullptr;
  for (const Result& result : history)
    if (result.state == TrialState::complete && result.objective && (best == nullptr || *result.objective < *best->objective))
      best = &result;
  return best;
}

}  // namespace espalier::tuners
