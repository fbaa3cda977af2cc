#include "catch.h"
#include "espalier/error.h"
#include "espalier/scheduler.h"
#include "espalier/tuner.h"

// What the sources below include must be read outside of their namespaces.
#include "../../plugins/tuners/models/gp.h"
#include "../../plugins/tuners/models/evolution.h"
#include "../../plugins/tuners/models/local_search.h"
#include "../../plugins/tuners/models/quasi_random.h"
#include "../../plugins/tuners/models/portfolio.h"
#include "../../plugins/tuners/models/tpe.h"
#include "../../plugins/tuners/mutation.h"

#include <cmath>
#include <limits>
#include <map>
#include <set>

// Each plugin's source once more, in a namespace of its own and without its exported symbol.
#undef ESPALIER_PLUGIN
#define ESPALIER_PLUGIN(plugin) inline void fill(espalier::Plugin& plugin)
namespace random_library {
#include "../../plugins/tuners/random/random.cpp"
}
namespace grid_library {
#include "../../plugins/tuners/grid/grid.cpp"
}
namespace greedy_library {
#include "../../plugins/tuners/greedy/greedy.cpp"
}
namespace auto_library {
#include "../../plugins/tuners/auto/auto.cpp"
}
namespace quasi_random_library {
#include "../../plugins/tuners/quasi_random/quasi_random.cpp"
}
namespace tpe_library {
#include "../../plugins/tuners/tpe/tpe.cpp"
}
namespace evolution_library {
#include "../../plugins/tuners/evolution/evolution.cpp"
}
namespace local_search_library {
#include "../../plugins/tuners/local_search/local_search.cpp"
}
namespace none_library {
#include "../../plugins/schedulers/none/none.cpp"
}

using namespace espalier;

namespace {

const TunerType& tuner(const std::string& name) {
  static const Plugin plugin = [] {
    Plugin out;
    random_library::fill(out);
    grid_library::fill(out);
    greedy_library::fill(out);
    auto_library::fill(out);
    quasi_random_library::fill(out);
    tpe_library::fill(out);
    evolution_library::fill(out);
    local_search_library::fill(out);
    return out;
  }();
  for (const TunerType& type : plugin.tuners)
    if (type.name == name) return type;
  throw std::runtime_error("no tuner " + name);
}

const std::vector<std::string> kTuners{"random", "grid", "greedy", "auto", "quasi_random", "tpe", "evolution", "local_search"};

/// block: resnet (depth 1..3) or plain; with a rate of two values: (3 + 1) * 2 = 8 configurations.
Space small_space() {
  return {{{.name = "trunk.block", .choices = {"resnet", "plain"}, .first = "resnet"},
           {.name = "trunk.resnet.depth", .from = 1, .to = 3, .integer = true, .first = 2, .parent = "trunk.block", .parent_values = {"resnet"}},
           {.name = "train.rate", .choices = {0.1, 0.2}, .ordered = true, .first = 0.1}}};
}

Space wide_space() {
  Space space = small_space();
  space.axes.push_back({.name = "train.decay", .from = 1e-5, .to = 1e-1, .log = true, .first = 1e-3});
  return space;
}

bool anything(const Settings&) { return true; }

/// Asks until nothing is proposed or `most` trials are there; the objective is what `score` says.
History play(const std::string& name, const Space& space, size_t most, uint64_t seed, const Feasible& feasible = anything,
             const std::function<double(const Settings&)>& score = [](const Settings&) { return 1.0; }) {
  History history;
  while (history.size() < most) {
    Random random(derive_seed(seed, history.size()));
    const auto proposal = tuner(name).propose(Json::object(), space, history, random, feasible);
    if (!proposal) break;
    history.push_back(
        {.number = std::ssize(history), .settings = proposal->settings, .state = TrialState::complete, .objective = score(proposal->settings)});
  }
  return history;
}

std::set<std::string> keys(const History& history) { return tuners::tried_keys(history); }

bool in_domain(const Space& space, const Settings& settings) {
  for (const Axis& axis : space.axes) {
    const auto found = settings.find(axis.name);
    if ((found != settings.end()) != is_active(axis, settings)) return false;
    if (found == settings.end()) continue;
    if (!axis.choices.empty() && std::ranges::find(axis.choices, found->second) == axis.choices.end()) return false;
    if (axis.choices.empty() && (found->second.get<double>() < axis.from || found->second.get<double>() > axis.to)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("every tuner tries each configuration of a small space once and then says nothing") {
  for (const std::string& name : kTuners) {
    INFO(name);
    const History history = play(name, small_space(), 100, 7);
    CHECK(history.size() == 8);
    CHECK(keys(history).size() == 8);
  }
}

TEST_CASE("every tuner stays in the space and keeps to what is feasible") {
  const auto cheap = [](const Settings& settings) { return settings.at("train.rate") == Json(0.2); };
  for (const std::string& name : kTuners) {
    INFO(name);
    const History history = play(name, wide_space(), 30, 3, cheap);
    CHECK(history.size() == 30);
    CHECK(keys(history).size() == 30);
    for (const Result& result : history) {
      CHECK(in_domain(wide_space(), result.settings));
      CHECK(cheap(result.settings));
    }
    CHECK(play(name, small_space(), 100, 3, cheap).size() == 4);
    CHECK(play(name, small_space(), 100, 3, [](const Settings&) { return false; }).empty());
  }
}

TEST_CASE("every tuner is pure: the same seed and history give the same proposals, another seed others") {
  for (const std::string& name : kTuners) {
    if (name == "grid" || name == "quasi_random") continue;  // the one draws nothing, the other from the seed of the space
    INFO(name);
    CHECK(keys(play(name, wide_space(), 12, 1)) == keys(play(name, wide_space(), 12, 1)));
    CHECK(keys(play(name, wide_space(), 12, 1)) != keys(play(name, wide_space(), 12, 2)));
  }
}

TEST_CASE("random draws every value about equally often") {
  std::map<std::string, int> counts;
  for (uint64_t seed = 0; seed < 2000; ++seed)
    ++counts[play("random", small_space(), 1, seed).at(0).settings.at("trunk.block").get<std::string>()];
  CHECK(counts["resnet"] == Approx(1000).margin(150));
}

TEST_CASE("grid walks in order and spreads the points of a range") {
  const Space space{{{.name = "a", .choices = {1, 2}, .first = 1}, {.name = "b", .from = 1.0, .to = 1000.0, .log = true, .first = 1.0}}};
  History history;
  Random random(0);
  for (int i = 0; i < 100; ++i) {
    const auto proposal = tuner("grid").propose({{"points", 4}}, space, history, random, anything);
    if (!proposal) break;
    history.push_back({.number = i, .settings = proposal->settings, .state = TrialState::complete});
  }
  REQUIRE(history.size() == 8);
  CHECK(history[0].settings.at("a").get<int>() == 1);
  CHECK(history[4].settings.at("a").get<int>() == 2);
  for (size_t k = 0; k < 4; ++k) CHECK(history[k].settings.at("b").get<double>() == Approx(std::pow(10.0, k)));
}

TEST_CASE("greedy keeps the best configuration but for one group of its settings") {
  const Space space = wide_space();
  const auto decay = [](const Settings& settings) { return std::abs(std::log10(settings.at("train.decay").get<double>()) + 2.0); };
  History history = play("greedy", space, 20, 11, anything, decay);
  const Result best = *tuners::best_result(history);
  std::map<std::string, int> changed;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto proposal = tuner("greedy").propose(Json::object(), space, history, random, anything);
    for (const auto& [name, value] : best.settings)
      if (!proposal->settings.contains(name) || proposal->settings.at(name) != value) ++changed[name];
  }
  CHECK(changed["train.decay"] > 60);
  CHECK(changed["train.decay"] < 290);
}

TEST_CASE("greedy comes nearer to the optimum than chance") {
  const auto far = [](const Settings& settings) {
    return std::abs(std::log10(settings.at("train.decay").get<double>()) + 4.0) + (settings.at("trunk.block") == Json("plain") ? 0.0 : 5.0) +
           (settings.at("train.rate") == Json(0.2) ? 0.0 : 5.0);
  };
  double greedy = 0.0, random = 0.0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const History by_greed = play("greedy", wide_space(), 30, seed, anything, far);
    const History by_chance = play("random", wide_space(), 30, seed, anything, far);
    greedy += *tuners::best_result(by_greed)->objective;
    random += *tuners::best_result(by_chance)->objective;
  }
  CHECK(greedy < random);
}

TEST_CASE("failed and running trials are never the best, and are never proposed again") {
  History history{{.number = 0, .settings = first_settings(small_space()), .state = TrialState::failed},
                  {.number = 1, .settings = {{"trunk.block", "plain"}, {"train.rate", 0.1}}, .state = TrialState::running}};
  CHECK(tuners::best_result(history) == nullptr);
  for (uint64_t seed = 0; seed < 50; ++seed)
    for (const std::string& name : kTuners) {
      Random random(seed);
      const auto proposal = tuner(name).propose(Json::object(), small_space(), history, random, anything);
      CHECK_FALSE(keys(history).contains(canonical_key(proposal->settings)));
    }
}

TEST_CASE("auto begins with the first configuration") {
  CHECK(canonical_key(play("auto", wide_space(), 1, 5).at(0).settings) == canonical_key(first_settings(wide_space())));
}

TEST_CASE("the schedulers without a plan start trial after trial") {
  Plugin plugin;
  none_library::fill(plugin);
  Random random(0);
  CHECK(plugin.schedulers.at(0).next(Json::object(), 10.0, {}, random).kind == Step::Kind::start);
}

TEST_CASE("a space counts its configurations, inactive settings left out") {
  CHECK(small_space().size() == 8.0);
  CHECK(wide_space().size() == std::numeric_limits<double>::infinity());
  CHECK(Space{}.size() == 1.0);
}

TEST_CASE("inactive settings are dropped and active ones filled") {
  const Settings given{{"trunk.block", "plain"}, {"trunk.resnet.depth", 3}};
  const Settings settings = complete(small_space(), given, [](const Axis& axis) { return axis.first; });
  CHECK(canonical_key(settings) == "train.rate=0.1;trunk.block=\"plain\";");
}

TEST_CASE("equal numbers have equal keys") {
  CHECK(canonical_key({{"a", 2}}) == canonical_key({{"a", 2.0}}));
  CHECK(canonical_key({{"a", 2}}) != canonical_key({{"a", 2.5}}));
  CHECK(canonical_key({{"a", 2}}) != canonical_key({{"a", "2"}}));
}

TEST_CASE("a stepped range holds both its ends and draws nothing between its steps") {
  const Axis linear{.name = "a", .from = 0.1, .to = 0.5, .step = 0.1};
  CHECK(values(linear).size() == 5);
  const Axis factor{.name = "b", .from = 8, .to = 64, .integer = true, .log = true, .step = 2.0};
  CHECK(values(factor).size() == 4);
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    const auto points = values(factor);
    CHECK((std::ranges::find(points, draw(factor, random)) != points.end()));
  }
}

TEST_CASE("whole numbers are drawn from end to end, the ends as often as the rest") {
  const Axis axis{.name = "a", .from = 1, .to = 4, .integer = true};
  std::map<int64_t, int> counts;
  Random random(9);
  for (int i = 0; i < 4000; ++i) ++counts[draw(axis, random).get<int64_t>()];
  CHECK(counts.size() == 4);
  for (const auto& [value, count] : counts) CHECK(count == Approx(1000).margin(150));
}
