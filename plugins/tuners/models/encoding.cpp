#include "encoding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::tuners {

namespace {

/// On a grid that is far finer than any range needs, a coordinate is the same again after decoding and encoding.
double on_fine_grid(double unit) { return std::ldexp(std::round(std::ldexp(unit, 40)), -40); }

}  // namespace

AxisScale::AxisScale(const Axis& axis) : axis_(&axis) {
  categorical = !axis.choices.empty() && !axis.ordered;
  if (!axis.choices.empty() || axis.step) {
    points_ = values(axis);
    levels = std::ssize(points_);
    if (!categorical)
      for (const Json& point : points_) sizes_.push_back(point.get<double>());
    return;
  }
  const double half = axis.integer ? 0.5 : 0.0;
  low_ = axis.log ? std::log(axis.from - half) : axis.from - half;
  high_ = axis.log ? std::log(axis.to + half) : axis.to + half;
  if (axis.integer) levels = std::llround(axis.to) - std::llround(axis.from) + 1;
}

double AxisScale::unit(double value) const {
  const double inside = std::clamp(value, axis_->from, axis_->to);
  return high_ > low_ ? on_fine_grid(((axis_->log ? std::log(inside) : inside) - low_) / (high_ - low_)) : 0.5;
}

double AxisScale::from_unit(double unit) const {
  if (unit <= 0.0) return axis_->from;
  if (unit >= 1.0) return axis_->to;
  const double value = low_ + unit * (high_ - low_);
  return std::clamp(axis_->log ? std::exp(value) : value, axis_->from, axis_->to);
}

double AxisScale::level(int64_t k) const {
  if (categorical) return static_cast<double>(k);
  if (is_log_integer()) return unit(axis_->from + static_cast<double>(k));
  return (static_cast<double>(k) + 0.5) / static_cast<double>(levels);
}

double AxisScale::encode(const Json& value) const {
  if (categorical) return static_cast<double>(std::ranges::find(points_, value) - points_.begin());
  const double number = value.is_number() ? value.get<double>() : axis_->from;
  if (levels == 0) return unit(number);
  if (points_.empty()) return level(std::llround(std::clamp(number, axis_->from, axis_->to)) - std::llround(axis_->from));
  const auto above = std::ranges::lower_bound(sizes_, number);
  auto k = above - sizes_.begin();
  if (above == sizes_.end() || (k > 0 && number - sizes_[static_cast<size_t>(k - 1)] < *above - number)) --k;
  return level(k);
}

int64_t AxisScale::index(double coordinate) const {
  int64_t k = 0;
  if (categorical) k = std::llround(coordinate);
  else if (is_log_integer()) k = std::llround(from_unit(coordinate)) - std::llround(axis_->from);
  else k = static_cast<int64_t>(std::floor(coordinate * static_cast<double>(levels)));
  return std::clamp<int64_t>(k, 0, levels - 1);
}

double AxisScale::snap(double coordinate) const {
  return levels == 0 ? on_fine_grid(std::clamp(coordinate, 0.0, 1.0)) : level(index(coordinate));
}

Json AxisScale::decode(double coordinate) const {
  if (levels == 0) return Json(from_unit(coordinate));
  const int64_t k = index(coordinate);
  return points_.empty() ? Json(std::llround(axis_->from) + k) : points_[static_cast<size_t>(k)];
}

Cell AxisScale::cell(double coordinate) const {
  if (categorical || levels == 0) return {coordinate, coordinate};
  const auto k = static_cast<double>(index(coordinate));
  const auto n = static_cast<double>(levels);
  if (!is_log_integer()) return {k / n, (k + 1.0) / n};
  const auto edge = [&](double value) { return (std::log(value) - low_) / (high_ - low_); };
  return {edge(axis_->from + k - 0.5), edge(axis_->from + k + 0.5)};
}

Encoding::Encoding(const Space& space) : space_(&space), by_name_(space.axes.size()) {
  for (const Axis& axis : space.axes) {
    AxisScale scale(axis);
    const auto parent = std::ranges::find(space.axes, axis.parent, &Axis::name);
    if (!axis.parent.empty() && parent != space.axes.end()) {
      scale.parent = static_cast<size_t>(parent - space.axes.begin());
      for (const Json& value : axis.parent_values) scale.parent_coordinates.push_back(scales_[scale.parent].encode(value));
    }
    scales_.push_back(std::move(scale));
  }
  std::iota(by_name_.begin(), by_name_.end(), size_t{0});
  std::ranges::sort(by_name_, {}, [&](size_t axis) -> const std::string& { return space.axes[axis].name; });
}

bool Encoding::is_active(size_t axis, std::span<const double> row) const {
  const AxisScale& scale = scales_[axis];
  return scale.parent == kNoParent || std::ranges::find(scale.parent_coordinates, row[scale.parent]) != scale.parent_coordinates.end();
}

void Encoding::encode(const Settings& settings, std::span<double> row) const {
  std::ranges::fill(row, kInactive);
  // Both are sorted by name: one pass instead of a look-up for each axis.
  auto given = settings.begin();
  for (const size_t axis : by_name_) {
    const std::string& name = space_->axes[axis].name;
    while (given != settings.end() && given->first < name) ++given;
    if (given == settings.end()) return;
    if (given->first == name) row[axis] = scales_[axis].encode((given++)->second);
  }
}

std::vector<double> Encoding::encode(const Settings& settings) const {
  std::vector<double> row(size());
  encode(settings, row);
  return row;
}

std::vector<double> Encoding::encode(const std::vector<const Settings*>& rows) const {
  std::vector<double> out(rows.size() * size());
  for (size_t i = 0; i < rows.size(); ++i) encode(*rows[i], std::span(out).subspan(i * size(), size()));
  return out;
}

Settings Encoding::decode(std::span<const double> row) const {
  Settings out;
  for (size_t axis = 0; axis < size(); ++axis)
    if (row[axis] >= 0.0) out[space_->axes[axis].name] = scales_[axis].decode(row[axis]);
  return out;
}

}  // namespace espalier::tuners
