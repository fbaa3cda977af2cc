#pragma once

#include "encoding.h"

#include <Eigen/Core>

#include <vector>

namespace espalier::tuners {

/// A point a row, an axis a column, as Encoding has them.
using Points = Eigen::MatrixXd;

/// How far apart two coordinates of an axis are. Where both are inactive: 0; where only one is: 1, so that points of
/// different branches know less of each other and those of one branch are compared by what it has.
enum class Distance { squared, hamming };
using Metric = std::vector<Distance>;

struct KernelParameters {
  Eigen::VectorXd weights;  ///< one an axis: the inverse of the squared length scale
  double signal = 1.0;      ///< variance of the function
  double noise = 1e-6;      ///< variance of an observation about it
};

/// Of every coordinate of `a` (rows) to every one of `b` (columns), all of one axis.
Eigen::ArrayXXd axis_distances(Distance distance, const Eigen::Ref<const Eigen::ArrayXd>& a,
                               const Eigen::Ref<const Eigen::ArrayXd>& b);

/// Matern 5/2 (Rasmussen and Williams 2006, eq. 4.17) of squared scaled distances.
struct Matern {
  Eigen::ArrayXXd value;  ///< 1 at distance 0
  Eigen::ArrayXXd slope;  ///< by the squared distance; finite at 0
};
Matern matern(const Eigen::ArrayXXd& squared);

/// Sum over the axes of weight times distance; rows of `a` by rows of `b`.
Eigen::ArrayXXd scaled_distances(const Metric& metric, const Eigen::VectorXd& weights, const Points& a, const Points& b);
/// Of the function at rows of `a` and rows of `b`, without noise.
Eigen::MatrixXd covariance(const Metric& metric, const KernelParameters& parameters, const Points& a, const Points& b);

}  // namespace espalier::tuners
