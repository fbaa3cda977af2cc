#include "espalier/study/weighing.h"

#include "espalier/random.h"
#include "espalier/store/front.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace espalier {

namespace {

/// Weights are multiples of its inverse, so that what is said of them is what they are.
constexpr size_t kSteps = 10;
/// How much the sum of the objectives counts beside the greatest: among equals by that, the better in the others is better.
constexpr double kSumShare = 0.05;

/// What an objective is measured with: 0 at `best`, 1 at `best + width`.
struct Scale {
  double best = 0.0;
  double width = 1.0;
};

/// True if each objective of a trial has a value, and its curves have the same points.
bool is_whole(const std::vector<History>& histories, size_t trial) {
  const size_t points = histories.front()[trial].curve.size();
  return std::ranges::all_of(histories, [&](const History& history) { return history[trial].objective && history[trial].curve.size() == points; });
}

std::vector<Scale> scales_of(const std::vector<History>& histories) {
  std::vector<std::vector<double>> points;
  for (size_t trial = 0; trial < histories.front().size(); ++trial) {
    if (!is_whole(histories, trial)) continue;
    std::vector<double>& point = points.emplace_back();
    for (const History& history : histories) point.push_back(*history[trial].objective);
  }
  const std::vector<bool> on_front = pareto_front(points);
  std::vector<Scale> scales(histories.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    std::vector<double> all, front;
    for (size_t k = 0; k < points.size(); ++k) {
      all.push_back(points[k][i]);
      if (on_front[k]) front.push_back(points[k][i]);
    }
    // A front of one value says nothing of how far values lie apart.
    for (const std::vector<double>& values : {front, all}) {
      if (values.empty()) continue;
      const auto [best, worst] = std::ranges::minmax(values);
      scales[i].best = best;
      if (worst > best) {
        scales[i].width = worst - best;
        break;
      }
    }
  }
  return scales;
}

/// One point of a trial's curve.
struct At {
  size_t trial = 0;
  size_t point = 0;
};

/// For each vector of objectives the number of the front that it lies on, from 0.
std::vector<size_t> fronts_of(const std::vector<std::vector<double>>& points) {
  std::vector<size_t> out(points.size(), 0), left(points.size());
  std::iota(left.begin(), left.end(), size_t{0});
  for (size_t front = 0; !left.empty(); ++front) {
    std::vector<std::vector<double>> remaining;
    for (const size_t k : left) remaining.push_back(points[k]);
    const std::vector<bool> is_first = pareto_front(remaining);
    std::vector<size_t> others;
    for (size_t k = 0; k < left.size(); ++k) {
      out[left[k]] = front;
      if (!is_first[k]) others.push_back(left[k]);
    }
    // What is not finite is on no front: the last one is theirs.
    if (others.size() == left.size()) break;
    left = std::move(others);
  }
  return out;
}

}  // namespace

std::vector<double> draw_weights(size_t count, Random& random) {
  // Steps and bars between them in any order: a bar ends the share of one objective (stars and bars).
  std::vector<char> drawn(kSteps, '-');
  drawn.resize(kSteps + count - 1, '|');
  shuffle(drawn, random);
  std::vector<double> weights(1, 0.0);
  for (const char one : drawn) {
    if (one == '|') weights.push_back(0.0);
    else weights.back() += 1.0;
  }
  for (double& weight : weights) weight /= static_cast<double>(kSteps);
  return weights;
}

History weighed_by(const std::vector<double>& weights, const std::vector<History>& histories) {
  const std::vector<Scale> scales = scales_of(histories);
  const auto norm = [&](const auto& value_of) {
    double greatest = 0.0, sum = 0.0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double part = weights[i] * (value_of(histories[i]) - scales[i].best) / scales[i].width;
      greatest = i == 0 ? part : std::max(greatest, part);
      sum += part;
    }
    return greatest + kSumShare * sum;
  };
  History out = histories.front();
  for (size_t trial = 0; trial < out.size(); ++trial) {
    if (!is_whole(histories, trial)) {
      out[trial].objective.reset();
      out[trial].curve.clear();
      continue;
    }
    out[trial].objective = norm([&](const History& history) { return *history[trial].objective; });
    for (size_t point = 0; point < out[trial].curve.size(); ++point)
      out[trial].curve[point].objective = norm([&](const History& history) { return history[trial].curve[point].objective; });
  }
  return out;
}

History sorted_by_fronts(const std::vector<History>& histories) {
  if (histories.size() == 1) return histories.front();
  History out = weighed_by(std::vector<double>(histories.size(), 1.0 / static_cast<double>(histories.size())), histories);
  std::map<double, std::vector<At>> by_fidelity;
  for (size_t trial = 0; trial < out.size(); ++trial)
    for (size_t point = 0; point < out[trial].curve.size(); ++point) by_fidelity[out[trial].curve[point].fidelity].push_back({trial, point});
  for (auto& [fidelity, group] : by_fidelity) {
    const auto value = [&](const At& at) -> double& { return out[at.trial].curve[at.point].objective; };
    std::ranges::stable_sort(group, {}, value);
    std::vector<std::vector<double>> points(group.size());
    for (size_t k = 0; k < group.size(); ++k)
      for (const History& history : histories) points[k].push_back(history[group[k].trial].curve[group[k].point].objective);
    const std::vector<size_t> fronts = fronts_of(points);
    for (size_t k = 0; k < group.size(); ++k)
      value(group[k]) = static_cast<double>(fronts[k]) + static_cast<double>(k) / static_cast<double>(group.size());
  }
  for (Result& result : out)
    if (!result.curve.empty()) result.objective = result.curve.back().objective;
  return out;
}

Weighed weigh(const std::vector<History>& histories, const std::vector<Objective>& objectives, uint64_t seed) {
  if (histories.size() == 1) return {.history = histories.front(), .reason = ""};
  Random random(derive_seed(derive_seed(seed, "weights"), histories.front().size()));
  const std::vector<double> weights = draw_weights(histories.size(), random);
  std::vector<std::string> words;
  for (size_t i = 0; i < weights.size(); ++i) words.push_back(fmt::format("{:g} {}", weights[i], objectives[i].metric));
  return {.history = weighed_by(weights, histories), .reason = fmt::format("; weights {}", join(words))};
}

}  // namespace espalier
