#pragma once

#include <span>
#include <vector>

namespace espalier::tuners {

/// A monotone map of objectives to values as near to a normal distribution as powers bring them (HEBO, arXiv:2012.03826):
/// Box-Cox for positive ones, whose zero means something; Yeo-Johnson about the median for the others. Its results have
/// mean 0 and variance 1 over the objectives that it was made of, finite values, at least one.
class PowerTransform {
 public:
  /// With the power in [-2, 2] under which a normal distribution is likeliest.
  explicit PowerTransform(std::span<const double> objectives);
  PowerTransform(std::span<const double> objectives, double power);

  double operator()(double objective) const;
  /// The logarithm of its derivative: what it adds to the log likelihood of an objective.
  double log_slope(double objective) const;
  /// Infinity where a negative power cannot reach so high.
  double inverse(double value) const;
  double power() const { return power_; }

 private:
  double scaled(double objective) const { return (objective - centre_) / scale_; }
  double raise(double scaled, double power) const;
  double size(double scaled) const;  ///< the logarithm of the derivative is (power - 1) times this
  double log_likelihood(const std::vector<double>& scaled, double power) const;

  bool positive_ = false;
  double centre_ = 0.0;  ///< x = (objective - centre) / scale
  double scale_ = 1.0;
  double power_ = 1.0;
  double mean_ = 0.0;    ///< of the powers
  double deviation_ = 1.0;
};

}  // namespace espalier::tuners
