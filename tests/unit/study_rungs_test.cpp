#include "catch.h"
#include "study_fakes.h"

#include <sys/wait.h>

#include <csignal>

using namespace espalier;
using namespace espalier::testing;

namespace {

/// 8 configurations of up to 8 epochs, with rungs at 1, 2 and 4.
Pipeline with_rungs(int64_t trials) {
  Pipeline pipeline = pipeline_with(trials);
  pipeline.resolved["train"]["epochs"] = 8;
  pipeline.space.axes.push_back({.name = "epochs", .choices = {8}, .first = 8});
  pipeline.search.scheduler = "asha";
  pipeline.search.scheduler_settings = {{"eta", 2.0}, {"min", 1.0}};
  return pipeline;
}

std::vector<Decision> decisions_of(const std::filesystem::path& folder) { return open_store(folder)->decisions(); }

}  // namespace

TEST_CASE("trials pause at rungs, and the good ones go on from their checkpoints") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(with_rungs(8), folder.path(), watcher);
  CHECK(result.failed == 0);
  const auto trials = open_store(folder.path())->trials();
  REQUIRE(trials.size() == 8);
  double epochs = 0.0;
  for (const TrialRecord& trial : trials) {
    epochs += trial.epochs;
    CHECK((trial.state == TrialState::paused || trial.state == TrialState::complete));
    CHECK(std::ssize(open_store(folder.path())->epochs(trial.number)) == static_cast<int64_t>(trial.epochs));
  }
  CHECK(epochs < 8 * 8 / 2);
  REQUIRE(result.best);
  CHECK(result.best->settings.at("x") == 3);
  CHECK(result.best->epochs == 8.0);
  CHECK(text_of(folder.path() / "best/model.safetensors") == "weights of " + std::to_string(result.best->number));
  // Every decision has ended, numbered without gaps in both orders.
  std::vector<int64_t> ended;
  const auto decisions = decisions_of(folder.path());
  for (size_t i = 0; i < decisions.size(); ++i) {
    CHECK(decisions[i].number == static_cast<int64_t>(i));
    CHECK(decisions[i].seen == static_cast<int64_t>(i));  // one worker
    ended.push_back(decisions[i].ended);
  }
  CHECK(std::ranges::is_sorted(ended));
}

TEST_CASE("a study with rungs that is interrupted or killed anywhere ends as if it had not been") {
  const TemporaryFolder folder;
  const Pipeline pipeline = with_rungs(6);
  Watcher watcher;
  run(pipeline, folder.path() / "whole", watcher);
  const std::string whole = outcome(folder.path() / "whole").dump();
  for (int64_t epoch = 0; epoch < watcher.epochs; epoch += 3) {
    INFO(epoch);
    const auto cut = folder.path() / ("cut" + std::to_string(epoch));
    Watcher stopper;
    stopper.interrupt_at_epoch = epoch;
    run(pipeline, cut, stopper);
    CHECK(run(pipeline, cut, watcher).end == StudyEnd::finished);
    CHECK(outcome(cut).dump() == whole);
  }
  for (const int64_t victim : {1, 5, 9}) {
    INFO(victim);
    const auto cut = folder.path() / ("killed" + std::to_string(victim));
    const pid_t process = fork();
    if (process == 0) {
      class Killer : public Watcher {
       public:
        int64_t left = 0;
        void on_epoch(const TrialRecord&, const EpochRecord&) override {
          if (left-- == 0) raise(SIGKILL);
        }
      } killer;
      killer.left = victim;
      run(pipeline, cut, killer);
      _exit(0);
    }
    waitpid(process, nullptr, 0);
    run(pipeline, cut, watcher);
    CHECK(outcome(cut).dump() == whole);
  }
}

TEST_CASE("a study that is prolonged goes on as if it had been longer from the start") {
  const TemporaryFolder folder;
  Watcher watcher;
  run(with_rungs(8), folder.path() / "long", watcher);
  run(with_rungs(4), folder.path() / "short", watcher);
  run(with_rungs(8), folder.path() / "short", watcher);
  // What was promoted for want of more trials stays promoted; every trial of both is the same configuration.
  const auto first = open_store(folder.path() / "long")->trials(), second = open_store(folder.path() / "short")->trials();
  REQUIRE(first.size() == second.size());
  for (size_t i = 0; i < first.size(); ++i) CHECK(first[i].settings == second[i].settings);
}

TEST_CASE("a search leaves no checkpoint behind that nobody will go on from") {
  const TemporaryFolder folder;
  Watcher watcher;
  run(with_rungs(8), folder.path(), watcher);
  const auto store = open_store(folder.path());
  std::vector<std::string> wanted, found;
  for (const TrialRecord& trial : store->trials())
    if (trial.state == TrialState::paused) wanted.push_back(trial.checkpoint);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "trials"))
    if (entry.path().extension() == ".ckpt") found.push_back(entry.path().lexically_relative(folder.path()).string());
  std::ranges::sort(wanted);
  std::ranges::sort(found);
  CHECK(found == wanted);
}

TEST_CASE("in reproducible order any number of workers gives the same trials and the same decisions") {
  const TemporaryFolder folder;
  std::string first;
  for (const int64_t workers : {1, 2, 4}) {
    INFO(workers);
    Pipeline pipeline = with_rungs(8);
    pipeline.search.reproducible = true;
    pipeline.search.lag = 4;
    pipeline.workers = workers;
    Watcher watcher;
    const auto study = folder.path() / std::to_string(workers);
    CHECK(run(pipeline, study, watcher).end == StudyEnd::finished);
    Json all = outcome(study);
    for (const Decision& decision : decisions_of(study)) all.push_back({decision.trial, decision.until, decision.reason});
    if (workers == 1) first = all.dump();
    CHECK(all.dump() == first);
  }
}

TEST_CASE("several workers in order of arrival lose no trial and run none twice") {
  const TemporaryFolder folder;
  Pipeline pipeline = with_rungs(8);
  pipeline.workers = 4;
  Watcher watcher;
  CHECK(run(pipeline, folder.path(), watcher).end == StudyEnd::finished);
  const auto store = open_store(folder.path());
  CHECK(store->trials().size() == 8);
  for (const Decision& decision : store->decisions()) CHECK(decision.ended >= 0);
  for (const TrialRecord& trial : store->trials()) CHECK(std::ssize(store->epochs(trial.number)) == static_cast<int64_t>(trial.epochs));
}

TEST_CASE("folds pause and go on together with their trial") {
  const TemporaryFolder folder;
  Pipeline pipeline = with_rungs(6);
  pipeline.folds = 2;
  pipeline.search.refit.is_wanted = true;
  Watcher watcher;
  const StudyResult result = run(pipeline, folder.path(), watcher);
  REQUIRE(result.best);
  CHECK(result.failed == 0);
  const auto store = open_store(folder.path());
  for (const TrialRecord& trial : store->trials()) {
    const auto parts = store->parts(trial.number);
    CHECK(parts[0].epochs == parts[1].epochs);
    CHECK(parts[0].state == trial.state);
    CHECK(trial.seconds == Approx(parts[0].seconds + parts[1].seconds));
  }
}

TEST_CASE("branches go on from the checkpoint of another trial with settings of their own, and survive interruptions") {
  const TemporaryFolder folder;
  Pipeline pipeline = pipeline_with(4);
  pipeline.resolved["train"]["epochs"] = 3;
  pipeline.space.axes.push_back({.name = "train.rate", .from = 0.1, .to = 1.0, .log = true, .first = 0.5});
  pipeline.search.scheduler = "pbt";
  pipeline.search.scheduler_settings = {{"population", 4}, {"every", 1.0}, {"replaced", 0.25}, {"factor", 1.2}};
  Watcher watcher;
  const StudyResult result = run(pipeline, folder.path() / "whole", watcher);
  CHECK(result.failed == 0);
  const auto store = open_store(folder.path() / "whole");
  const auto trials = store->trials();
  REQUIRE(trials.size() == 6);  // one branch after the first epoch, one after the second
  int64_t branches = 0;
  const std::vector<Decision> decisions = store->decisions();
  for (const TrialRecord& trial : trials) {
    const Decision first = *std::ranges::find(decisions, trial.number, &Decision::trial);
    CHECK(std::ssize(store->epochs(trial.number)) == static_cast<int64_t>(trial.epochs - first.begun));
    if (first.begun == 0.0) continue;
    ++branches;
    REQUIRE_THAT(trial.reason, Catch::StartsWith("goes on from trial "));
    const TrialRecord& from = trials.at(std::stoul(trial.reason.substr(std::string("goes on from trial ").size())));
    CHECK(trial.settings.at("x") == from.settings.at("x"));
    const double factor = trial.settings.at("train.rate").get<double>() / from.settings.at("train.rate").get<double>();
    CHECK((factor == Approx(1.2) || factor == Approx(1.0 / 1.2) || trial.settings.at("train.rate") == 1.0 || trial.settings.at("train.rate") == 0.1));
    CHECK(trial.reason.find("train.rate") != std::string::npos);
  }
  CHECK(branches == 2);
  for (const int64_t epoch : {3, 5, 8}) {
    const auto cut = folder.path() / ("cut" + std::to_string(epoch));
    Watcher stopper;
    stopper.interrupt_at_epoch = epoch;
    CHECK(run(pipeline, cut, stopper).end == StudyEnd::interrupted);
    CHECK(run(pipeline, cut, watcher).end == StudyEnd::finished);
    CHECK(outcome(cut).dump() == outcome(folder.path() / "whole").dump());
  }
}
