#include "../rungs.h"

using namespace espalier;

namespace {

/// Hyperband (arXiv:1603.06560): brackets from many trials of few epochs to few trials of all epochs, over and over.
struct Hyperband {
  static constexpr auto doc = "brackets of successive halving, from many short trials to few whole ones";

  struct Params {
    double eta = 3.0;
    double min = 1.0;
  };
  static Schema<Params> schema() {
    return {{"eta", &Params::eta, legal(1.5, 100.0), "one in so many trials goes on from a rung"},
            {"min", &Params::min, legal(1.0, 1e6), "epochs at the first rung of the first bracket"}};
  }

  static Step next(const Params& p, double full, const History& history, Random&) {
    const std::vector<double> rungs = schedulers::rungs_below(full, p.min, p.eta);
    for (int64_t first = 0;;)
      for (size_t skipped = 0; skipped <= rungs.size(); ++skipped) {
        const size_t halvings = rungs.size() - skipped;
        const double share = std::floor(static_cast<double>(rungs.size() + 1) / static_cast<double>(halvings + 1));
        const schedulers::Bracket bracket{
            .trials = std::llround(share * std::pow(p.eta, static_cast<double>(halvings))),
            .rungs = {rungs.begin() + static_cast<std::ptrdiff_t>(skipped), rungs.end()}};
        if (const auto step = schedulers::next_of(bracket, first, p.eta, history)) return *step;
        first += bracket.trials;
      }
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<Hyperband>("hyperband"); }
