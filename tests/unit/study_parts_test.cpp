#include "catch.h"
#include "espalier/study/parts.h"
#include "espalier/study/refit.h"
#include "study_fakes.h"

#include <algorithm>
#include <cmath>

using namespace espalier;
using namespace espalier::testing;

namespace {

Pipeline folded(int64_t trials, Json behaviours = {"ok"}) {
  Pipeline pipeline = pipeline_with(trials, std::move(behaviours));
  pipeline.folds = 3;
  pipeline.search.refit.is_wanted = true;
  return pipeline;
}

}  // namespace

TEST_CASE("a trial of folds scores their mean, and the winner is trained again on all rows") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(folded(2), folder.path(), watcher);
  REQUIRE(result.complete == 2);
  const auto store = open_sqlite(folder.path() / "study.db");
  const TrialRecord best = *result.best;
  const auto parts = store->parts(best.number);
  REQUIRE(parts.size() == 4);
  CHECK(parts[1].part == "fold 2");
  CHECK(*best.objective == Approx((*parts[0].objective + *parts[1].objective + *parts[2].objective) / 3));
  CHECK(best.scores.at("spread") == Approx(0.1 * *parts[0].objective));
  CHECK(best.epochs == 9.0);  // without the refit: it is no part of the search
  CHECK(store->document(best.number, "fold 2")["data"]["splits"] == "fold1of3");
  CHECK(parts[3].part == "refit");
  CHECK(parts[3].epochs == 3.0);
  const Json refit = store->document(best.number, "refit");
  CHECK(refit["data"]["splits"] == "whole");
  CHECK(refit["train"]["score"] == "last");
  CHECK_FALSE(refit["train"]["epochs"].contains("patience"));
  CHECK(text_of(folder.path() / "best/model.safetensors") == "weights of " + std::to_string(best.number) + ", refit");
  CHECK(store->parts(1 - best.number).size() == 3);
}

TEST_CASE("folds and refits that are interrupted end as if they had not been") {
  const TemporaryFolder folder;
  Watcher watcher;
  const Pipeline pipeline = folded(2);
  run(pipeline, folder.path() / "whole", watcher);
  for (const int64_t epoch : {1, 4, 12, 18, 19}) {
    INFO(epoch);
    const auto cut = folder.path() / ("cut" + std::to_string(epoch));
    Watcher stopper;
    stopper.interrupt_at_epoch = epoch;
    const StudyResult stopped = run(pipeline, cut, stopper);
    CHECK(stopped.end == StudyEnd::interrupted);
    CHECK(run(pipeline, cut, watcher).end == StudyEnd::finished);
    CHECK(outcome(cut).dump() == outcome(folder.path() / "whole").dump());
  }
}

TEST_CASE("a fold that is ordered to stop goes on from its own checkpoint") {
  const TemporaryFolder folder;
  const Pipeline pipeline = folded(1, {"ask_once"});
  StudyResult result{.end = StudyEnd::interrupted};
  int rounds = 0;
  for (; result.end == StudyEnd::interrupted && rounds < 20; ++rounds) {
    Watcher watcher;
    watcher.interrupt_at_epoch = 0;
    result = run(pipeline, folder.path(), watcher);
  }
  CHECK(rounds > 3);
  for (const TrialRecord& part : open_sqlite(folder.path() / "study.db")->parts(0)) {
    INFO(part.part);
    CHECK(part.epochs == 3.0);
    CHECK(part.attempts == 2);
  }
}

TEST_CASE("a fold that fails fails its trial and says which it was") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(folded(1, {"abort_in_fold_2"}), folder.path(), watcher);
  CHECK(result.failed == 1);
  CHECK_FALSE(result.best);
  const auto store = open_sqlite(folder.path() / "study.db");
  CHECK(store->trial(0)->cause == "crash");
  CHECK_THAT(store->trial(0)->message, Catch::Contains("fold 2: crashed with SIGABRT"));
  CHECK(store->parts(0).size() == 2);
}

TEST_CASE("replicates differ in their seeds alone, and the first one is the model") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1);
  pipeline.search.replicates = 3;
  const StudyResult result = run(pipeline, folder.path(), watcher);
  REQUIRE(result.complete == 1);
  CHECK(result.best->scores.at("parts") == 3);
  CHECK(result.best->scores.at("spread") == 0.0);
  const auto store = open_sqlite(folder.path() / "study.db");
  const Json first = store->document(0, "seed 1")["seeds"];
  CHECK(first == store->document(0)["seeds"]);
  CHECK(first != store->document(0, "seed 2")["seeds"]);
  CHECK(store->document(0, "seed 2")["seeds"] != store->document(0, "seed 3")["seeds"]);
  CHECK(text_of(folder.path() / "best/model.safetensors") == "weights of 0, seed 1");
}

TEST_CASE("the interval of a mean is that of Student's t") {
  // The 0.975 quantiles of the table: 12.706, 4.303, 2.776 and 2.045 with 1, 2, 4 and 29 degrees of freedom.
  CHECK(interval_of_mean(1.0, 2) == Approx(12.706 / std::sqrt(2.0)).epsilon(1e-4));
  CHECK(interval_of_mean(1.0, 3) == Approx(4.303 / std::sqrt(3.0)).epsilon(2e-4));
  CHECK(interval_of_mean(0.02, 5) == Approx(0.02 * 2.776 / std::sqrt(5.0)).epsilon(2e-4));
  CHECK(interval_of_mean(1.0, 30) == Approx(2.045 / std::sqrt(30.0)).epsilon(2e-4));
  CHECK(interval_of_mean(0.0, 4) == 0.0);
}

TEST_CASE("replicates have a confidence interval; folds and a single training have none") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"noisy"});
  pipeline.search.replicates = 3;
  const StudyResult result = run(pipeline, folder.path() / "replicates", watcher);
  REQUIRE(result.best);
  const double whole = *result.best->objective / 0.8;  // seeds score 0.9, 0.8 and 0.7 of it
  CHECK(result.best->scores.at("spread") == Approx(0.1 * whole));
  CHECK(result.best->scores.at("interval") == Approx(4.303 * 0.1 * whole / std::sqrt(3.0)).epsilon(2e-4));
  CHECK_THAT(text_of(folder.path() / "replicates/best/card.md"), Catch::Contains("mean of 3 trainings, 95 % confidence interval "));
  CHECK_FALSE(run(folded(1), folder.path() / "folds", watcher).best->scores.contains("interval"));
  CHECK_FALSE(run(pipeline_with(1), folder.path() / "one", watcher).best->scores.contains("interval"));
}

TEST_CASE("a refit may be longer than the trial was") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = folded(2);
  pipeline.search.refit.epochs = 7;
  run(pipeline, folder.path() / "whole", watcher);
  const auto store = open_sqlite(folder.path() / "whole/study.db");
  const int64_t best = store->parts(0).size() == 4 ? 0 : 1;
  CHECK(store->document(best, "refit")["train"]["epochs"] == Json{{"count", 7.0}});
  CHECK(store->trial(best, "refit")->epochs == 7.0);
  Watcher stopper;
  stopper.interrupt_at_epoch = 20;  // of 18 of trials and 7 of the refit
  CHECK(run(pipeline, folder.path() / "cut", stopper).end == StudyEnd::interrupted);
  CHECK(run(pipeline, folder.path() / "cut", watcher).end == StudyEnd::finished);
  CHECK(outcome(folder.path() / "cut").dump() == outcome(folder.path() / "whole").dump());
}

TEST_CASE("a refit fills the time that is left, and is never shorter than the best trial") {
  const TrialRecord trial{.scores = {{"best_epoch", 4.0}}, .epochs = 5.0, .seconds = 50.0};
  CHECK(fitting_epochs(trial, 1.0, 200.0) == 20);
  CHECK(fitting_epochs(trial, 1.25, 200.0) == 16);
  CHECK(fitting_epochs(trial, 1.0, 35.0) == 4);
  CHECK(fitting_epochs(trial, 1.0, -10.0) == 4);
}

TEST_CASE("a trial that was at its best well before its end is not trained for longer") {
  CHECK(was_rising({.scores = {{"best_epoch", 5.0}, {"epochs", 5.0}}}));
  CHECK(was_rising({.scores = {{"best_epoch", 4.0}, {"epochs", 5.0}}}));
  CHECK_FALSE(was_rising({.scores = {{"best_epoch", 14.0}, {"epochs", 28.0}}}));
  CHECK(was_rising({.scores = {}}));
}

TEST_CASE("time that is kept for the refit is not the trials'") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(100);
  pipeline.search.budget_seconds = 1.0;
  pipeline.search.refit = {.is_wanted = true, .epochs = 0.0, .share = 0.99};
  CHECK(pipeline.search.trial_seconds() == Approx(0.01));
  const StudyResult result = run(pipeline, folder.path(), watcher);
  const auto store = open_sqlite(folder.path() / "study.db");
  const double spent = store->info("spent_seconds")->get<double>();
  CHECK(spent >= 0.01);
  CHECK(result.complete < 8);
  const TrialRecord refit = store->trial(result.best->number, "refit").value();
  CHECK(refit.state == TrialState::complete);
  const auto most = static_cast<double>(fitting_epochs(*result.best, 2.0, 1.0 - spent));
  CHECK(refit.epochs <= most);
  CHECK(refit.epochs > most / 2.0);
}

TEST_CASE("a refit that fails leaves the weights that scored") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"abort_in_refit"});
  pipeline.search.refit.is_wanted = true;
  CHECK(run(pipeline, folder.path(), watcher).end == StudyEnd::finished);
  CHECK(text_of(folder.path() / "best/model.safetensors") == "weights of 0");
  CHECK(std::ranges::any_of(watcher.notes, [](const std::string& note) { return note.find("training trial 0 again failed (crash)") == 0; }));
}

TEST_CASE("a trial whose folds the time budget cuts off has no score, and a larger budget goes on with it") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = folded(1, {"ask_once"});
  pipeline.search.budget_seconds = 0.5;
  const StudyResult cut = run(pipeline, folder.path(), watcher);
  CHECK(cut.end == StudyEnd::finished);
  CHECK(cut.complete == 0);
  CHECK(cut.failed == 0);
  pipeline.search.budget_seconds = 0.0;
  pipeline.space.axes.front().choices = {"ask_once"};
  StudyResult result{.end = StudyEnd::interrupted};
  for (int round = 0; result.end == StudyEnd::interrupted && round < 20; ++round) {
    Watcher stopper;
    stopper.interrupt_at_epoch = 0;
    result = run(pipeline, folder.path(), stopper);
  }
  CHECK(result.complete == 1);
}

TEST_CASE("without validation the only trial has no score and is the best") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"unvalidated"});
  pipeline.space.axes.pop_back();
  pipeline.resolved["data"] = {{"split", {{"validation", "none"}}}};
  const StudyResult result = run(pipeline, folder.path(), watcher);
  REQUIRE(result.best);
  CHECK_FALSE(result.best->objective);
  CHECK(result.complete == 1);
  CHECK(text_of(folder.path() / "best/model.safetensors") == "weights of 0");
}
