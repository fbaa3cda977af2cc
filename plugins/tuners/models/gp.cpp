#include "gp.h"

#include "../drawing.h"
#include "evidence.h"
#include "gp_fit.h"
#include "gp_search.h"
#include "power_transform.h"
#include "quasi_random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>
#include <vector>

namespace espalier::tuners {

namespace {

using Row = Eigen::RowVectorXd;

constexpr size_t kMostObserved = 300;    // the cost of the model grows with the cube
constexpr size_t kMostFitted = 100;      // observations that its parameters are fitted to
constexpr int kMostEvaluations = 30;     // of the fit
constexpr Eigen::Index kWide = 512;      // candidates from anywhere; four times as many found nothing better
constexpr Eigen::Index kNear = 256;      // and near the best
constexpr Eigen::Index kIncumbents = 3;

/// At most `most` observations: the better half of them the best, the others the most recent.
std::vector<Observation> thin(const std::vector<Observation>& seen, size_t most) {
  if (seen.size() <= most) return seen;
  std::vector<size_t> order(seen.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::ranges::stable_sort(order, {}, [&](size_t k) { return seen[k].objective; });
  std::set<size_t> kept(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most / 2));
  for (size_t k = seen.size(); kept.size() < most; --k) kept.insert(k - 1);
  std::vector<Observation> out;
  for (const size_t k : kept) out.push_back(seen[k]);
  return out;
}

Points encode(const Encoding& encoding, const std::vector<const Settings*>& settings) {
  const std::vector<double> rows = encoding.encode(settings);
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(rows.data(), std::ssize(settings), static_cast<Eigen::Index>(encoding.size()));
}

Points encode(const Encoding& encoding, const std::vector<Observation>& seen) {
  std::vector<const Settings*> settings;
  for (const Observation& observation : seen) settings.push_back(observation.settings);
  return encode(encoding, settings);
}

std::vector<double> objectives_of(const std::vector<Observation>& seen) {
  std::vector<double> out;
  for (const Observation& observation : seen) out.push_back(observation.objective);
  return out;
}

Metric metric_of(const Encoding& encoding) {
  Metric out;
  for (const AxisScale& scale : encoding.scales()) out.push_back(scale.categorical ? Distance::hamming : Distance::squared);
  return out;
}

Eigen::VectorXd transformed(const PowerTransform& transform, const std::vector<Observation>& seen) {
  Eigen::VectorXd out(std::ssize(seen));
  for (size_t k = 0; k < seen.size(); ++k) out(static_cast<Eigen::Index>(k)) = transform(seen[k].objective);
  return out;
}

/// How objectives become targets, and the kernel of these.
struct Lesson {
  PowerTransform transform;
  KernelParameters parameters;
};

/// The power that makes objectives normal is not always the one that makes the function smooth. Of it, of none, and of half
/// way, the one under which the process explains the objectives best (warped Gaussian processes, Snelson et al. 2003).
Lesson learn(const Metric& metric, const Encoding& encoding, const std::vector<Observation>& seen) {
  const std::vector<Observation> fitted = thin(seen, kMostFitted);
  const std::vector<double> objectives = objectives_of(seen);
  const Points points = encode(encoding, fitted);
  const PowerTransform normal(objectives);
  Lesson out{.transform = normal, .parameters = {.weights = Eigen::VectorXd::Ones(points.cols()), .signal = 1.0, .noise = 1.0}};
  double most = -std::numeric_limits<double>::infinity();
  KernelParameters start = out.parameters;
  for (const double power : {normal.power(), 0.5 * (normal.power() + 1.0), 1.0}) {
    const PowerTransform transform(objectives, power);
    const KernelPosterior posterior(metric, points, transformed(transform, fitted));
    start = fit_kernel(posterior, start, kMostEvaluations);
    double value = posterior(to_variables(start), nullptr);
    for (const Observation& observation : fitted) value += transform.log_slope(observation.objective);
    if (value > most) most = value, out = {.transform = transform, .parameters = start};
  }
  return out;
}

/// The best observations, best first, with the coordinates of inactive axes from the best observation that has them, else
/// from the first configuration.
Points incumbents_of(const Space& space, const Encoding& encoding, std::vector<Observation> seen) {
  std::ranges::stable_sort(seen, {}, &Observation::objective);
  const Points points = encode(encoding, seen);
  Points out = points.topRows(std::min(points.rows(), kIncumbents));
  for (Eigen::Index axis = 0; axis < points.cols(); ++axis) {
    double otherwise = encoding[static_cast<size_t>(axis)].encode(space.axes[static_cast<size_t>(axis)].first);
    for (Eigen::Index k = points.rows(); k-- > 0;)
      if (points(k, axis) != kInactive) otherwise = points(k, axis);
    for (Eigen::Index k = 0; k < out.rows(); ++k)
      if (out(k, axis) == kInactive) out(k, axis) = otherwise;
  }
  return out;
}

double uniform_coordinate(const AxisScale& scale, double u) {
  return scale.categorical ? std::floor(u * static_cast<double>(scale.levels)) : u;
}

/// One axis at least moved: a category drawn anew, another coordinate by a normal step of a scale from .3 down to .003, cut
/// at the ends of its axis.
Row neighbour(const Encoding& encoding, Row row, Random& random) {
  const auto axes = static_cast<double>(encoding.size());
  const auto sure = static_cast<size_t>(random.below(std::ssize(encoding.scales())));
  const double scale = 0.3 * std::pow(10.0, -2.0 * random.uniform());
  for (size_t axis = 0; axis < encoding.size(); ++axis) {
    double& coordinate = row(static_cast<Eigen::Index>(axis));
    if (axis != sure && random.uniform() * axes >= 1.0) continue;
    if (encoding[axis].categorical) coordinate = uniform_coordinate(encoding[axis], random.uniform());
    else coordinate = std::clamp(coordinate + scale * random.normal(), 0.0, 1.0);
  }
  return row;
}

SearchStarts starts_of(const Space& space, const Encoding& encoding, const std::vector<Observation>& seen, Random& random) {
  SearchStarts out{.candidates = Points(kWide + kNear, std::ssize(encoding.scales())),
                   .incumbents = incumbents_of(space, encoding, seen)};
  for (Eigen::Index k = 0; k < kWide; ++k)
    for (Eigen::Index axis = 0; axis < out.candidates.cols(); ++axis)
      out.candidates(k, axis) = uniform_coordinate(encoding[static_cast<size_t>(axis)], random.uniform());
  for (Eigen::Index k = 0; k < kNear; ++k)
    out.candidates.row(kWide + k) = neighbour(encoding, out.incumbents.row(k % out.incumbents.rows()), random);
  return out;
}

size_t startup_of(const GpOptions& options, const Space& space) {
  return options.startup > 0 ? static_cast<size_t>(options.startup) : std::min<size_t>(space.axes.size() + 1, 10);
}

std::optional<Proposal> start_up(const Space& space, const History& history, Random& random, const Feasible& feasible) {
  auto proposal = propose_quasi_random(space, history, random, feasible);
  if (proposal) proposal->reason = "GP: too few trials to learn from; " + proposal->reason;
  return proposal;
}

}  // namespace

std::optional<Proposal> propose_gp(const GpOptions& options, const Space& space, const History& history, Random& random,
                                   const Feasible& feasible) {
  const size_t enough = startup_of(options, space);
  const Evidence evidence = evidence_of(history, enough);
  if (evidence.seen.size() < enough) return start_up(space, history, random, feasible);

  const Encoding encoding(space);
  const std::vector<Observation> seen = thin(evidence.seen, kMostObserved);
  const Metric metric = metric_of(encoding);
  const auto [transform, parameters] = learn(metric, encoding, seen);
  GpModel model(metric, encode(encoding, seen), transformed(transform, seen), parameters);
  model.believe(encode(encoding, evidence.pending));
  const double best = model.least_mean();

  const std::set<std::string> tried = tried_keys(history);
  const auto settings_of = [&](const Row& row) { return encoding.decode({row.data(), static_cast<size_t>(row.size())}); };
  const auto acceptable = [&](const Row& row) {
    const Settings settings = settings_of(row);
    return !tried.contains(canonical_key(settings)) && feasible(settings);
  };
  const std::vector<Found> found = climb_improvements(encoding, model, best, starts_of(space, encoding, seen, random), acceptable, random);
  if (found.empty()) return start_up(space, history, random, feasible);
  const auto seconds = [&](const Found& one) { return options.per_second ? feasible.seconds(settings_of(one.row)) : 1.0; };
  const Found& chosen = *std::ranges::max_element(found, {}, [&](const Found& one) { return one.value - std::log(seconds(one)); });
  const double gain = transform.inverse(best) - transform.inverse(best - std::exp(chosen.value));
  const std::string time = options.per_second ? fmt::format(" in {:.3g} s", seconds(chosen)) : "";
  return Proposal{.settings = settings_of(chosen.row),
                  .reason = fmt::format("GP: expected improvement {:.3g}{}, from {} trials", gain, time, seen.size())};
}

}  // namespace espalier::tuners
