#pragma once

#include "gp_kernel.h"

namespace espalier::tuners {

inline constexpr double kLeastNoise = 1e-6;

/// The logarithm of the posterior density of the kernel's parameters given standardised observations, up to a constant:
/// the marginal likelihood and the priors of Optuna's GP sampler (inverse squared length scales -0.1/a - 0.1a, signal
/// Gamma(2, 1), noise Gamma(1.1, 30)). The variables are log weights, log signal, log(noise - kLeastNoise).
class KernelPosterior {
 public:
  KernelPosterior(const Metric& metric, const Points& points, const Eigen::VectorXd& targets);

  Eigen::Index variables() const { return distances_.cols() + 2; }
  /// Fills the gradient unless it is nullptr. Minus infinity where the covariance cannot be factorised.
  double operator()(const Eigen::VectorXd& variables, Eigen::VectorXd* gradient) const;

 private:
  Eigen::MatrixXd distances_;  ///< a pair of points j < k a row, column after column; an axis a column
  Eigen::VectorXd targets_;
};

Eigen::VectorXd to_variables(const KernelParameters& parameters);
KernelParameters to_parameters(const Eigen::VectorXd& variables);

/// The parameters of greatest posterior density near those to start from: L-BFGS until an iteration gains less than a
/// hundredth of a nat, or `most` evaluations.
KernelParameters fit_kernel(const KernelPosterior& posterior, const KernelParameters& start, int most);

}  // namespace espalier::tuners
