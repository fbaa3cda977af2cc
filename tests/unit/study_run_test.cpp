#include "catch.h"
#include "study_fakes.h"

#include "espalier/data/processor.h"

#include <thread>

using namespace espalier;
using namespace espalier::testing;

TEST_CASE("a study finds the best of a small space and writes its folder") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(pipeline_with(100), folder.path() / "s", watcher);
  CHECK(result.end == StudyEnd::finished);
  CHECK(result.complete == 8);
  CHECK(result.failed == 0);
  REQUIRE(result.best);
  CHECK(result.best->settings.at("x").get<int>() == 3);
  CHECK(result.scores["test"]["test_accuracy"].get<double>() == 0.5);
  CHECK(result.scores["baseline"]["test_accuracy"].get<double>() == 0.1);
  CHECK(result.scores["search"]["val_accuracy"].get<double>() == Approx(0.75));
  for (const char* name : {"pipeline.yaml", "resolved.yaml", "lock.json", "study.db", "best/network.json", "best/scores.json",
                           "best/card.md", "best/samples.json", "best/features.json", "trials/0000/trial.json",
                           "trials/0000/attempts/1/log.txt"})
    CHECK(std::filesystem::exists(folder.path() / "s" / name));
  CHECK(text_of(folder.path() / "s/best/model.safetensors") == "weights of " + std::to_string(result.best->number));
  std::vector<int> rows = Json::parse(text_of(folder.path() / "s/best/samples.json"))["rows"].get<std::vector<int>>();
  std::ranges::sort(rows);
  CHECK(rows == std::vector<int>{10, 11, 12});
  CHECK(Json::parse(text_of(folder.path() / "s/best/decode.json"))["label"]["classes"].size() == 2);
  CHECK(Json::parse(text_of(folder.path() / "s/lock.json"))["plugins"]["tuner_random.so"].get<std::string>() == "ab12");
}

TEST_CASE("the test split is read once, however often a finished study is run again") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult once = run(pipeline_with(3), folder.path() / "s", watcher);
  const StudyResult again = run(pipeline_with(3), folder.path() / "s", watcher);
  CHECK(again.complete == 3);
  CHECK(once.scores.dump() == again.scores.dump());
  CHECK(text_of(folder.path() / "s/best/evaluate/count.txt") == "evaluated\n");
}

TEST_CASE("a study goes on with a larger budget and refuses another pipeline") {
  const TemporaryFolder folder;
  Watcher watcher;
  run(pipeline_with(2), folder.path() / "s", watcher);
  CHECK(run(pipeline_with(4), folder.path() / "s", watcher).complete == 4);
  Pipeline other = pipeline_with(4);
  other.resolved["seed"] = 6;
  CHECK_THROWS_WITH(run(other, folder.path() / "s", watcher), Catch::Contains("'seed' differs"));
}

TEST_CASE("what breaks a constraint is never trained") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(100);
  pipeline.search.constraints = {"x < 4"};
  CHECK(run(pipeline, folder.path() / "s", watcher).complete == 4);
}

TEST_CASE("a budget of epochs ends the search") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(0);
  pipeline.search.budget_epochs = 5;
  CHECK(run(pipeline, folder.path() / "s", watcher).complete == 2);
}

TEST_CASE("the time budget stops a trial, and its best epoch counts") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"stoppable"});
  pipeline.search.budget_seconds = 1.0;
  const StudyResult result = run(pipeline, folder.path() / "s", watcher);
  CHECK(result.end == StudyEnd::finished);
  REQUIRE(result.complete == 1);
  CHECK(result.best->epochs == 1.0);
  CHECK(text_of(folder.path() / "s/best/model.safetensors") == "weights of 0");
  CHECK(open_sqlite(folder.path() / "s/study.db")->info("spent_seconds")->get<double>() >= 1.0);
}

TEST_CASE("a trainer that gives no score has that of the epoch whose weights it keeps") {
  const auto [score, epoch] = GENERATE(table<std::string, int64_t>({{"best", 1}, {"last", 3}}));
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"no_score"});
  pipeline.search.objectives = {{.metric = "val_accuracy", .maximize = false}};  // which rises with the epochs
  pipeline.resolved["train"]["score"] = score;
  const StudyResult result = run(pipeline, folder.path() / "s", watcher);
  REQUIRE(result.complete == 1);
  CHECK(result.best->scores.at("best_epoch") == static_cast<double>(epoch));
}

TEST_CASE("a study without anything to search has one trial") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(0);
  pipeline.space.axes.clear();
  CHECK(run(pipeline, folder.path() / "s", watcher).complete == 1);
}

TEST_CASE("trials that fail are recorded with their cause and end no study") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(6, {"abort", "nan", "no_score", "nonsense", "early", "ok"});
  for (const char* behaviour : {"nan", "no_score", "nonsense", "early", "ok"}) pipeline.search.first.push_back({{"behaviour", behaviour}});
  const StudyResult result = run(pipeline, folder.path() / "s", watcher);
  CHECK(result.failed == 4);
  CHECK(result.complete == 2);  // no_score has the score of its best epoch
  const auto trials = open_sqlite(folder.path() / "s/study.db")->trials();
  REQUIRE(trials.size() == 6);
  const std::vector<std::string> causes{"nan", "", "crash", "crash", "", "crash"};
  for (size_t i = 0; i < causes.size(); ++i) CHECK(trials[i].cause == causes[i]);
  CHECK(trials[0].reason == "given under 'first'");
  CHECK(trials[5].reason == "the first configuration");
  CHECK(watcher.ends == 6);
}

TEST_CASE("the lock says what trained, and another machine is a note") {
  const TemporaryFolder folder;
  Watcher watcher;
  run(pipeline_with(1), folder.path(), watcher);
  CHECK(Json::parse(text_of(folder.path() / "lock.json"))["machine"]["device"] == "fake");
  CHECK(watcher.notes.empty());
  Json machine = *open_sqlite(folder.path() / "study.db")->info("machine");
  machine["device"] = "other";
  open_sqlite(folder.path() / "study.db")->set_info("machine", machine);
  run(pipeline_with(2), folder.path(), watcher);
  REQUIRE_FALSE(watcher.notes.empty());
  CHECK_THAT(watcher.notes.front(), Catch::Contains("'device' was \"other\" and is \"fake\""));
  CHECK(Json::parse(text_of(folder.path() / "lock.json"))["machine"]["device"] == "other");
}

TEST_CASE("what auto means is settled when a study begins, and kept") {
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(2);
  pipeline.workers = 2;
  run(pipeline, folder.path(), watcher);
  const auto store = open_sqlite(folder.path() / "study.db");
  const Json precision = store->info("precision").value_or(Json());
  const Json threads = store->info("threads").value_or(Json());
  REQUIRE(precision.is_string());
  CHECK((precision == "bf16" || precision == "float32"));
  CHECK(2 * threads.get<int64_t>() <= std::max<int64_t>(2, std::thread::hardware_concurrency()));
  CHECK(store->document(0).at("train").at("precision") == precision);
  CHECK(store->document(0).at("train").at("device") == "cpu");
  CHECK(store->document(0).at("train").at("threads") == threads);
  pipeline.workers = 1;
  pipeline.search.budget_trials = 3;
  run(pipeline, folder.path(), watcher);
  CHECK(store->document(2).at("train").at("threads") == threads);
}

TEST_CASE("a study that trains on a GPU is not begun where there is none") {
  if (has_gpu()) return;
  const TemporaryFolder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1);
  pipeline.resolved["train"]["device"] = "cuda";
  CHECK_THROWS_WITH(run(pipeline, folder.path(), watcher), Catch::Contains("there is none here"));
}

TEST_CASE("a study of which every trial fails has no best model") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(pipeline_with(2, {"early"}), folder.path(), watcher);
  CHECK(result.end == StudyEnd::finished);
  CHECK(result.failed == 2);
  CHECK_FALSE(result.best);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "best"));
  CHECK_THAT(text_of(folder.path() / "trials/0000/attempts/1/log.txt"), Catch::Contains("bye"));
}

TEST_CASE("a study whose folder is deleted while it runs says so and ends") {
  const TemporaryFolder folder;
  class Deleter : public Watcher {
   public:
    explicit Deleter(std::filesystem::path victim) : victim_(std::move(victim)) {}
    void on_trial_end(const TrialRecord&) override { std::filesystem::remove_all(victim_); }

   private:
    std::filesystem::path victim_;
  } deleter(folder.path() / "s");
  CHECK_THROWS_WITH(run(pipeline_with(3), folder.path() / "s", deleter), Catch::Contains("deleted or moved"));
}

TEST_CASE("what the trainer warns of is told") {
  const TemporaryFolder folder;
  Watcher watcher;
  run(pipeline_with(1, {"warns"}), folder.path(), watcher);
  REQUIRE(watcher.notes.size() == 1);
  CHECK(watcher.notes.front() == "trial 0: something is odd");
}
