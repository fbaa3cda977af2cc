#pragma once

#include "gp_kernel.h"

namespace espalier::tuners {

/// What the process says of the function at one point.
struct Belief {
  double mean = 0.0;
  double variance = 0.0;
};

/// Log expected improvement below a value, and its gradient by the coordinates; 0 for categories and inactive axes.
struct Improvement {
  double value = 0.0;
  Eigen::VectorXd gradient;
};

/// A Gaussian process of mean 0 given observations.
class GpModel {
 public:
  /// `targets` as standardised observations, one a row of `points`. Noise is raised until the covariance can be factorised.
  GpModel(Metric metric, const Points& points, const Eigen::VectorXd& targets, KernelParameters parameters);

  /// Adds points as if what is expected of them had been observed (the "kriging believer", doi:10.1007/978-3-642-10701-6_6):
  /// the mean stays, the variance near them goes. Extends the factor; O(n^2) a point.
  void believe(const Points& pending);
  /// The least mean at the points: what is to be improved on, without the luck of a noisy observation.
  double least_mean() const;

  const Metric& metric() const { return metric_; }
  const KernelParameters& parameters() const { return parameters_; }
  Belief predict(const Eigen::RowVectorXd& point) const;
  /// Log expected improvement below `best` of every row.
  Eigen::VectorXd log_improvements(const Points& points, double best) const;
  Improvement log_improvement_at(const Eigen::RowVectorXd& point, double best) const;

 private:
  Metric metric_;
  KernelParameters parameters_;
  Points points_;
  Eigen::MatrixXd factor_;    ///< lower triangle; the covariance is factor times its transpose
  Eigen::VectorXd weighted_;  ///< inverse of the covariance times the targets
};

}  // namespace espalier::tuners
