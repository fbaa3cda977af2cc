#include "gp_kernel.h"

#include <cmath>

namespace espalier::tuners {

Eigen::ArrayXXd axis_distances(Distance distance, const Eigen::Ref<const Eigen::ArrayXd>& a,
                               const Eigen::Ref<const Eigen::ArrayXd>& b) {
  Eigen::ArrayXXd out(a.size(), b.size());
  for (Eigen::Index k = 0; k < b.size(); ++k) {
    const double to = b(k);
    if (distance == Distance::hamming)
      out.col(k) = (a != to).cast<double>();
    else if (to == kInactive)
      out.col(k) = (a != kInactive).cast<double>();
    else
      out.col(k) = (a == kInactive).select(1.0, (a - to).square());
  }
  return out;
}

Matern matern(const Eigen::ArrayXXd& squared) {
  const Eigen::ArrayXXd root = (5.0 * squared).sqrt();
  const Eigen::ArrayXXd decay = (-root).exp();
  return {.value = decay * (1.0 + root + (5.0 / 3.0) * squared), .slope = (-5.0 / 6.0) * decay * (1.0 + root)};
}

Eigen::ArrayXXd scaled_distances(const Metric& metric, const Eigen::VectorXd& weights, const Points& a, const Points& b) {
  Eigen::ArrayXXd out = Eigen::ArrayXXd::Zero(a.rows(), b.rows());
  for (Eigen::Index axis = 0; axis < weights.size(); ++axis)
    out += weights(axis) * axis_distances(metric[static_cast<size_t>(axis)], a.col(axis).array(), b.col(axis).array());
  return out;
}

Eigen::MatrixXd covariance(const Metric& metric, const KernelParameters& parameters, const Points& a, const Points& b) {
  return parameters.signal * matern(scaled_distances(metric, parameters.weights, a, b)).value;
}

}  // namespace espalier::tuners
