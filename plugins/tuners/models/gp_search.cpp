#include "gp_search.h"

#include <nlopt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

namespace espalier::tuners {

namespace {

using Row = Eigen::RowVectorXd;

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr int64_t kManyLevels = 16;  // from here on an ordered axis is moved along as if it had no steps (Optuna's rule)

bool slides(const AxisScale& scale) { return !scale.categorical && (scale.levels == 0 || scale.levels > kManyLevels); }

std::span<const double> span_of(const Row& row) { return {row.data(), static_cast<size_t>(row.size())}; }

/// Indices from the greatest value on, of equal ones the first first.
std::vector<Eigen::Index> descending(const Eigen::VectorXd& values) {
  std::vector<Eigen::Index> out(static_cast<size_t>(values.size()));
  std::iota(out.begin(), out.end(), 0);
  std::ranges::stable_sort(out, std::greater<>(), [&](Eigen::Index k) { return values(k); });
  return out;
}

/// Where a climb stands: coordinates of every axis, and what they are worth (kNever: not acceptable).
struct Place {
  Row full;
  double value = kNever;
};

class Climb {
 public:
  Climb(const Encoding& encoding, const GpModel& model, double best, const Acceptable& acceptable)
      : encoding_(encoding), model_(model), best_(best), acceptable_(acceptable) {}

  void run(Place& place) const {
    constexpr int kMostRounds = 20;
    for (int round = 0; round < kMostRounds; ++round) {
      bool moved = slide(place);
      for (size_t axis = 0; axis < encoding_.size(); ++axis) moved = step(place, axis) || moved;
      if (!moved) return;
    }
  }

 private:
  bool accept(Place& place, const Row& full, double value) const {
    constexpr double kGain = 1e-4;  // of a logarithm
    if (!(value > place.value + kGain) || !acceptable_(canonical_row(encoding_, full))) return false;
    place = {.full = full, .value = value};
    return true;
  }

  /// The best value of one axis of few values.
  bool step(Place& place, size_t axis) const {
    const AxisScale& scale = encoding_[axis];
    const auto column = static_cast<Eigen::Index>(axis);
    if (slides(scale) || !encoding_.is_active(axis, span_of(canonical_row(encoding_, place.full)))) return false;
    std::vector<Row> others;
    for (int64_t k = 0; k < scale.levels; ++k) {
      if (scale.level(k) == place.full(column)) continue;
      others.push_back(place.full);
      others.back()(column) = scale.level(k);
    }
    if (others.empty()) return false;
    Points rows(std::ssize(others), place.full.size());
    for (size_t k = 0; k < others.size(); ++k) rows.row(static_cast<Eigen::Index>(k)) = canonical_row(encoding_, others[k]);
    const Eigen::VectorXd values = model_.log_improvements(rows, best_);
    return std::ranges::any_of(descending(values), [&](Eigen::Index k) {
      return accept(place, others[static_cast<size_t>(k)], values(k));
    });
  }

  /// Along the gradient, in units of the length scales.
  bool slide(Place& place) const;

  const Encoding& encoding_;
  const GpModel& model_;
  double best_;
  const Acceptable& acceptable_;
};

bool Climb::slide(Place& place) const {
  constexpr int kMostEvaluations = 50;
  constexpr double kGain = 1e-3;  // of a logarithm
  struct Slide {
    const Climb& climb;
    Row row;
    std::vector<Eigen::Index> axes = {};
    std::vector<double> scales = {};
    Row top = {};
    double value = kNever;
  } s{.climb = *this, .row = canonical_row(encoding_, place.full)};
  std::vector<double> at, low, high;
  for (Eigen::Index axis = 0; axis < s.row.size(); ++axis) {
    const AxisScale& scale = encoding_[static_cast<size_t>(axis)];
    if (!slides(scale) || s.row(axis) == kInactive) continue;
    s.axes.push_back(axis);
    s.scales.push_back(std::sqrt(model_.parameters().weights(axis)));
    at.push_back(s.row(axis) * s.scales.back());
    low.push_back((scale.levels == 0 ? 0.0 : scale.level(0)) * s.scales.back());
    high.push_back((scale.levels == 0 ? 1.0 : scale.level(scale.levels - 1)) * s.scales.back());
  }
  if (s.axes.empty()) return false;
  const auto evaluate = [](unsigned n, const double* x, double* gradient, void* data) {
    auto& slide = *static_cast<Slide*>(data);
    for (unsigned k = 0; k < n; ++k) slide.row(slide.axes[k]) = std::clamp(x[k] / slide.scales[k], 0.0, 1.0);
    const Improvement improvement = slide.climb.model_.log_improvement_at(slide.row, slide.climb.best_);
    for (unsigned k = 0; gradient != nullptr && k < n; ++k) gradient[k] = improvement.gradient(slide.axes[k]) / slide.scales[k];
    if (improvement.value > slide.value) slide.value = improvement.value, slide.top = slide.row;
    return improvement.value;
  };
  const auto count = static_cast<unsigned>(at.size());
  const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> optimizer(nlopt_create(NLOPT_LD_LBFGS, count), &nlopt_destroy);
  nlopt_set_max_objective(optimizer.get(), evaluate, &s);
  nlopt_set_lower_bounds(optimizer.get(), low.data());
  nlopt_set_upper_bounds(optimizer.get(), high.data());
  nlopt_set_ftol_abs(optimizer.get(), kGain);
  nlopt_set_maxeval(optimizer.get(), kMostEvaluations);
  double value = 0.0;
  nlopt_optimize(optimizer.get(), at.data(), &value);  // as in fit_kernel, the best point seen counts
  if (s.top.size() == 0) return false;
  Row full = place.full;
  for (const Eigen::Index axis : s.axes) full(axis) = encoding_[static_cast<size_t>(axis)].snap(s.top(axis));
  return accept(place, full, model_.log_improvements(canonical_row(encoding_, full), best_)(0));
}

/// Places to climb from: the best acceptable candidate, others with a probability of their expected improvement, and the
/// incumbents.
std::vector<Place> choose_places(const Encoding& encoding, const Eigen::VectorXd& values, const SearchStarts& starts,
                                 const Acceptable& acceptable, Random& random) {
  constexpr size_t kMostDrawn = 3;
  std::vector<Eigen::Index> order = descending(values);
  std::vector<Place> out;
  const auto take = [&](Eigen::Index k) {
    const bool good = std::isfinite(values(k)) && acceptable(canonical_row(encoding, starts.candidates.row(k)));
    if (good) out.push_back({.full = starts.candidates.row(k), .value = values(k)});
    return good;
  };
  const auto first = std::ranges::find_if(order, take);
  if (first == order.end()) return out;
  order.erase(order.begin(), first + 1);
  for (size_t drawn = 0; drawn < kMostDrawn && !order.empty(); ++drawn) {
    double total = 0.0;
    const auto weight = [&](Eigen::Index k) { return std::exp(values(k) - out.front().value); };
    for (const Eigen::Index k : order) total += weight(k);
    double left = random.uniform() * total;
    const auto pick = std::ranges::find_if(order, [&](Eigen::Index k) { return (left -= weight(k)) < 0.0; });
    if (pick == order.end()) break;
    take(*pick);
    order.erase(pick);
  }
  for (Eigen::Index k = 0; k < starts.incumbents.rows(); ++k) out.push_back({.full = starts.incumbents.row(k)});
  return out;
}

}  // namespace

Eigen::RowVectorXd canonical_row(const Encoding& encoding, const Eigen::RowVectorXd& full) {
  Row out = full;
  for (size_t axis = 0; axis < encoding.size(); ++axis) {
    const auto k = static_cast<Eigen::Index>(axis);
    out(k) = encoding.is_active(axis, span_of(out)) ? encoding[axis].snap(full(k)) : kInactive;
  }
  return out;
}

std::vector<Found> climb_improvements(const Encoding& encoding, const GpModel& model, double best, const SearchStarts& starts,
                                      const Acceptable& acceptable, Random& random) {
  Points rows = starts.candidates;
  for (Eigen::Index k = 0; k < rows.rows(); ++k) rows.row(k) = canonical_row(encoding, starts.candidates.row(k));
  const Eigen::VectorXd values = model.log_improvements(rows, best);
  const Climb climb(encoding, model, best, acceptable);
  std::vector<Found> out;
  for (Place& place : choose_places(encoding, values, starts, acceptable, random)) {
    climb.run(place);
    if (place.value > kNever) out.push_back({.row = canonical_row(encoding, place.full), .value = place.value});
  }
  std::ranges::stable_sort(out, std::greater<>(), &Found::value);
  return out;
}

}  // namespace espalier::tuners
