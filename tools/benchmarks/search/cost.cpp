#include "cost.h"

#include "espalier/error.h"
#include "espalier/store/store.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace espalier::bench {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Ten hyperparameters: six numbers, four words of four; nothing to train.
Task instantaneous() {
  Task task{.name = "instantaneous"};
  for (int i = 0; i < 6; ++i) task.space.axes.push_back({.name = "x" + std::to_string(i), .from = 0.0, .to = 1.0});
  for (int i = 0; i < 4; ++i) task.space.axes.push_back({.name = "c" + std::to_string(i), .choices = {"0", "1", "2", "3"}});
  task.objective = [](const Settings& settings, size_t, uint64_t) {
    double sum = 0.0;
    for (int i = 0; i < 6; ++i) sum += std::pow(settings.at("x" + std::to_string(i)).get<double>(), 2.0);
    for (int i = 0; i < 4; ++i) sum += std::stod(settings.at("c" + std::to_string(i)).get<std::string>());
    return std::optional(sum);
  };
  return task;
}

Result complete_trial(const Task& task, int64_t number, const Settings& settings) {
  const std::optional<double> objective = task.objective(settings, 1, 0);
  return {.number = number, .settings = settings, .state = TrialState::complete, .objective = objective, .fidelity = 1.0,
          .cost = 1.0, .curve = {{.fidelity = 1.0, .objective = objective.value()}}};
}

/// The median of at least 5 proposals, of up to 25 as long as they take no longer than a second together.
double time_of_proposal(const Task& task, const Player& player, size_t length) {
  constexpr size_t kLeast = 5;
  constexpr size_t kMost = 25;
  constexpr double kEnough = 1000.0;
  Random random(derive_seed(0, "history"));
  History history;
  while (history.size() < length) history.push_back(complete_trial(task, std::ssize(history), draw_settings(task.space, random)));
  std::vector<double> times;
  double sum = 0.0;
  for (uint64_t i = 0; i < kMost && (i < kLeast || sum < kEnough); ++i) {
    Decider decider(task, player, i, false);
    const auto begin = Clock::now();
    require(decider.next(history).has_value(), "E4020", "tuner '" + player.label + "' proposes nothing");
    times.push_back(milliseconds_since(begin));
    sum += times.back();
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

/// A store that is gone when this goes.
class TemporaryStore {
 public:
  explicit TemporaryStore(const std::filesystem::path& folder) : file_(folder / "study.db") {
    std::filesystem::create_directories(folder);
    remove();
    store_ = open_sqlite(file_);
  }
  ~TemporaryStore() {
    store_.reset();
    remove();
  }
  TemporaryStore(const TemporaryStore&) = delete;
  TemporaryStore& operator=(const TemporaryStore&) = delete;
  Store* operator->() const { return store_.get(); }

 private:
  void remove() const {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_.string() + suffix, ignored);
  }

  std::filesystem::path file_;
  std::unique_ptr<Store> store_;
};

History history_of(const std::vector<TrialRecord>& trials) {
  History out;
  for (const TrialRecord& trial : trials)
    out.push_back({.number = trial.number, .settings = trial.settings, .state = trial.state, .objective = trial.objective,
                   .fidelity = trial.epochs});
  return out;
}

/// Everything that a study does for a trial but train it.
void pass_through(const TemporaryStore& store, const Task& task, const Proposal& proposal) {
  store->add(proposal.settings, proposal.reason, {{"trial", "instantaneous"}});
  const std::optional<Lease> lease = store->claim("bench", 60.0);
  require(lease.has_value(), "E3001", "a trial that was added cannot be claimed");
  const double objective = task.objective(proposal.settings, 1, 0).value();
  store->record_epoch(*lease, {.epoch = 1, .metrics = {{"val_loss", objective}}});
  store->complete(*lease, {{"val_loss", objective}}, objective, 0.0);
}

double resident_mib() {
  std::ifstream in("/proc/self/statm");
  double total = 0.0;
  double resident = 0.0;
  in >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

}  // namespace

Json proposals_document(const Options& options, const Registry& registry) {
  const Task task = instantaneous();
  Json out = Json::object();
  for (const Player& player : players(options, registry))
    for (const size_t length : options.trials())
      out[player.label][std::to_string(length)] = time_of_proposal(task, player, length);
  return out;
}

Json store_document(const Options& options, const Registry& registry) {
  const Task task = instantaneous();
  Json out = Json::object();
  for (const Player& player : players(options, registry)) {
    const TemporaryStore store(options.folder);
    Decider decider(task, player, 0, true);
    size_t done = 0;
    for (const size_t checkpoint : options.trials()) {
      const auto begin = Clock::now();
      const size_t before = done;
      for (; done < checkpoint; ++done) {
        const std::optional<Proposal> proposal = decider.next(history_of(store->trials()));
        require(proposal.has_value(), "E4020", "tuner '" + player.label + "' proposes nothing");
        pass_through(store, task, *proposal);
      }
      out[player.label][std::to_string(checkpoint)] = milliseconds_since(begin) / static_cast<double>(checkpoint - before);
    }
  }
  return out;
}

Json memory_document(const Options& options, const Registry& registry) {
  const Task task = instantaneous();
  Json out = Json::object();
  for (const Player& player : players(options, registry)) {
    const TemporaryStore store(options.folder);
    Decider decider(task, player, 0, true);
    History history;
    for (const size_t checkpoint : options.trials()) {
      while (history.size() < checkpoint) {
        const std::optional<Proposal> proposal = decider.next(history);
        require(proposal.has_value(), "E4020", "tuner '" + player.label + "' proposes nothing");
        pass_through(store, task, *proposal);
        history.push_back(complete_trial(task, std::ssize(history), proposal->settings));
      }
      out[player.label][std::to_string(checkpoint)] = resident_mib();
    }
  }
  return out;
}

}  // namespace espalier::bench
