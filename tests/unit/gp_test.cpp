#include "catch.h"

#include "../../plugins/tuners/models/gp_fit.h"
#include "../../plugins/tuners/models/gp_search.h"
#include "../../plugins/tuners/models/log_improvement.h"
#include "../../plugins/tuners/models/power_transform.h"

#include <Eigen/Eigenvalues>

#include <cmath>
#include <numbers>
#include <vector>

using namespace espalier;
using namespace espalier::tuners;

namespace {

/// A range, a category of three, and a range that exists half of the time.
const Metric kMetric{Distance::squared, Distance::hamming, Distance::squared};
const KernelParameters kParameters{.weights = Eigen::Vector3d(3.0, 0.7, 1.5), .signal = 1.3, .noise = 1e-2};

Points some_points(Eigen::Index n, uint64_t seed) {
  Random random(seed);
  Points out(n, 3);
  for (Eigen::Index k = 0; k < n; ++k) {
    out.row(k) << random.uniform(), static_cast<double>(random.below(3)), random.uniform();
    if (random.below(2) == 0) out(k, 2) = kInactive;
  }
  return out;
}

Eigen::VectorXd targets_at(const Points& points) {
  return (4.0 * points.col(0).array()).sin() + 0.5 * points.col(1).array() - points.col(2).array().max(0.0);
}

/// By central differences.
template <class F>
double slope_of(F f, double at, double step) {
  return (f(at + step) - f(at - step)) / (2.0 * step);
}

/// log of the integral of t exp(t z - t^2 / 2) over t > 0, times the density at z: the same quantity without cancellation.
double log_improvement_by_quadrature(double z) {
  constexpr int kSteps = 200000;
  const double end = 12.0 / std::max(1.0, -z / 4.0) + std::max(z, 0.0) + 8.0 / std::max(1.0, -z), step = end / kSteps;
  double sum = 0.0;
  for (int k = 0; k < kSteps; ++k) {
    const double t = (k + 0.5) * step;
    sum += t * std::exp(t * z - 0.5 * t * t) * step;
  }
  return std::log(sum) - 0.5 * z * z - 0.5 * std::log(2.0 * std::numbers::pi);
}

}  // namespace

TEST_CASE("coordinates are apart by their difference, categories by being another, and by one where one is inactive") {
  const Eigen::ArrayXd a = Eigen::Array3d(0.2, 0.5, kInactive), b = Eigen::Array2d(0.5, kInactive);
  const Eigen::ArrayXXd squared = axis_distances(Distance::squared, a, b);
  CHECK(squared(0, 0) == Approx(0.09));
  CHECK(squared(1, 0) == 0.0);
  CHECK(squared(2, 0) == 1.0);
  CHECK(squared(0, 1) == 1.0);
  CHECK(squared(2, 1) == 0.0);
  const Eigen::ArrayXXd hamming = axis_distances(Distance::hamming, Eigen::Array3d(0, 2, kInactive), Eigen::Array2d(2, kInactive));
  CHECK((hamming.matrix() - (Eigen::MatrixXd(3, 2) << 1, 1, 0, 1, 1, 0).finished()).norm() == 0.0);
}

TEST_CASE("the covariance of different points is symmetric and positive definite, across branches too") {
  const Points points = some_points(40, 3);
  const Eigen::MatrixXd covariance = matern(scaled_distances(kMetric, kParameters.weights, points, points)).value;
  CHECK((covariance - covariance.transpose()).norm() == 0.0);
  CHECK(covariance.diagonal().isOnes());
  CHECK(Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(covariance).eigenvalues().minCoeff() > 0.0);
}

TEST_CASE("the slope of the kernel is its derivative, also at no distance") {
  const auto value = [](double squared) { return matern(Eigen::ArrayXXd::Constant(1, 1, squared)).value(0, 0); };
  const auto slope = [](double squared) { return matern(Eigen::ArrayXXd::Constant(1, 1, squared)).slope(0, 0); };
  for (const double at : {0.01, 0.3, 2.0, 9.0}) CHECK(slope(at) == Approx(slope_of(value, at, 1e-5)).epsilon(1e-5));
  CHECK(slope(0.0) == Approx(-5.0 / 6.0));
}

TEST_CASE("the gradient of the kernel's posterior agrees with differences") {
  const Points points = some_points(60, 5);  // more than a block of the inversion
  const KernelPosterior posterior(kMetric, points, targets_at(points));
  const Eigen::VectorXd at = to_variables(kParameters);
  Eigen::VectorXd gradient;
  posterior(at, &gradient);
  REQUIRE(gradient.size() == 5);
  for (Eigen::Index k = 0; k < at.size(); ++k) {
    INFO(k);
    const auto along = [&](double value) {
      Eigen::VectorXd moved = at;
      moved(k) = value;
      return posterior(moved, nullptr);
    };
    CHECK(gradient(k) == Approx(slope_of(along, at(k), 1e-5)).epsilon(1e-5).margin(1e-6));
  }
}

TEST_CASE("the fit finds the axis that matters and the noise") {
  Random random(7);
  Points points(60, 2);
  Eigen::VectorXd targets(60);
  for (Eigen::Index k = 0; k < 60; ++k) {
    points.row(k) << random.uniform(), random.uniform();
    targets(k) = 1.4 * std::sin(6.0 * points(k, 0)) + 0.3 * random.normal();
  }
  const Metric metric{Distance::squared, Distance::squared};
  const KernelPosterior posterior(metric, points, targets);
  const KernelParameters fitted = fit_kernel(posterior, {.weights = Eigen::Vector2d::Ones(), .signal = 1.0, .noise = 1.0}, 50);
  CHECK(fitted.weights(0) > 5.0 * fitted.weights(1));
  CHECK(fitted.noise == Approx(0.09).epsilon(0.5));
  Eigen::VectorXd gradient;
  posterior(to_variables(fitted), &gradient);
  CHECK(gradient.cwiseAbs().maxCoeff() < 0.5);
}

TEST_CASE("without noise the process goes through what was observed") {
  const Points points = some_points(30, 11);
  const Eigen::VectorXd targets = targets_at(points);
  const GpModel model(kMetric, points, targets, {.weights = kParameters.weights, .signal = 1.3, .noise = 1e-9});
  for (Eigen::Index k = 0; k < points.rows(); ++k) {
    const Belief belief = model.predict(points.row(k));
    CHECK(belief.mean == Approx(targets(k)).margin(1e-4));
    CHECK(belief.variance < 1e-4);
  }
  CHECK(model.least_mean() == Approx(targets.minCoeff()).margin(1e-4));
  CHECK(model.predict(Eigen::RowVector3d(40.0, 7.0, 40.0)).variance == Approx(1.3));
}

TEST_CASE("pending points count as observed where they are expected") {
  const Points points = some_points(20, 13), pending = some_points(4, 14), elsewhere = some_points(10, 15);
  const Eigen::VectorXd targets = targets_at(points);
  GpModel model(kMetric, points, targets, kParameters);
  Points all(24, 3);
  all << points, pending;
  Eigen::VectorXd believed(24);
  believed << targets, Eigen::VectorXd::Zero(4);
  for (Eigen::Index k = 0; k < 4; ++k) believed(20 + k) = model.predict(pending.row(k)).mean;
  const GpModel anew(kMetric, all, believed, kParameters);
  model.believe(pending);
  for (Eigen::Index k = 0; k < elsewhere.rows(); ++k) {
    CHECK(model.predict(elsewhere.row(k)).mean == Approx(anew.predict(elsewhere.row(k)).mean).margin(1e-9));
    CHECK(model.predict(elsewhere.row(k)).variance == Approx(anew.predict(elsewhere.row(k)).variance).margin(1e-9));
  }
}

TEST_CASE("the logarithm of the improvement agrees with quadrature and stays finite far below") {
  for (const double z : {-40.0, -25.001, -24.999, -12.0, -3.0, -0.5, 0.0, 1.0, 4.0}) {
    INFO(z);
    CHECK(log_improvement(z).value == Approx(log_improvement_by_quadrature(z)).epsilon(0.0).margin(1e-7));
    CHECK(log_improvement(z).slope == Approx(slope_of([](double at) { return log_improvement(at).value; }, z, 1e-4)).epsilon(1e-5));
  }
  CHECK(std::isfinite(log_improvement(-1e6).value));
}

TEST_CASE("the gradient of the improvement agrees with differences, and rows at once with one row") {
  const Points points = some_points(25, 17), at = some_points(6, 18);
  const GpModel model(kMetric, points, targets_at(points), kParameters);
  const Eigen::VectorXd together = model.log_improvements(at, -0.8);
  for (Eigen::Index k = 0; k < at.rows(); ++k) {
    const Improvement improvement = model.log_improvement_at(at.row(k), -0.8);
    CHECK(improvement.value == Approx(together(k)));
    CHECK(improvement.gradient(1) == 0.0);
    for (const Eigen::Index axis : {0, 2}) {
      if (at(k, axis) == kInactive) continue;
      const auto along = [&](double value) {
        Eigen::RowVectorXd moved = at.row(k);
        moved(axis) = value;
        return model.log_improvement_at(moved, -0.8).value;
      };
      CHECK(improvement.gradient(axis) == Approx(slope_of(along, at(k, axis), 1e-6)).epsilon(1e-4).margin(1e-5));
    }
  }
}

TEST_CASE("the transform rises, inverts and takes the skew away, of positive and of other objectives") {
  Random random(19);
  for (const double shift : {0.0, -3.0}) {
    std::vector<double> objectives;
    for (int k = 0; k < 400; ++k) objectives.push_back(std::exp(1.5 * random.normal()) + shift);
    const PowerTransform transform(objectives);
    std::ranges::sort(objectives);
    double mean = 0.0, square = 0.0, cube = 0.0;
    for (size_t k = 0; k < objectives.size(); ++k) {
      const double value = transform(objectives[k]);
      if (k > 0) CHECK(value > transform(objectives[k - 1]));
      CHECK(transform.inverse(value) == Approx(objectives[k]).epsilon(1e-6));
      CHECK(transform.log_slope(objectives[k]) ==
            Approx(std::log(slope_of(transform, objectives[k], 1e-6 * (objectives[k] - shift)))).margin(1e-4));
      mean += value / 400.0, square += value * value / 400.0, cube += value * value * value / 400.0;
    }
    CHECK(mean == Approx(0.0).margin(1e-9));
    CHECK(square == Approx(1.0));
    CHECK(std::abs(cube) < 0.5);  // of the objectives themselves it is above 5
  }
}

TEST_CASE("the transform bears equal objectives, one objective and outliers") {
  const std::vector<std::vector<double>> cases{{2.0, 2.0, 2.0}, {-1.0}, {0.0, 0.0}, {1e-30, 1e30}, {-1e30, 0.0, 1.0}, {-1.0, -1.0, -1.0, -1.0, 5.0}};
  for (const std::vector<double>& objectives : cases) {
    const PowerTransform transform(objectives);
    for (const double objective : objectives) CHECK(std::isfinite(transform(objective)));
  }
}

TEST_CASE("a climb gets as high as a fine grid does") {
  const Space space{{{.name = "x", .from = 0, .to = 1, .first = 0}, {.name = "y", .from = 0, .to = 1, .first = 0}}};
  const Encoding encoding(space);
  const Metric metric{Distance::squared, Distance::squared};
  Points points(5, 2), grid(101 * 101, 2);
  points << 0.1, 0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.9, 0.5, 0.5;
  for (Eigen::Index k = 0; k < grid.rows(); ++k) grid.row(k) << 0.01 * static_cast<double>(k % 101), 0.01 * static_cast<double>(k / 101);
  const Eigen::VectorXd targets = (Eigen::VectorXd(5) << 1.2, 0.4, 0.3, -1.1, -0.8).finished();
  const GpModel model(metric, points, targets, {.weights = Eigen::Vector2d(2.0, 3.0), .signal = 1.0, .noise = 1e-4});
  const SearchStarts starts{.candidates = Eigen::RowVector2d(0.6, 0.65), .incumbents = Points(0, 2)};
  Random random(1);
  const auto found = climb_improvements(encoding, model, -1.1, starts, [](const Eigen::RowVectorXd&) { return true; }, random);
  REQUIRE(!found.empty());
  CHECK(found.front().value > model.log_improvements(grid, -1.1).maxCoeff() - 1e-3);
  CHECK(found.front().value == Approx(model.log_improvements(found.front().row, -1.1)(0)));
}

TEST_CASE("a climb over choices ends at the best that is acceptable") {
  Space space;
  for (const std::string name : {"x", "y", "z"}) space.axes.push_back({.name = name, .choices = {"a", "b", "c", "d"}, .first = "a"});
  const Encoding encoding(space);
  const Metric metric(3, Distance::hamming);
  Points all(64, 3), seen(24, 3);
  for (Eigen::Index k = 0; k < 64; ++k) all.row(k) << static_cast<double>(k / 16), static_cast<double>(k / 4 % 4), static_cast<double>(k % 4);
  for (Eigen::Index k = 0; k < 24; ++k) seen.row(k) = all.row(k * 37 % 64);
  const Eigen::VectorXd targets = (seen.rowwise().sum().array() - 4.5) / 2.0;
  const GpModel model(metric, seen, targets, {.weights = Eigen::Vector3d(0.5, 0.5, 0.5), .signal = 4.0, .noise = 1e-4});
  const double best = model.least_mean();
  const Eigen::VectorXd values = model.log_improvements(all, best);
  Eigen::Index first = 0, worst = 0;
  values.maxCoeff(&first);
  values.minCoeff(&worst);
  const SearchStarts starts{.candidates = all.row(worst), .incumbents = Points(0, 3)};
  Random random(1);
  const auto anywhere = climb_improvements(encoding, model, best, starts, [](const Eigen::RowVectorXd&) { return true; }, random);
  CHECK((anywhere.front().row - all.row(first)).norm() == 0.0);
  const auto not_there = [&](const Eigen::RowVectorXd& row) { return (row - all.row(first)).norm() > 0.0; };
  const auto elsewhere = climb_improvements(encoding, model, best, starts, not_there, random);
  CHECK((elsewhere.front().row - all.row(first)).norm() > 0.0);
  CHECK(elsewhere.front().value > values(worst));
  CHECK(climb_improvements(encoding, model, best, starts, [](const Eigen::RowVectorXd&) { return false; }, random).empty());
}
