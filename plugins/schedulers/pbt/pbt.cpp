#include "../rungs.h"

#include <optional>

using namespace espalier;
using schedulers::Ranked;

namespace {

/// Population-based training (arXiv:1711.09846), a generation at a time: every so many epochs the worst are replaced by branches
/// of the best, with their numbers of `train` made larger or smaller by a factor. All settings of a schedule come of that.
struct Pbt {
  static constexpr auto doc = "a population; now and then branches of the best, with other training settings, replace the worst";

  struct Params {
    int64_t population = 8;
    double every = 1.0;
    double replaced = 0.25;
    double factor = 1.2;
  };
  static Schema<Params> schema() {
    return {{"population", &Params::population, legal(2, 1000), "trials that are trained side by side"},
            {"every", &Params::every, legal(1.0, 1e6), "epochs of a generation"},
            {"replaced", &Params::replaced, legal(0.01, 0.5), "share of the population that a generation replaces"},
            {"factor", &Params::factor, legal(1.01, 10.0), "by which a number of the settings of a branch is multiplied or divided"}};
  }

  static std::vector<double> generations(double every, double full) {
    std::vector<double> out;
    for (double end = every; end < full; end += every) out.push_back(end);
    return out;
  }

  /// Every number moved up or down; the study leaves alone what no training can change on its way.
  static Settings explored(const Settings& settings, double factor, Random& random) {
    Settings out;
    for (const auto& [name, value] : settings)
      if (value.is_number()) out[name] = value.get<double>() * (random.below(2) == 0 ? factor : 1.0 / factor);
    return out;
  }

  /// True if a trial has not come as far as that and is on its way.
  static bool is_awaited(const History& history, double epochs) {
    return std::ranges::any_of(history, [&](const Result& r) {
      return (r.state == TrialState::running || r.state == TrialState::queued) && r.fidelity < epochs;
    });
  }

  /// The best `most` that stay, without those that have ended, as by patience: nothing goes on from them.
  static std::vector<const Result*> parents_of(const std::vector<Ranked>& ranked, double end, size_t most) {
    std::vector<const Result*> out;
    for (size_t place = 0; place + most < ranked.size() && out.size() < most; ++place)
      if (schedulers::waits_at(*ranked[place].result, end)) out.push_back(ranked[place].result);
    return out;
  }

  /// What is left to do at the end of generation `k`, all of which have come: branches of the best take the places of the worst, and
  /// then, as nothing more begins where they stand, the others go on. Nothing: all is done.
  static std::optional<Step> renew(const Params& p, const std::vector<double>& ends, size_t k, const History& history, Random& random) {
    const std::vector<Ranked> ranked = schedulers::reached(history, ends[k]);
    const double share = p.replaced * static_cast<double>(ranked.size());
    const size_t replaced = ranked.size() < 2 ? 0 : std::max<size_t>(1, static_cast<size_t>(std::llround(share)));
    const double until = schedulers::after(ends, k);
    const std::vector<const Result*> parents = parents_of(ranked, ends[k], replaced);
    if (!parents.empty() && static_cast<size_t>(std::ranges::count(history, ends[k], &Result::begun)) < replaced) {
      const Result& better = *parents[static_cast<size_t>(random.below(std::ssize(parents)))];
      return Step{.kind = Step::Kind::branch, .trial = better.number, .settings = explored(better.settings, p.factor, random), .until = until,
                  .reason = "in the place of one of the worst " + std::to_string(replaced)};
    }
    for (size_t place = 0; place < ranked.size() - replaced; ++place)
      if (schedulers::waits_at(*ranked[place].result, ends[k]))
        return Step{.kind = Step::Kind::resume, .trial = ranked[place].result->number, .until = until,
                    .reason = schedulers::place_of(place + 1, ranked.size(), ends[k])};
    return std::nullopt;
  }

  static Step next(const Params& p, double full, const History& history, Random& random) {
    const std::vector<double> ends = generations(p.every, full);
    if (std::ranges::count(history, 0.0, &Result::begun) < p.population)
      return {.kind = Step::Kind::start, .until = ends.empty() ? 0.0 : ends.front(), .reason = "one of the population"};
    for (size_t k = 0; k < ends.size(); ++k) {
      if (is_awaited(history, ends[k])) return {.kind = Step::Kind::wait};
      if (auto step = renew(p, ends, k, history, random)) return *step;
    }
    return {.kind = is_awaited(history, full) ? Step::Kind::wait : Step::Kind::finished};
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<Pbt>("pbt"); }
