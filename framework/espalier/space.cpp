#include "espalier/space.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier {

namespace {

/// The k-th point of a stepped range.
double grid_point(const Axis& axis, int64_t k) {
  const double step = axis.step.value_or(1.0);
  return axis.log ? axis.from * std::pow(step, static_cast<double>(k)) : axis.from + step * static_cast<double>(k);
}

/// Number of points of a stepped range. The slack forgives rounding of `to`.
int64_t grid_size(const Axis& axis) {
  constexpr double kSlack = 1e-9;
  const double step = axis.step.value_or(1.0);
  const double n = axis.log ? std::log(axis.to / axis.from) / std::log(step) : (axis.to - axis.from) / step;
  return static_cast<int64_t>(std::floor(n + kSlack)) + 1;
}

bool is_grid(const Axis& axis) { return axis.choices.empty() && (axis.step.has_value() || (axis.integer && !axis.log)); }

Json number(const Axis& axis, double value) {
  if (axis.integer) return Json(static_cast<int64_t>(std::llround(value)));
  return Json(value);
}

}  // namespace

std::vector<Json> values(const Axis& axis) {
  if (!axis.choices.empty()) return axis.choices;
  constexpr int64_t kMost = 100000;
  std::vector<Json> out;
  if (is_grid(axis)) {
    for (int64_t k = 0, n = std::min(grid_size(axis), kMost); k < n; ++k) out.push_back(number(axis, grid_point(axis, k)));
  } else if (axis.integer) {
    for (int64_t v = std::llround(axis.from); v <= std::llround(axis.to) && std::ssize(out) < kMost; ++v) out.emplace_back(v);
  }
  return out;
}

Json nearest_value(const Axis& axis, double wish) {
  const std::vector<Json> all = values(axis);
  if (all.empty()) return number(axis, std::clamp(wish, axis.from, axis.to));
  return *std::ranges::min_element(all, {}, [&](const Json& value) { return std::abs(value.get<double>() - wish); });
}

Json draw(const Axis& axis, Random& random) {
  if (!axis.choices.empty()) return axis.choices[static_cast<size_t>(random.below(std::ssize(axis.choices)))];
  if (is_grid(axis)) return number(axis, grid_point(axis, random.below(grid_size(axis))));
  const double u = random.uniform();
  // Whole numbers own half a step on both sides, so that the ends are as likely as the rest.
  const double from = axis.integer ? axis.from - 0.5 : axis.from;
  const double to = axis.integer ? axis.to + 0.5 : axis.to;
  const double value = axis.log ? std::exp(std::log(from) + u * (std::log(to) - std::log(from))) : from + u * (to - from);
  return number(axis, std::clamp(value, axis.from, axis.to));
}

bool is_active(const Axis& axis, const Settings& settings) {
  if (axis.parent.empty()) return true;
  const auto parent = settings.find(axis.parent);
  return parent != settings.end() && std::ranges::find(axis.parent_values, parent->second) != axis.parent_values.end();
}

Settings complete(const Space& space, const Settings& partial, const std::function<Json(const Axis&)>& fill) {
  Settings out;
  for (const Axis& axis : space.axes) {
    if (!is_active(axis, out)) continue;
    const auto given = partial.find(axis.name);
    out[axis.name] = given != partial.end() ? given->second : fill(axis);
  }
  return out;
}

Settings first_settings(const Space& space) {
  return complete(space, {}, [](const Axis& axis) { return axis.first; });
}

double Space::size() const {
  // Count below a parent's value: a product over independent axes, a sum over a parent's values.
  const std::function<double(const std::string&, const Json*)> count = [&](const std::string& parent, const Json* value) {
    double product = 1.0;
    for (const Axis& axis : axes) {
      if (axis.parent != parent) continue;
      if (value != nullptr && std::ranges::find(axis.parent_values, *value) == axis.parent_values.end()) continue;
      const std::vector<Json> points = values(axis);
      if (points.empty()) return std::numeric_limits<double>::infinity();
      const bool has_children = std::ranges::any_of(axes, [&](const Axis& a) { return a.parent == axis.name; });
      double sum = has_children ? 0.0 : static_cast<double>(points.size());
      if (has_children)
        for (const Json& point : points) sum += count(axis.name, &point);
      product *= sum;
    }
    return product;
  };
  return count("", nullptr);
}

std::string canonical_key(const Settings& settings) {
  constexpr double kExact = 9007199254740992.0;  // doubles up to here hold every whole number
  std::string key;
  for (const auto& [name, value] : settings) {
    // 2 and 2.0 are equal and must have one key.
    const bool whole = value.is_number_float() && std::abs(value.get<double>()) < kExact && std::trunc(value.get<double>()) == value.get<double>();
    key += name + "=" + (whole ? Json(static_cast<int64_t>(value.get<double>())) : value).dump() + ";";
  }
  return key;
}

std::optional<double> objective_at(const Result& result, double fidelity) {
  if (result.state == TrialState::complete && result.fidelity <= fidelity) return result.objective;
  if (result.fidelity < fidelity) return std::nullopt;
  std::optional<double> last;
  for (const CurvePoint& point : result.curve)
    if (point.fidelity <= fidelity) last = point.objective;
  return last;
}

std::string to_string(TrialState state) {
  switch (state) {
    case TrialState::queued: return "queued";
    case TrialState::running: return "running";
    case TrialState::paused: return "paused";
    case TrialState::complete: return "complete";
    case TrialState::pruned: return "pruned";
    case TrialState::failed: return "failed";
    case TrialState::preempted: return "preempted";
  }
  return "";
}

}  // namespace espalier
