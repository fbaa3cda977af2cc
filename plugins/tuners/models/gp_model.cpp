#include "gp_model.h"

#include "log_improvement.h"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::tuners {

namespace {

constexpr double kLeastVariance = 1e-12;  // against rounding at observed points

double log_expected_improvement(double mean, double variance, double best) {
  const double deviation = std::sqrt(variance);
  return log_improvement((best - mean) / deviation).value + std::log(deviation);
}

}  // namespace

GpModel::GpModel(Metric metric, const Points& points, const Eigen::VectorXd& targets, KernelParameters parameters)
    : metric_(std::move(metric)), parameters_(std::move(parameters)), points_(points) {
  const Eigen::MatrixXd exact = covariance(metric_, parameters_, points_, points_);
  for (;; parameters_.noise *= 10.0) {
    Eigen::MatrixXd noisy = exact;
    noisy.diagonal().array() += parameters_.noise;
    const Eigen::LLT<Eigen::MatrixXd> factor(noisy);
    if (factor.info() != Eigen::Success) continue;
    factor_ = factor.matrixL();
    weighted_ = factor.solve(targets);
    return;
  }
}

void GpModel::believe(const Points& pending) {
  const Eigen::Index n = points_.rows(), m = pending.rows();
  if (m == 0) return;
  const Eigen::MatrixXd across = covariance(metric_, parameters_, points_, pending);
  Eigen::MatrixXd among = covariance(metric_, parameters_, pending, pending);
  const Eigen::MatrixXd below = factor_.triangularView<Eigen::Lower>().solve(across);
  among.noalias() -= below.transpose() * below;
  // Two pending points may be as good as one: a little more noise keeps the factor real.
  double noise = parameters_.noise;
  Eigen::LLT<Eigen::MatrixXd> corner;
  do {
    corner.compute(among + noise * Eigen::MatrixXd::Identity(m, m));
    noise *= 10.0;
  } while (corner.info() != Eigen::Success);
  Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(n + m, n + m);
  factor << factor_, Eigen::MatrixXd::Zero(n, m), below.transpose(), Eigen::MatrixXd(corner.matrixL());
  factor_ = std::move(factor);
  points_.conservativeResize(n + m, Eigen::NoChange);
  points_.bottomRows(m) = pending;
  weighted_.conservativeResize(n + m);
  weighted_.tail(m).setZero();  // what is expected anyway weighs nothing
}

double GpModel::least_mean() const {
  return (covariance(metric_, parameters_, points_, points_) * weighted_).minCoeff();
}

Belief GpModel::predict(const Eigen::RowVectorXd& point) const {
  const Eigen::VectorXd across = covariance(metric_, parameters_, points_, point);
  const double known = factor_.triangularView<Eigen::Lower>().solve(across).squaredNorm();
  return {.mean = across.dot(weighted_), .variance = std::max(parameters_.signal - known, 0.0)};
}

Eigen::VectorXd GpModel::log_improvements(const Points& points, double best) const {
  const Eigen::MatrixXd across = covariance(metric_, parameters_, points_, points);
  const Eigen::VectorXd means = across.transpose() * weighted_;
  const Eigen::VectorXd known = factor_.triangularView<Eigen::Lower>().solve(across).colwise().squaredNorm();
  Eigen::VectorXd out(points.rows());
  for (Eigen::Index k = 0; k < out.size(); ++k)
    out(k) = log_expected_improvement(means(k), std::max(parameters_.signal - known(k), 0.0) + kLeastVariance, best);
  return out;
}

Improvement GpModel::log_improvement_at(const Eigen::RowVectorXd& point, double best) const {
  const Matern kernel = matern(scaled_distances(metric_, parameters_.weights, points_, point));
  const Eigen::VectorXd across = parameters_.signal * kernel.value.matrix();
  Eigen::VectorXd solved = factor_.triangularView<Eigen::Lower>().solve(across);
  const double deviation = std::sqrt(std::max(parameters_.signal - solved.squaredNorm(), 0.0) + kLeastVariance);
  factor_.triangularView<Eigen::Lower>().transpose().solveInPlace(solved);
  const double z = (best - across.dot(weighted_)) / deviation;
  const LogImprovement h = log_improvement(z);

  Improvement out{.value = h.value + std::log(deviation), .gradient = Eigen::VectorXd::Zero(point.size())};
  // By each covariance: through the mean, and through the variance, whose slope is -2 times K^-1 k.
  const double by_mean = -h.slope / deviation;
  const double by_variance = (1.0 - h.slope * z) / (2.0 * deviation * deviation);
  const Eigen::ArrayXd by_covariance = by_mean * weighted_ - 2.0 * by_variance * solved;
  const Eigen::ArrayXd by_distance = parameters_.signal * kernel.slope.col(0) * by_covariance;
  for (Eigen::Index axis = 0; axis < point.size(); ++axis) {
    if (metric_[static_cast<size_t>(axis)] == Distance::hamming || point(axis) == kInactive) continue;
    const auto column = points_.col(axis).array();
    const Eigen::ArrayXd apart = (column == kInactive).select(0.0, point(axis) - column);
    out.gradient(axis) = 2.0 * parameters_.weights(axis) * (by_distance * apart).sum();
  }
  return out;
}

}  // namespace espalier::tuners
