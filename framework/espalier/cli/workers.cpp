#include "espalier/cli/places.h"
#include "espalier/cli/signals.h"
#include "espalier/cli/studies.h"
#include "espalier/cli/watch.h"
#include "espalier/pipeline/names.h"
#include "espalier/store/best.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

/// A study that was begun, and the pipeline that it was begun with.
struct Begun {
  fs::path folder;
  Registry registry;
  Pipeline pipeline;
};

Begun begun(const Call& call, const std::string& word, const std::vector<std::string>& more) {
  const fs::path folder = find_study(word, studies_folder(call)).folder;
  Registry registry = scan_registry(call);
  Pipeline pipeline = load_pipeline(kept_request(folder, more), registry);
  return {.folder = folder, .registry = std::move(registry), .pipeline = std::move(pipeline)};
}

int64_t count_of(const Call& call, const std::string& name, int64_t fallback) {
  const std::string text = call.value(name);
  if (text.empty()) return fallback;
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > 10000)
    fail("E0004", fmt::format("--{} takes a count of 1 to 10000, not '{}'", name, text));
  return count;
}

int worker(const Call& call) {
  const Begun study = begun(call, call.word(0, "a study"), {});
  const StudyOptions options{.folder = study.folder, .trainer = trainer(), .interrupts = &interrupts()};
  listen_for_signals();
  StudyEnd end = StudyEnd::finished;
  {
    Watch watch(study.pipeline);
    end = run_workers(study.pipeline, study.registry, options, watch, count_of(call, "count", 1));
  }
  if (end == StudyEnd::finished) return 0;
  fmt::print(stderr, "stopped; what was begun goes on from its last checkpoint\n");
  return interrupted_exit_code();
}

int stop(const Call& call) {
  const StudyPlace place = find_study(call.words.empty() ? "latest" : call.words[0], studies_folder(call));
  open_store(place.folder)->set_info("stop", true);
  if (call.json()) print_json({{"study", place.folder.string()}, {"stop", true}});
  else
    fmt::print("{} stops after the step that each of its workers is at; go on with: espalier resume {}\n", place.folder.string(),
               place.folder.string());
  return 0;
}

/// Settings of a list such as 'a=1 b=2', read by the rules of search.first.
std::vector<Settings> given_settings(const Call& call, const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) fail("E0003", fmt::format("'{}' is not NAME=VALUE", word));
    list += (list.empty() ? "" : ", ") + word.substr(0, equals) + ": " + word.substr(equals + 1);
  }
  return begun(call, call.words[0], {"search.first=[{" + list + "}]"}).pipeline.search.first;
}

/// The best settings of another study, as far as its axes are those of this one.
std::vector<Settings> settings_of(const Call& call, const Space& space) {
  const fs::path folder = find_study(call.value("from"), studies_folder(call)).folder;
  const std::unique_ptr<Store> store = open_store(folder);
  std::vector<TrialRecord> trials = store->trials();
  std::erase_if(trials, [](const TrialRecord& trial) { return !trial.objective; });
  sort_best_first(trials, objectives_of(*store).front().maximize);
  std::vector<Settings> out;
  for (const TrialRecord& trial : trials) {
    const Settings settings = complete(space, trial.settings, [](const Axis& axis) { return axis.first; });
    const bool fits = std::ranges::all_of(space.axes, [&](const Axis& axis) {
      const auto value = settings.find(axis.name);
      return value == settings.end() || holds(axis, value->second);
    });
    if (fits && std::ranges::find(out, settings) == out.end() && std::ssize(out) < count_of(call, "best", 5)) out.push_back(settings);
  }
  if (out.empty()) fail("E0004", fmt::format("no scored trial of '{}' fits the space of this study", folder.string()));
  return out;
}

int enqueue(const Call& call) {
  call.word(0, "a study");
  const Begun study = begun(call, call.words[0], {});
  const std::vector<std::string> words(call.words.begin() + 1, call.words.end());
  if (words.empty() == call.value("from").empty())
    fail("E0003", "give either settings NAME=VALUE or --from STUDY", "espalier enqueue latest trunk.depth=3");
  const std::vector<Settings> all = words.empty() ? settings_of(call, study.pipeline.space) : given_settings(call, words);
  const std::string reason = words.empty() ? "one of the best of " + call.value("from") : "enqueued by hand";
  Watch watch(study.pipeline);
  std::vector<int64_t> numbers;
  for (const Settings& settings : all) numbers.push_back(espalier::enqueue(study.pipeline, study.registry, study.folder, settings, reason, watch));
  if (call.json()) {
    print_json({{"study", study.folder.string()}, {"trials", numbers}});
    return 0;
  }
  for (size_t i = 0; i < all.size(); ++i)
    fmt::print("trial {} waits: {}\n", numbers[i], join(settings_in_short(study.pipeline.space, all[i]), "  "));
  return 0;
}

}  // namespace

std::vector<Verb> worker_verbs() {
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  return {
      {"worker",
       "works for a study that is being run, here or on another machine, until its search is over",
       "STUDY",
       "espalier worker latest --count 2",
       {studies, {"count", "trials at a time (1)", "N"}},
       worker},
      {"stop", "asks all workers of a study to stop after their step", "[STUDY]", "espalier stop latest", {studies}, stop},
      {"enqueue",
       "adds trials to a study: settings by hand, or the best of another study",
       "STUDY [NAME=VALUE ...]",
       "espalier enqueue latest trunk.depth=3",
       {studies, {"from", "another study", "STUDY"}, {"best", "how many of its best trials (5)", "N"}},
       enqueue},
  };
}

}  // namespace espalier::cli
