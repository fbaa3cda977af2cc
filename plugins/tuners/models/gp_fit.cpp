#include "gp_fit.h"

#include <Eigen/Cholesky>
#include <nlopt.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace espalier::tuners {

namespace {

constexpr Eigen::Index kBlock = 32;

/// Inverts a lower triangle in place, by halves: a third of the work of solving for every unit vector.
void invert_triangle(Eigen::Ref<Eigen::MatrixXd> l) {
  const Eigen::Index n = l.rows();
  if (n <= kBlock) {
    l.triangularView<Eigen::Lower>() = Eigen::MatrixXd(l.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(n, n)));
    return;
  }
  const Eigen::Index half = n / 2;
  invert_triangle(l.topLeftCorner(half, half));
  invert_triangle(l.bottomRightCorner(n - half, n - half));
  const Eigen::MatrixXd right = l.bottomLeftCorner(n - half, half) * l.topLeftCorner(half, half).triangularView<Eigen::Lower>();
  const auto corner = l.bottomRightCorner(n - half, n - half).triangularView<Eigen::Lower>();
  l.bottomLeftCorner(n - half, half).noalias() = -(corner * right);
}

/// (L L^T)^-1 from L, both triangles.
Eigen::MatrixXd inverse_of_product(Eigen::MatrixXd l) {
  invert_triangle(l);
  Eigen::MatrixXd lower = l.triangularView<Eigen::Lower>();
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(l.rows(), l.cols());
  out.selfadjointView<Eigen::Lower>().rankUpdate(lower.transpose());
  out.triangularView<Eigen::StrictlyUpper>() = out.transpose();
  return out;
}

}  // namespace

KernelPosterior::KernelPosterior(const Metric& metric, const Points& points, const Eigen::VectorXd& targets) : targets_(targets) {
  const Eigen::Index n = points.rows();
  distances_.resize(n * (n - 1) / 2, points.cols());
  for (Eigen::Index axis = 0; axis < points.cols(); ++axis) {
    const auto column = points.col(axis).array();
    const Eigen::ArrayXXd all = axis_distances(metric[static_cast<size_t>(axis)], column, column);
    for (Eigen::Index k = 1, pair = 0; k < n; pair += k++) distances_.col(axis).segment(pair, k) = all.col(k).head(k);
  }
}

double KernelPosterior::operator()(const Eigen::VectorXd& variables, Eigen::VectorXd* gradient) const {
  const Eigen::Index n = targets_.size(), axes = distances_.cols();
  const KernelParameters p = to_parameters(variables);
  const Eigen::ArrayXd squared = distances_ * p.weights;
  const Matern correlation = matern(squared);
  Eigen::MatrixXd covariance(n, n);
  covariance.diagonal().setConstant(p.signal + p.noise);
  for (Eigen::Index k = 1, pair = 0; k < n; pair += k++)
    covariance.row(k).head(k) = p.signal * correlation.value.col(0).segment(pair, k);
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(covariance);
  if (factor.info() != Eigen::Success) return -std::numeric_limits<double>::infinity();

  const Eigen::VectorXd weighted = factor.solve(targets_);
  const double log_likelihood = -0.5 * targets_.dot(weighted) - covariance.diagonal().array().log().sum();
  const double log_prior = -0.1 * (p.weights.array().inverse() + p.weights.array()).sum() + std::log(p.signal) - p.signal +
                           0.1 * std::log(p.noise) - 30.0 * p.noise;
  if (gradient == nullptr) return log_likelihood + log_prior;

  // d L / d K = (w w^T - K^-1) / 2, symmetric: each pair counts twice.
  const Eigen::MatrixXd inverse = inverse_of_product(covariance);
  Eigen::ArrayXd slope(squared.size());
  for (Eigen::Index k = 1, pair = 0; k < n; pair += k++)
    slope.segment(pair, k) = weighted(k) * weighted.head(k).array() - inverse.col(k).head(k).array();
  const double trace = 0.5 * (weighted.squaredNorm() - inverse.trace());
  gradient->resize(axes + 2);
  const Eigen::VectorXd by_distance = (p.signal * slope * correlation.slope.col(0)).matrix();
  gradient->head(axes) =
      (distances_.transpose() * by_distance).cwiseProduct(p.weights) + 0.1 * (p.weights.cwiseInverse() - p.weights);
  (*gradient)(axes) = p.signal * ((slope * correlation.value.col(0)).sum() + trace) + 1.0 - p.signal;
  (*gradient)(axes + 1) = (p.noise - kLeastNoise) * (trace + 0.1 / p.noise - 30.0);
  return log_likelihood + log_prior;
}

Eigen::VectorXd to_variables(const KernelParameters& parameters) {
  Eigen::VectorXd out(parameters.weights.size() + 2);
  out << parameters.weights.array().log().matrix(), std::log(parameters.signal), std::log(parameters.noise - kLeastNoise);
  return out;
}

KernelParameters to_parameters(const Eigen::VectorXd& variables) {
  const Eigen::Index axes = variables.size() - 2;
  return {.weights = variables.head(axes).array().exp(),
          .signal = std::exp(variables(axes)),
          .noise = kLeastNoise + std::exp(variables(axes + 1))};
}

KernelParameters fit_kernel(const KernelPosterior& posterior, const KernelParameters& start, int most) {
  constexpr double kGain = 1e-2;      // nats
  constexpr double kFarthest = 15.0;  // of a logarithm from 0
  struct Search {
    const KernelPosterior& posterior;
    Eigen::VectorXd best;
    double greatest = -std::numeric_limits<double>::infinity();
  } search{.posterior = posterior, .best = to_variables(start)};
  const auto evaluate = [](unsigned n, const double* at, double* gradient, void* data) {
    auto& s = *static_cast<Search*>(data);
    const Eigen::VectorXd variables = Eigen::Map<const Eigen::VectorXd>(at, static_cast<Eigen::Index>(n));
    Eigen::VectorXd slope = Eigen::VectorXd::Zero(variables.size());
    const double value = s.posterior(variables, gradient != nullptr ? &slope : nullptr);
    if (gradient != nullptr) Eigen::Map<Eigen::VectorXd>(gradient, slope.size()) = slope;
    if (value > s.greatest) s.greatest = value, s.best = variables;
    constexpr double kWorst = -1e12;  // NLopt wants finite values
    return std::isfinite(value) ? value : kWorst;
  };
  const auto count = static_cast<unsigned>(posterior.variables());
  const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> optimizer(nlopt_create(NLOPT_LD_LBFGS, count), &nlopt_destroy);
  nlopt_set_max_objective(optimizer.get(), evaluate, &search);
  nlopt_set_lower_bounds1(optimizer.get(), -kFarthest);
  nlopt_set_upper_bounds1(optimizer.get(), kFarthest);
  nlopt_set_ftol_abs(optimizer.get(), kGain);
  nlopt_set_maxeval(optimizer.get(), most);
  std::vector<double> variables(search.best.data(), search.best.data() + search.best.size());
  double value = 0.0;
  // Whatever it says (a line search that gives up is an error to it): the best point seen is what is asked for.
  nlopt_optimize(optimizer.get(), variables.data(), &value);
  return to_parameters(search.best);
}

}  // namespace espalier::tuners
