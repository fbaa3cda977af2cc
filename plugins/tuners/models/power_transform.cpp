#include "power_transform.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace espalier::tuners {

namespace {

constexpr double kLeastPower = 1e-9;  // nearer to 0 the power is the logarithm

double box_cox(double x, double power) {
  return std::abs(power) < kLeastPower ? std::log(x) : std::expm1(power * std::log(x)) / power;
}

double yeo_johnson(double x, double power) { return x >= 0.0 ? box_cox(x + 1.0, power) : -box_cox(1.0 - x, 2.0 - power); }

double inverse_box_cox(double value, double power) {
  if (std::abs(power) < kLeastPower) return std::exp(value);
  const double inner = 1.0 + power * value;
  return inner <= 0.0 ? (power < 0.0 ? HUGE_VAL : 0.0) : std::exp(std::log(inner) / power);
}

double inverse_yeo_johnson(double value, double power) {
  return value >= 0.0 ? inverse_box_cox(value, power) - 1.0 : 1.0 - inverse_box_cox(-value, 2.0 - power);
}

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

Moments moments(const std::vector<double>& values) {
  Moments out;
  for (const double value : values) out.mean += value / static_cast<double>(values.size());
  for (const double value : values) out.variance += (value - out.mean) * (value - out.mean) / static_cast<double>(values.size());
  return out;
}

/// The greatest value of a function with one maximum in [from, to], by golden sections.
template <class F>
double argmax(F f, double from, double to) {
  constexpr int kSections = 30;  // to 2e-6 of the interval
  const double ratio = 1.0 / std::numbers::phi;
  double left = to - ratio * (to - from), right = from + ratio * (to - from);
  double at_left = f(left), at_right = f(right);
  for (int i = 0; i < kSections; ++i) {
    if (at_left > at_right) {
      to = right, right = left, at_right = at_left;
      at_left = f(left = to - ratio * (to - from));
    } else {
      from = left, left = right, at_left = at_right;
      at_right = f(right = from + ratio * (to - from));
    }
  }
  return 0.5 * (from + to);
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

PowerTransform::PowerTransform(std::span<const double> objectives) : PowerTransform(objectives, 1.0) {
  constexpr double kMostPower = 2.0;
  std::vector<double> xs;
  for (const double objective : objectives) xs.push_back(scaled(objective));
  if (std::ranges::max(xs) == std::ranges::min(xs)) return;
  const double power = argmax([&](double p) { return log_likelihood(xs, p); }, -kMostPower, kMostPower);
  *this = PowerTransform(objectives, power);
}

PowerTransform::PowerTransform(std::span<const double> objectives, double power) : power_(power) {
  std::vector<double> xs(objectives.begin(), objectives.end());
  std::ranges::sort(xs);
  positive_ = xs.front() > 0.0;
  const double spread = positive_ ? std::sqrt(moments(xs).variance) : quantile(xs, 0.75) - quantile(xs, 0.25);
  const double whole = xs.back() - xs.front();
  centre_ = positive_ ? 0.0 : quantile(xs, 0.5);
  scale_ = spread > 0.0 ? spread : whole > 0.0 ? whole : 1.0;
  for (double& x : xs) x = raise(scaled(x), power_);
  const Moments powers = moments(xs);
  mean_ = powers.mean;
  deviation_ = powers.variance > 0.0 ? std::sqrt(powers.variance) : 1.0;
}

double PowerTransform::raise(double scaled, double power) const {
  return positive_ ? box_cox(scaled, power) : yeo_johnson(scaled, power);
}

double PowerTransform::size(double scaled) const {
  return positive_ ? std::log(scaled) : std::copysign(std::log1p(std::abs(scaled)), scaled);
}

double PowerTransform::log_likelihood(const std::vector<double>& scaled, double power) const {
  std::vector<double> powers;
  double sum_of_sizes = 0.0;
  for (const double x : scaled) {
    powers.push_back(raise(x, power));
    sum_of_sizes += size(x);
  }
  const double variance = moments(powers).variance;
  // A power under which all are one number, or too large for one, is no choice.
  if (!(variance > 0.0) || !std::isfinite(variance)) return -HUGE_VAL;
  return -0.5 * static_cast<double>(scaled.size()) * std::log(variance) + (power - 1.0) * sum_of_sizes;
}

double PowerTransform::operator()(double objective) const { return (raise(scaled(objective), power_) - mean_) / deviation_; }

double PowerTransform::log_slope(double objective) const {
  return (power_ - 1.0) * size(scaled(objective)) - std::log(deviation_ * scale_);
}

double PowerTransform::inverse(double value) const {
  const double raised = value * deviation_ + mean_;
  return centre_ + scale_ * (positive_ ? inverse_box_cox(raised, power_) : inverse_yeo_johnson(raised, power_));
}

}  // namespace espalier::tuners
