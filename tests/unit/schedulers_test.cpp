#include "catch.h"
#include "espalier/scheduler.h"

#include "../../plugins/schedulers/rungs.h"

#include <map>

#undef ESPALIER_PLUGIN
#define ESPALIER_PLUGIN(plugin) inline void fill(espalier::Plugin& plugin)
namespace asha_library {
#include "../../plugins/schedulers/asha/asha.cpp"
}
namespace halving_library {
#include "../../plugins/schedulers/successive_halving/successive_halving.cpp"
}
namespace hyperband_library {
#include "../../plugins/schedulers/hyperband/hyperband.cpp"
}
namespace median_library {
#include "../../plugins/schedulers/median/median.cpp"
}
namespace pbt_library {
#include "../../plugins/schedulers/pbt/pbt.cpp"
}
namespace auto_library {
#include "../../plugins/schedulers/auto/auto.cpp"
}

using namespace espalier;

namespace {

const SchedulerType& scheduler(const std::string& name) {
  static const Plugin plugin = [] {
    Plugin out;
    asha_library::fill(out);
    halving_library::fill(out);
    hyperband_library::fill(out);
    median_library::fill(out);
    auto_library::fill(out);
    pbt_library::fill(out);
    return out;
  }();
  for (const SchedulerType& type : plugin.schedulers)
    if (type.name == name) return type;
  throw std::runtime_error("no scheduler " + name);
}

/// Trials are as good as `quality` says by their number, lower is better, the same at every epoch.
class Simulation {
 public:
  Simulation(std::string name, double full, std::vector<double> quality, Json given = Json::object())
      : type_(scheduler(name)), full_(full), quality_(std::move(quality)), given_(std::move(given)) {}

  /// The next step, carried out at once; false if it cannot be.
  bool step() {
    Random random(1);
    Step next = type_.next(given_, full_, history_, random);
    steps.push_back(next);
    if (next.kind == Step::Kind::wait || next.kind == Step::Kind::finished) return false;
    if (next.kind == Step::Kind::start) {
      if (history_.size() == quality_.size()) return false;
      next.trial = std::ssize(history_);
      history_.push_back({.number = next.trial, .settings = {{"x", next.trial}}});
    }
    if (next.kind == Step::Kind::branch) {
      const Result& from = history_.at(static_cast<size_t>(next.trial));
      history_.push_back({.number = std::ssize(history_), .settings = from.settings, .fidelity = from.fidelity, .begun = from.fidelity});
      quality_.push_back(quality_.at(static_cast<size_t>(next.trial)));
      next.trial = history_.back().number;
    }
    Result& result = history_.at(static_cast<size_t>(next.trial));
    result.fidelity = next.until > 0.0 ? next.until : full_;
    result.objective = quality_.at(static_cast<size_t>(next.trial));
    result.curve.push_back({.fidelity = result.fidelity, .objective = *result.objective});
    result.state = next.until > 0.0 ? TrialState::paused : TrialState::complete;
    return true;
  }
  void run() {
    while (step()) {
    }
  }
  std::map<double, int> trials_by_epochs() const {
    std::map<double, int> out;
    for (const Result& result : history_) ++out[result.fidelity];
    return out;
  }
  const History& history() const { return history_; }
  History& history() { return history_; }
  std::vector<Step> steps;

 private:
  const SchedulerType& type_;
  double full_;
  std::vector<double> quality_;
  Json given_;
  History history_;
};

std::vector<double> falling(int count) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(count - i);
  return out;
}

std::vector<double> rising(int count) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("rungs are whole epochs, each once, and end below the whole training") {
  using schedulers::rungs_below;
  CHECK(rungs_below(27, 1, 3) == std::vector<double>{1, 3, 9});
  CHECK(rungs_below(28, 1, 3) == std::vector<double>{1, 3, 9, 27});
  CHECK(rungs_below(5, 1, 1.5) == std::vector<double>{1, 2, 3});
  CHECK(rungs_below(1, 1, 3).empty());
}

TEST_CASE("asha promotes the best third of each rung") {
  Simulation simulation("asha", 27, rising(27));  // the first trials are the best, so none is promoted by mistake
  simulation.run();
  CHECK(simulation.trials_by_epochs() == std::map<double, int>{{1, 18}, {3, 6}, {9, 2}, {27, 1}});
  CHECK(simulation.history()[0].fidelity == 27.0);
  CHECK(simulation.history()[0].state == TrialState::complete);
}

TEST_CASE("asha with ever better trials promotes more than a third, and the best of all reaches the end") {
  Simulation simulation("asha", 9, falling(27));
  simulation.run();
  CHECK(simulation.history().back().fidelity == 9.0);
}

TEST_CASE("asha leaves out trials that failed and does not wait for those that run") {
  Simulation simulation("asha", 9, rising(20));
  for (int i = 0; i < 2; ++i) simulation.step();
  simulation.history()[0].state = TrialState::failed;
  simulation.history()[1].state = TrialState::running;
  simulation.history()[1].curve.clear();
  simulation.history()[1].fidelity = 0.0;
  CHECK(simulation.step());
  CHECK(simulation.steps.back().kind == Step::Kind::start);
}

TEST_CASE("successive halving takes whole brackets from rung to rung") {
  Simulation simulation("successive_halving", 9, falling(9));
  simulation.run();
  CHECK(simulation.trials_by_epochs() == std::map<double, int>{{1, 6}, {3, 2}, {9, 1}});
  CHECK(simulation.history()[8].fidelity == 9.0);
}

TEST_CASE("successive halving waits for a trial of the rung that runs") {
  Simulation simulation("successive_halving", 9, falling(9));
  for (int i = 0; i < 9; ++i) simulation.step();
  Result& running = simulation.history()[4];
  running = {.number = 4, .settings = running.settings, .state = TrialState::running};
  CHECK_FALSE(simulation.step());
  CHECK(simulation.steps.back().kind == Step::Kind::wait);
}

TEST_CASE("hyperband goes from many short trials to few whole ones") {
  // Table 1 of arXiv:1603.06560 for R = 81 has 81, 34, 15, 8, 5; the share is rounded down here, as DEHB and BOHB do.
  Simulation simulation("hyperband", 81, rising(128));
  simulation.run();
  std::map<double, int> starts;
  for (const Step& step : simulation.steps)
    if (step.kind == Step::Kind::start) ++starts[step.until];
  CHECK(starts == std::map<double, int>{{1, 81 + 1}, {3, 27}, {9, 9}, {27, 6}, {0, 5}});  // the last one begins a new round
}

TEST_CASE("the median rule lets the first trials pass and stops what is worse than the middle") {
  std::vector<double> quality{5, 4, 3, 2, 1, 9, 0, 2.5};
  Simulation simulation("median", 20, quality);
  simulation.run();
  for (int i = 0; i < 5; ++i) CHECK(simulation.history()[static_cast<size_t>(i)].fidelity == 20.0);
  CHECK(simulation.history()[5].fidelity == 2.0);
  CHECK(simulation.history()[6].fidelity == 20.0);
  CHECK(simulation.history()[7].fidelity == 20.0);
}

TEST_CASE("auto takes the first trial to its end before it compares") {
  Simulation simulation("auto", 27, falling(9));
  simulation.run();
  CHECK(simulation.history()[0].fidelity == 27.0);
  for (int i = 0; i < 4; ++i) CHECK((simulation.steps[static_cast<size_t>(i)].kind == Step::Kind::start) == (i == 0));
}

TEST_CASE("of a population the worst give way to branches of the best, generation after generation") {
  Simulation simulation("pbt", 6, {5, 1, 7, 3, 8, 2, 6, 4}, {{"population", 8}, {"every", 2.0}, {"replaced", 0.25}, {"factor", 1.5}});
  simulation.run();
  CHECK(simulation.steps.back().kind == Step::Kind::finished);
  // Of eight two give way after two epochs and two after four.
  CHECK(simulation.trials_by_epochs() == std::map<double, int>{{2, 2}, {4, 2}, {6, 8}});
  CHECK(simulation.history()[2].fidelity == 2.0);
  CHECK(simulation.history()[4].fidelity == 2.0);
  std::map<double, int> branches;
  for (const Step& step : simulation.steps)
    if (step.kind == Step::Kind::branch) {
      CHECK((simulation.history()[static_cast<size_t>(step.trial)].objective <= 2.0));
      const double moved = step.settings.at("x").get<double>();
      const auto before = simulation.history()[static_cast<size_t>(step.trial)].settings.at("x").get<double>();
      CHECK((moved == Approx(before * 1.5) || moved == Approx(before / 1.5)));
    }
  for (const Result& result : simulation.history()) ++branches[result.begun];
  CHECK(branches == std::map<double, int>{{0, 8}, {2, 2}, {4, 2}});
}

TEST_CASE("a generation waits for its last, and a failure thins it out") {
  Simulation simulation("pbt", 4, rising(4), {{"population", 4}, {"every", 2.0}, {"replaced", 0.25}, {"factor", 1.5}});
  for (int i = 0; i < 4; ++i) simulation.step();
  Result& last = simulation.history()[3];
  const Result ended = last;
  last = {.number = 3, .settings = last.settings, .state = TrialState::running};
  CHECK_FALSE(simulation.step());
  CHECK(simulation.steps.back().kind == Step::Kind::wait);
  last = ended;
  last.state = TrialState::failed;
  simulation.run();
  CHECK(simulation.trials_by_epochs() == std::map<double, int>{{2, 2}, {4, 3}});  // one failed, one of three gave way to a branch
}

TEST_CASE("no branch goes on from a trial that has ended early, though it is the best") {
  Simulation simulation("pbt", 6, rising(4), {{"population", 4}, {"every", 2.0}, {"replaced", 0.25}, {"factor", 1.5}});
  for (int i = 0; i < 4; ++i) simulation.step();
  simulation.history()[0].state = TrialState::complete;
  simulation.run();
  for (const Step& step : simulation.steps)
    if (step.kind == Step::Kind::branch) CHECK(step.trial != 0);
  CHECK(simulation.trials_by_epochs() == std::map<double, int>{{2, 2}, {4, 1}, {6, 3}});
}

TEST_CASE("a population that has ended early as a whole begins no branch") {
  Simulation simulation("pbt", 6, rising(4), {{"population", 4}, {"every", 2.0}, {"replaced", 0.25}, {"factor", 1.5}});
  for (int i = 0; i < 4; ++i) simulation.step();
  for (Result& result : simulation.history()) result.state = TrialState::complete;
  CHECK_FALSE(simulation.step());
  CHECK(simulation.steps.back().kind == Step::Kind::finished);
}
