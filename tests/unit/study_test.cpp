#include "catch.h"
#include "espalier/data/prepared.h"
#include "espalier/error.h"
#include "espalier/study/child.h"
#include "espalier/study/files.h"
#include "espalier/study/study.h"
#include "espalier/tuner.h"

#include "../../plugins/tuners/drawing.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

// Preparing data, registry and pipeline are other modules, tested on their own. Definitions of a program come before those
// of a shared library, so the study meets these plain ones here.
namespace espalier {

struct Registry::State {
  std::vector<Provided> provided;
  TunerType tuner;
  SchedulerType scheduler;
};
Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;
Registry::~Registry() = default;
Registry Registry::scan(const std::vector<std::filesystem::path>&) {
  Registry registry;
  registry.state_->provided.push_back({.kind = PluginKind::tuner, .name = "random", .library = "tuner_random.so", .library_sha256 = "ab12"});
  registry.state_->tuner.propose = [](const Json&, const Space& space, const History& history, Random& random,
                                      const Feasible& feasible) -> std::optional<Proposal> {
    const auto settings = tuners::draw_new(space, history, random, feasible);
    return settings ? std::optional<Proposal>({*settings, "drawn"}) : std::nullopt;
  };
  registry.state_->scheduler.next = [](const Json&, const History&, Random&) { return Step{}; };
  return registry;
}
const std::vector<Provided>& Registry::provided() const { return state_->provided; }
const TunerType& Registry::tuner(const std::string&) const { return state_->tuner; }
const SchedulerType& Registry::scheduler(const std::string&) const { return state_->scheduler; }
const ReaderType& Registry::reader(const std::string& name) const { fail("E1000", name); }

Preparation prepare_data(const DataRequest&, const FindReader&, const Progress& progress) {
  progress("data", 1.0);
  return {.folder = "cache", .key = "9c41", .splits = "split", .splits_key = "51ab"};
}
Splits read_splits(const std::filesystem::path&) { return {.train = {}, .validation = {}, .test = {10, 11, 12}}; }
Json trial_document(const Pipeline&, const Settings& settings, const Registry&, const Preparation& data, const std::string& study,
                    int64_t number) {
  return {{"study", study}, {"number", number}, {"settings", settings}, {"data", data.key},
          {"network", {{"outputs", {{{"head", "label"}, {"decode", {{"classes", {"a", "b"}}}}}}}}}};
}
bool is_feasible(const Pipeline& pipeline, const Settings& settings, const Registry&) {
  return pipeline.search.constraints.empty() || settings.at("x").get<double>() < 4;
}

}  // namespace espalier

using namespace espalier;

namespace {

std::filesystem::path fake_trainer() { return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fake_trainer"; }

/// A folder that goes away with the test.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "espalier-study-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

Json job(const std::string& behaviour, const Folder& folder) {
  return {{"format", 1}, {"do", "train"}, {"trial", {{"settings", {{"behaviour", behaviour}}}}},
          {"attempt", {{"token", 1}, {"from", 0}, {"until", nullptr}, {"read", ""}, {"write", folder.path.string()}}}};
}

ChildOptions child(const Folder& folder) {
  return {.program = fake_trainer(), .log = folder.path / "log.txt", .silence_seconds = 60, .grace_seconds = 0.3};
}

ChildEnd run(const std::string& behaviour) {
  const Folder folder;
  return run_child(child(folder), job(behaviour, folder), {});
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// x in 0..7, behaviour ok: 8 configurations.
Pipeline pipeline_with(int64_t trials, Json behaviours = {"ok"}) {
  Pipeline pipeline{.name = "test", .text = "graph: {}\n"};
  pipeline.resolved = {{"search", {{"tuner", {{"random", Json::object()}}}, {"budget", {{"trials", trials}}}}}, {"seed", 5}};
  pipeline.space.axes.push_back({.name = "behaviour", .choices = behaviours.get<std::vector<Json>>(), .first = behaviours[0]});
  pipeline.space.axes.push_back({.name = "x", .from = 0, .to = 7, .integer = true, .first = 0});
  pipeline.search.objective = {.metric = "val_accuracy", .maximize = true};
  pipeline.search.budget_trials = trials;
  pipeline.seed = 5;
  pipeline.sketch.has_test = true;
  return pipeline;
}

/// Presses Ctrl-C at given moments and remembers what it was told.
class Watcher : public Observer {
 public:
  std::atomic<int> interrupts = 0;
  int64_t interrupt_at_epoch = -1;  ///< counted over all trials
  std::vector<std::string> notes;
  int64_t epochs = 0;
  int64_t ends = 0;

  void on_epoch(const TrialRecord&, const EpochRecord&) override {
    if (epochs++ == interrupt_at_epoch) interrupts = 1;
  }
  void on_trial_end(const TrialRecord&) override { ++ends; }
  void on_note(const std::string& note) override { notes.push_back(note); }
};

StudyResult run(const Pipeline& pipeline, const std::filesystem::path& folder, Watcher& watcher) {
  return run_study(pipeline, Registry::scan({}), {.folder = folder, .trainer = fake_trainer(), .interrupts = &watcher.interrupts}, watcher);
}

/// What must not depend on interruptions.
Json outcome(const std::filesystem::path& folder) {
  Json out = Json::array();
  const auto store = open_sqlite(folder / "study.db");
  for (const TrialRecord& trial : store->trials()) {
    Json epochs = Json::array();
    for (const EpochRecord& epoch : store->epochs(trial.number)) epochs.push_back({epoch.epoch, epoch.metrics});
    out.push_back({trial.number, trial.settings, trial.reason, to_string(trial.state), trial.scores, trial.objective.value_or(-1), epochs});
  }
  return out;
}

}  // namespace

TEST_CASE("a trainer that says it is done has succeeded") {
  const Folder folder;
  std::vector<Json> messages;
  const ChildEnd end = run_child(child(folder), job("ok", folder), [&](const Json& message) { messages.push_back(message); });
  CHECK(end.cause.empty());
  CHECK(end.message.empty());
  CHECK(end.done.contains("val_accuracy"));
  CHECK(messages.front().contains("hello"));
  CHECK(messages.back().contains("done"));
  CHECK(messages.size() == 8);
}

TEST_CASE("every way of ending is told apart") {
  const auto check = [](const std::string& behaviour, const std::string& cause, const std::string& message) {
    INFO(behaviour);
    const ChildEnd end = run(behaviour);
    CHECK(end.cause == cause);
    CHECK(end.message.find(message) != std::string::npos);
  };
  check("abort", "crash", "crashed with SIGABRT");
  check("segv", "crash", "crashed with SIGSEGV");
  check("killed", "crash", "killed (maybe out of memory)");
  check("early", "crash", "ended early with exit code 4: bye");
  check("throws_memory", "memory", "bad_alloc");
  check("memory_exit", "memory", "out of memory");
  check("nan", "nan", "epoch 2, step 31: lower the learning rate");
  check("unknown_cause", "crash", "");
}

TEST_CASE("limits end a trainer that works on, hangs or is frozen") {
  const Folder folder;
  ChildOptions options = child(folder);
  options.limit_seconds = 0.3;
  const ChildEnd slow = run_child(options, job("chatty", folder), {});
  CHECK(slow.cause == "timeout");
  CHECK(slow.message == "ran longer than its limit of 0.3 s");
  options.limit_seconds = 0;
  options.silence_seconds = 0.3;
  for (const std::string behaviour : {"silent", "frozen"}) {
    const ChildEnd end = run_child(options, job(behaviour, folder), {});
    CHECK(end.cause == "timeout");
    CHECK(end.message == "hung: said nothing for 0.3 s");
  }
  options.silence_seconds = 60;
  options.limit_bytes = 64 << 20;
  CHECK(run_child(options, job("fat", folder), {}).cause == "memory");
}

TEST_CASE("one interrupt asks, two kill") {
  const Folder folder;
  std::atomic<int> interrupts = 1;
  ChildOptions options = child(folder);
  options.interrupts = &interrupts;
  const ChildEnd asked = run_child(options, job("stoppable", folder), {});
  CHECK(asked.cause == "interrupted");
  CHECK(asked.message == "stopped after a step");
  interrupts = 2;
  CHECK(run_child(options, job("silent", folder), {}).cause == "interrupted");
}

TEST_CASE("no process of a trainer outlives it, and no descriptor is left open") {
  const auto open_files = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  const auto before = open_files();
  const Folder folder;
  CHECK(run_child(child(folder), job("grandchild", folder), {}).cause.empty());
  CHECK_THROWS_AS(run_child(child(folder), job("ok", folder), [](const Json&) { throw std::runtime_error("stop"); }), std::runtime_error);
  CHECK_THROWS_AS(run_child(child(folder), job("nonsense", folder), {}), Error);
  CHECK(open_files() == before);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  ChildOptions absent = child(folder);
  absent.program = "/nowhere/trainer";
  CHECK_THROWS_AS(run_child(absent, job("ok", folder), {}), Error);
}

TEST_CASE("a study finds the best of a small space and writes its folder") {
  const Folder folder;
  Watcher watcher;
  const StudyResult result = run(pipeline_with(100), folder.path / "s", watcher);
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
    CHECK(std::filesystem::exists(folder.path / "s" / name));
  CHECK(text_of(folder.path / "s/best/model.safetensors") == "weights of " + std::to_string(result.best->number));
  std::vector<int> rows = Json::parse(text_of(folder.path / "s/best/samples.json"))["rows"].get<std::vector<int>>();
  std::ranges::sort(rows);
  CHECK(rows == std::vector<int>{10, 11, 12});
  CHECK(Json::parse(text_of(folder.path / "s/best/decode.json"))["label"]["classes"].size() == 2);
  CHECK(Json::parse(text_of(folder.path / "s/lock.json"))["plugins"]["tuner_random.so"].get<std::string>() == "ab12");
}

TEST_CASE("the test split is read once, however often a finished study is run again") {
  const Folder folder;
  Watcher watcher;
  const StudyResult once = run(pipeline_with(3), folder.path / "s", watcher);
  const StudyResult again = run(pipeline_with(3), folder.path / "s", watcher);
  CHECK(again.complete == 3);
  CHECK(once.scores.dump() == again.scores.dump());
  CHECK(text_of(folder.path / "s/best/evaluate/count.txt") == "evaluated\n");
}

TEST_CASE("a study goes on with a larger budget and refuses another pipeline") {
  const Folder folder;
  Watcher watcher;
  run(pipeline_with(2), folder.path / "s", watcher);
  CHECK(run(pipeline_with(4), folder.path / "s", watcher).complete == 4);
  Pipeline other = pipeline_with(4);
  other.resolved["seed"] = 6;
  CHECK_THROWS_WITH(run(other, folder.path / "s", watcher), Catch::Contains("'seed' differs"));
}

TEST_CASE("an interrupted study has the same trials in the end as one that was not") {
  const Folder folder;
  const Pipeline pipeline = pipeline_with(5, {"ask_once", "ok"});
  // Trials that wait for an order at their first attempt are ordered to stop as soon as they have had one epoch.
  int rounds = 0;
  StudyResult result{.end = StudyEnd::interrupted};
  while (result.end == StudyEnd::interrupted && rounds < 50) {
    Watcher watcher;
    watcher.interrupt_at_epoch = 0;
    result = run(pipeline, folder.path / "broken", watcher);
    ++rounds;
  }
  CHECK(rounds > 3);
  const Json broken = outcome(folder.path / "broken");
  REQUIRE(broken.size() == 5);
  for (const Json& trial : broken) {
    CHECK(trial[3].get<std::string>() == "complete");
    CHECK(trial[6].size() == 3);
  }
  const Folder second;
  Watcher watcher;
  const Pipeline same = pipeline_with(5, {"ok", "ok2"});
  run(same, second.path / "whole", watcher);
  Watcher stopper;
  stopper.interrupt_at_epoch = 4;
  CHECK(run(same, second.path / "cut", stopper).end == StudyEnd::interrupted);
  run(same, second.path / "cut", watcher);
  CHECK(outcome(second.path / "whole").dump() == outcome(second.path / "cut").dump());
}

TEST_CASE("a study that is killed goes on as if it had not been") {
  const Folder folder;
  const Pipeline pipeline = pipeline_with(6);
  Watcher watcher;
  run(pipeline, folder.path / "whole", watcher);
  const pid_t process = fork();
  if (process == 0) {
    class Killer : public Watcher {
      void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override {
        if (trial.number == 2 && epoch.epoch == 2) raise(SIGKILL);
      }
    } killer;
    run(pipeline, folder.path / "cut", killer);
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  const StudyResult result = run(pipeline, folder.path / "cut", watcher);
  CHECK(result.complete == 6);
  CHECK(open_sqlite(folder.path / "cut/study.db")->trial(2)->attempts == 2);
  CHECK(outcome(folder.path / "whole").dump() == outcome(folder.path / "cut").dump());
}

TEST_CASE("trials that fail are recorded with their cause and end no study") {
  const Folder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(6, {"abort", "nan", "no_score", "nonsense", "early", "ok"});
  for (const char* behaviour : {"nan", "no_score", "nonsense", "early", "ok"}) pipeline.search.first.push_back({{"behaviour", behaviour}});
  const StudyResult result = run(pipeline, folder.path / "s", watcher);
  CHECK(result.failed == 4);
  CHECK(result.complete == 2);  // no_score has the score of its best epoch
  const auto trials = open_sqlite(folder.path / "s/study.db")->trials();
  REQUIRE(trials.size() == 6);
  const std::vector<std::string> causes{"nan", "", "crash", "crash", "", "crash"};
  for (size_t i = 0; i < causes.size(); ++i) CHECK(trials[i].cause == causes[i]);
  CHECK(trials[0].reason == "given under 'first'");
  CHECK(trials[5].reason == "the first configuration");
  CHECK(watcher.ends == 6);
}

TEST_CASE("what breaks a constraint is never trained") {
  const Folder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(100);
  pipeline.search.constraints = {"x < 4"};
  CHECK(run(pipeline, folder.path / "s", watcher).complete == 4);
}

TEST_CASE("a budget of epochs ends the search") {
  const Folder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(0);
  pipeline.search.budget_epochs = 5;
  CHECK(run(pipeline, folder.path / "s", watcher).complete == 2);
}

TEST_CASE("the time budget stops a trial, and its best epoch counts") {
  const Folder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(1, {"stoppable"});
  pipeline.search.budget_seconds = 1.0;
  const StudyResult result = run(pipeline, folder.path / "s", watcher);
  CHECK(result.end == StudyEnd::finished);
  REQUIRE(result.complete == 1);
  CHECK(result.best->epochs == 1.0);
  CHECK(text_of(folder.path / "s/best/model.safetensors") == "weights of 0");
  CHECK(open_sqlite(folder.path / "s/study.db")->info("spent_seconds")->get<double>() >= 1.0);
}

TEST_CASE("a study without anything to search has one trial") {
  const Folder folder;
  Watcher watcher;
  Pipeline pipeline = pipeline_with(0);
  pipeline.space.axes.clear();
  CHECK(run(pipeline, folder.path / "s", watcher).complete == 1);
}

TEST_CASE("two processes never run one study at a time") {
  const Folder folder;
  const FolderLock lock(folder.path);
  Watcher watcher;
  CHECK_THROWS_WITH(run(pipeline_with(1), folder.path, watcher), Catch::Contains("another process"));
}

TEST_CASE("tuners see maximised objectives negated, and ties go to the lower number") {
  std::vector<TrialRecord> trials{{.number = 0, .state = TrialState::complete, .objective = 0.5},
                                  {.number = 1, .state = TrialState::complete, .objective = 0.9},
                                  {.number = 2, .state = TrialState::complete, .objective = 0.9},
                                  {.number = 3, .state = TrialState::failed, .objective = {}}};
  CHECK(history(trials, {"val_accuracy", true}).at(1).objective == -0.9);
  CHECK(history(trials, {"val_loss", false}).at(1).objective == 0.9);
  CHECK_FALSE(history(trials, {"val_loss", false}).at(3).objective.has_value());
  CHECK(best_trial(trials, {"val_accuracy", true})->number == 1);
  CHECK(best_trial(trials, {"val_loss", false})->number == 0);
  CHECK_FALSE(best_trial({}, {"val_loss", false}).has_value());
}

TEST_CASE("a document is written as YAML that reads as it was, with origins") {
  const Json value{{"seed", 5}, {"graph", {{"trunk", {{"block", "resnet"}, {"yes", "no"}, {"list", {1, 2}}}}}},
                   {"items", {{{"a", 1}, {"b", {{"c", "x: y"}}}}, 3}}, {"empty", Json::object()}};
  CHECK(to_yaml(value, {{"seed", {"file:3:7"}}}) ==
        "empty: {}\n"
        "graph:\n"
        "  trunk:\n"
        "    block: resnet\n"
        "    list: [1, 2]\n"
        "    \"yes\": \"no\"\n"
        "items:\n"
        "  - a: 1\n"
        "    b:\n"
        "      c: \"x: y\"\n"
        "  - 3\n"
        "seed: 5  # file:3:7\n");
}
