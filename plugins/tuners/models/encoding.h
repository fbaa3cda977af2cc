#pragma once

#include <espalier/tuner.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace espalier::tuners {

/// The coordinate of an axis that does not exist in a configuration.
inline constexpr double kInactive = -1.0;
/// An axis that hangs below no other.
inline constexpr size_t kNoParent = static_cast<size_t>(-1);

/// Both ends of what one value of an axis owns, as coordinates.
struct Cell {
  double low = 0.0;
  double high = 0.0;
};

/// One axis in numbers. The coordinate of a category is its index (`levels` for a value that is none of them). Any other
/// coordinate lies in [0, 1], the logarithm applied: of a range without steps from end to end; the k-th of n ordered
/// choices, steps or whole numbers owns [k / n, (k + 1) / n] and stands in its middle; a whole number on a logarithmic scale
/// owns half a unit on both sides. What lies outside of the domain is moved to its nearer end. Ranges have a resolution of
/// 2^-40, so that a coordinate survives decoding and encoding.
class AxisScale {
 public:
  explicit AxisScale(const Axis& axis);

  bool categorical = false;
  int64_t levels = 0;  ///< number of values; 0: a range without steps
  size_t parent = kNoParent;
  std::vector<double> parent_coordinates = {};  ///< it exists while its parent has one of these

  /// The coordinate of a value.
  double encode(const Json& value) const;
  /// The value nearest to a coordinate; equal to what `draw` and `values` of the space give.
  Json decode(double coordinate) const;
  /// The coordinate of the value that is nearest to any point of [0, 1].
  double snap(double coordinate) const;
  /// The coordinate of the k-th value, k in [0, levels).
  double level(int64_t k) const;
  /// The index of the value at a coordinate, in [0, levels); not for ranges without steps.
  int64_t index(double coordinate) const;
  /// What the value at a coordinate owns; of no width in a range without steps.
  Cell cell(double coordinate) const;

 private:
  bool is_log_integer() const { return axis_->integer && axis_->log && points_.empty(); }
  double unit(double value) const;      // a number to [0, 1] of a range
  double from_unit(double unit) const;  // and back

  const Axis* axis_;
  std::vector<Json> points_;  // of choices and stepped ranges
  std::vector<double> sizes_;  // the points as numbers
  double low_ = 0.0;   // ends of a range, half a unit wider for whole numbers, in the logarithm if the axis says so
  double high_ = 1.0;
};

/// Configurations as rows of coordinates, one for each axis in the order of the space, which must outlive it. Equal
/// configurations have equal rows.
class Encoding {
 public:
  explicit Encoding(const Space& space);

  size_t size() const { return scales_.size(); }
  const std::vector<AxisScale>& scales() const { return scales_; }
  const AxisScale& operator[](size_t axis) const { return scales_[axis]; }

  /// True if the axis exists under the coordinates of the axes before it.
  bool is_active(size_t axis, std::span<const double> row) const;
  /// `row` holds size() coordinates.
  void encode(const Settings& settings, std::span<double> row) const;
  std::vector<double> encode(const Settings& settings) const;
  /// Row after row.
  std::vector<double> encode(const std::vector<const Settings*>& rows) const;
  Settings decode(std::span<const double> row) const;

 private:
  const Space* space_;
  std::vector<AxisScale> scales_;
  std::vector<size_t> by_name_;  // the axes in the order of their names, which is that of settings
};

}  // namespace espalier::tuners
