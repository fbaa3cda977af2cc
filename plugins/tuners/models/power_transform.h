#pragma once

#include <span>

namespace espalier::tuners {

/// A monotone map of objectives to values as near to a normal distribution as powers bring them (HEBO, arXiv:2012.03826):
/// Box-Cox for positive ones, whose zero means something; Yeo-Johnson about the median for the others. Its results have
/// mean 0 and variance 1 over the objectives that it was made of.
class PowerTransform {
 public:
  /// Finite values, at least one. The power has the greatest likelihood in [-2, 2].
  explicit PowerTransform(std::span<const double> objectives);

  double operator()(double objective) const;
  /// Infinity where a negative power cannot reach so high.
  double inverse(double value) const;
  double power() const { return power_; }

 private:
  double raise(double x) const;

  bool positive_ = false;
  double centre_ = 0.0;  ///< x = (objective - centre) / scale
  double scale_ = 1.0;
  double power_ = 1.0;
  double mean_ = 0.0;    ///< of the powers
  double deviation_ = 1.0;
};

}  // namespace espalier::tuners
