#include "espalier/importance/importance.h"

#include "espalier/importance/bins.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace espalier {

namespace {

constexpr int64_t kFewestBest = 12;
constexpr int64_t kFewestTrials = 6;    // of an axis: below, nothing can be said
constexpr int64_t kTrusted = 30;        // below, an order is a hint
constexpr int64_t kPermutations = 999;
constexpr double kUnsure = 0.05;

/// Which of these objectives (lower is better) count as the best; ties are all in or all out, and may leave none.
std::vector<bool> best_of(const std::vector<double>& objectives) {
  const auto count = std::ssize(objectives);
  const int64_t wanted = std::max((count + 9) / 10, std::min(kFewestBest, count / 2));
  std::vector<double> sorted = objectives;
  std::ranges::sort(sorted);
  const double last = sorted[static_cast<size_t>(std::max<int64_t>(wanted, 1) - 1)];
  const int64_t below = std::ranges::lower_bound(sorted, last) - sorted.begin();
  const int64_t upto = std::ranges::upper_bound(sorted, last) - sorted.begin();
  const bool with_ties = below == 0 || upto - wanted <= wanted - below;
  std::vector<bool> best;
  for (const double objective : objectives) best.push_back(with_ties ? objective <= last : objective < last);
  return best;
}

/// The part of the variance of "is among the best" that lies between the bins: the divergence, scaled to 0 to 1.
double explained(const std::vector<int64_t>& in_bin, const std::vector<int64_t>& best_in_bin, int64_t trials, int64_t best) {
  double sum = 0.0;
  for (size_t bin = 0; bin < in_bin.size(); ++bin) {
    const auto hits = static_cast<double>(best_in_bin[bin]);
    if (in_bin[bin] > 0) sum += hits * hits / static_cast<double>(in_bin[bin]);
  }
  const auto n = static_cast<double>(trials);
  const auto b = static_cast<double>(best);
  return (sum - b * b / n) / (b * (1.0 - b / n));
}

/// How often as many trials drawn by lot explain at least `found`.
double by_chance(const Bins& bins, int64_t best, double found, Random random) {
  constexpr double kRounding = 1e-12;
  std::vector<size_t> lots = bins.of;
  int64_t reached = 1;  // what was found is one of the ways to draw
  for (int64_t k = 0; k < kPermutations; ++k) {
    std::vector<int64_t> hits(bins.count.size());
    for (size_t i = 0; i < static_cast<size_t>(best); ++i) {
      std::swap(lots[i], lots[i + static_cast<size_t>(random.below(std::ssize(lots) - static_cast<int64_t>(i)))]);
      ++hits[lots[i]];
    }
    if (explained(bins.count, hits, std::ssize(lots), best) >= found - kRounding) ++reached;
  }
  return static_cast<double>(reached) / static_cast<double>(kPermutations + 1);
}

AxisImportance judge(const std::string& name, const std::vector<const Observation*>& active) {
  AxisImportance out{.name = name, .trials = std::ssize(active)};
  std::vector<Json> values;
  std::vector<double> objectives;
  for (const Observation* one : active) {
    values.push_back(one->settings.at(name));
    objectives.push_back(one->objective);
  }
  const Bins bins = make_bins(values);
  out.values = bins.values;
  if (out.trials < kFewestTrials || bins.values < 2) return out;
  const std::vector<bool> is_best = best_of(objectives);
  const int64_t best = std::ranges::count(is_best, true);
  if (best == 0 || best == out.trials) return out;
  std::vector<int64_t> hits(bins.count.size());
  for (size_t i = 0; i < is_best.size(); ++i)
    if (is_best[i]) ++hits[bins.of[i]];

  out.judged = true;
  const double found = explained(bins.count, hits, out.trials, best);
  // Bins explain something even of a lot: (bins - 1) / (trials - 1) on average. Taken off as in an adjusted R².
  const auto freedom = static_cast<double>(out.trials - std::ssize(bins.count));
  out.explained = freedom <= 0.0 ? 0.0 : std::max(0.0, 1.0 - (1.0 - found) * static_cast<double>(out.trials - 1) / freedom);
  out.by_chance = by_chance(bins, best, found, Random(derive_seed(0, name)));
  const auto rate = [&](size_t bin) { return static_cast<double>(hits[bin]) / static_cast<double>(std::max<int64_t>(bins.count[bin], 1)); };
  size_t most = 0;
  for (size_t bin = 1; bin < hits.size(); ++bin)
    if (rate(bin) > rate(most)) most = bin;
  out.favoured = bins.ends[most];
  return out;
}

std::vector<std::string> warnings_of(const Importance& found) {
  std::vector<std::string> out;
  if (found.trials < kTrusted)
    out.push_back(fmt::format("it rests on {} trial{}; below {} the order is a hint", found.trials, found.trials == 1 ? "" : "s", kTrusted));
  if (std::ranges::none_of(found.axes, [](const AxisImportance& axis) { return axis.judged && axis.by_chance <= kUnsure; }))
    out.emplace_back("no setting stands out from chance");
  return out;
}

}  // namespace

Importance importance(const std::vector<Observation>& observations) {
  std::set<std::string> names;
  std::vector<const Observation*> counted;
  std::vector<double> objectives;
  for (const Observation& one : observations) {
    if (!std::isfinite(one.objective)) continue;
    counted.push_back(&one);
    objectives.push_back(one.objective);
    for (const auto& [name, value] : one.settings) names.insert(name);
  }
  Importance out{.axes = {}, .trials = std::ssize(counted)};
  if (!counted.empty()) out.best = std::ranges::count(best_of(objectives), true);
  double sum = 0.0;
  for (const std::string& name : names) {
    std::vector<const Observation*> active;
    std::ranges::copy_if(counted, std::back_inserter(active), [&](const Observation* one) { return one->settings.contains(name); });
    AxisImportance& axis = out.axes.emplace_back(judge(name, active));
    axis.share = axis.explained * static_cast<double>(axis.trials) / static_cast<double>(out.trials);
    sum += axis.share;
  }
  for (AxisImportance& axis : out.axes) axis.share = sum > 0.0 ? axis.share / sum : 0.0;
  std::ranges::stable_sort(out.axes, [](const AxisImportance& a, const AxisImportance& b) {
    return a.judged != b.judged ? a.judged : a.share > b.share;
  });
  out.warnings = warnings_of(out);
  return out;
}

std::vector<Observation> ranked(const History& history) {
  const auto key = [](const Result& result) {
    const bool complete = result.state == TrialState::complete;
    return std::pair(complete ? -std::numeric_limits<double>::infinity() : -result.fidelity, *result.objective);
  };
  std::vector<const Result*> order;
  for (const Result& result : history) {
    const bool stands = result.state == TrialState::complete || result.state == TrialState::paused || result.state == TrialState::pruned;
    if (stands && result.objective && std::isfinite(*result.objective)) order.push_back(&result);
  }
  std::ranges::stable_sort(order, {}, [&](const Result* result) { return key(*result); });
  std::vector<Observation> out;
  for (size_t i = 0; i < order.size(); ++i) {
    const bool ties = i > 0 && key(*order[i]) == key(*order[i - 1]);
    out.push_back({order[i]->settings, ties ? out.back().objective : static_cast<double>(i)});
  }
  return out;
}

}  // namespace espalier
