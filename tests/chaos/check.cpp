#include "run.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier::chaos {

namespace {

struct Attempt {
  int64_t token = 0;
  std::string outcome;
};
struct Epoch {
  int64_t epoch = 0;
  int64_t token = 0;      ///< of the row
  Metrics metrics = {};
};
/// What the interface of a store does not tell.
struct Row {
  int64_t token = 0;
  double saved_epochs = 0.0;
};

/// Judges a run by what its store holds.
class Judge {
 public:
  Judge(const Study& study, const Shared& shared)
      : study_(study), shared_(shared), store_(study.open()), database_(study.open_database()) {}

  Findings run() {
    const auto trials = store_->trials();
    if (std::ssize(trials) != study_.trials) lost(-1, fmt::format("{} of {} trials exist", trials.size(), study_.trials));
    judge_decisions();
    for (const TrialRecord& trial : trials) judge(trial);
    return std::move(findings_);
  }

 private:
  void lost(int64_t trial, const std::string& what) { add("lost", trial, what); }
  void doubled(int64_t trial, const std::string& what) { add("doubled", trial, what); }
  void mixed(int64_t trial, const std::string& what) { add("mixed", trial, what); }
  void add(const char* kind, int64_t trial, const std::string& what) {
    findings_.violations[kind].push_back(fmt::format("trial {}: {}", trial, what));
  }

  /// Every decision has ended once, numbered without gaps in the order of both.
  void judge_decisions() {
    std::set<int64_t> places;
    int64_t number = 0;
    for (const Decision& decision : store_->decisions()) {
      if (decision.number != number++) lost(decision.trial, fmt::format("decision {} is missing", number - 1));
      if (decision.ended < 0) lost(decision.trial, fmt::format("decision {} has not ended", decision.number));
      else if (!places.insert(decision.ended).second) doubled(decision.trial, fmt::format("two decisions ended as number {}", decision.ended));
      ends_[decision.trial][decision.state] += 1;
    }
    if (!places.empty() && *places.rbegin() != std::ssize(places) - 1) lost(-1, "the ends of decisions have gaps");
  }

  void judge(const TrialRecord& trial) {
    const std::vector<Attempt> attempts = attempts_of(trial.number);
    findings_.attempts += std::ssize(attempts);
    findings_.lost_leases += std::ranges::count(attempts, "lost", &Attempt::outcome);
    if (trial.state != TrialState::complete) return lost(trial.number, "it is " + to_string(trial.state));
    const int acknowledged = shared_.completed.at(static_cast<size_t>(trial.number));
    if (acknowledged > 1) doubled(trial.number, fmt::format("{} completions were acknowledged", acknowledged));
    judge_attempts(trial, attempts);
    judge_numbers(trial, attempts);
  }

  void judge_attempts(const TrialRecord& trial, const std::vector<Attempt>& attempts) {
    const auto count = [&](const char* outcome) { return std::ranges::count(attempts, outcome, &Attempt::outcome); };
    if (count("") > 0) lost(trial.number, "an attempt has no end");
    if (count("complete") != 1) doubled(trial.number, fmt::format("{} attempts completed it", count("complete")));
    else if (attempts.back().outcome != "complete") doubled(trial.number, "it was claimed after its completion");
    for (size_t i = 0; i < attempts.size(); ++i)
      if (attempts[i].token != static_cast<int64_t>(i) + 1) doubled(trial.number, "its tokens are not 1, 2, ...");
    auto& ends = ends_[trial.number];
    if (ends[TrialState::complete] != 1) doubled(trial.number, fmt::format("{} decisions completed it", ends[TrialState::complete]));
    if (ends[TrialState::paused] != count("paused"))
      doubled(trial.number, fmt::format("{} attempts paused it for {} decisions", count("paused"), ends[TrialState::paused]));
    if (static_cast<int64_t>(trial.seconds) != count("paused") + count("complete"))
      doubled(trial.number, fmt::format("{} ends are counted for {} attempts that ended", trial.seconds, count("paused") + count("complete")));
  }

  /// Every number is what a training learns, and those between two checkpoints are of one attempt, as are those after the
  /// last one and the scores.
  void judge_numbers(const TrialRecord& trial, const std::vector<Attempt>& attempts) {
    const Row row = row_of(trial.number);
    const std::vector<Epoch> epochs = epochs_of(trial.number);
    if (std::ssize(epochs) != kEpochs) return lost(trial.number, fmt::format("it has {} epochs", epochs.size()));
    if (row.token != attempts.back().token) mixed(trial.number, "its token is not that of its last attempt");
    if (trial.scores.at("token") != static_cast<double>(row.token)) mixed(trial.number, "its scores are not of its last attempt");
    if (trial.objective != value_of(trial.number, kEpochs)) mixed(trial.number, "its objective is another");
    for (size_t i = 0; i < epochs.size(); ++i) {
      const Epoch& epoch = epochs[i];
      if (epoch.epoch != static_cast<int64_t>(i) + 1) return lost(trial.number, fmt::format("epoch {} is missing", i + 1));
      if (epoch.metrics.at("token") != static_cast<double>(epoch.token))
        mixed(trial.number, fmt::format("epoch {} has another's metrics", epoch.epoch));
      if (epoch.metrics.at("value") != value_of(trial.number, epoch.epoch))
        mixed(trial.number, fmt::format("epoch {} has a wrong value", epoch.epoch));
      const bool is_first_of_block = epoch.epoch % kSaveEvery == 1;
      if (i > 0 && (is_first_of_block ? epoch.token < epochs[i - 1].token : epoch.token != epochs[i - 1].token))
        mixed(trial.number, fmt::format("epochs {} and {} are of attempts {} and {}", i, i + 1, epochs[i - 1].token, epoch.token));
      if (static_cast<double>(epoch.epoch) > row.saved_epochs && epoch.token != row.token)
        mixed(trial.number, fmt::format("epoch {}, after the last checkpoint, is of attempt {} and not {}", epoch.epoch, epoch.token, row.token));
    }
    const auto saved = static_cast<size_t>(row.saved_epochs);
    const std::string wanted = saved == 0 ? "" : fmt::format("{}/{}", epochs.at(saved - 1).token, saved);
    if (trial.checkpoint != wanted) mixed(trial.number, fmt::format("its checkpoint is '{}' and not '{}'", trial.checkpoint, wanted));
  }

  std::vector<Attempt> attempts_of(int64_t trial) const {
    std::vector<Attempt> out;
    Statement row(*database_, "select token, outcome from attempt where trial = ? and part = '' order by token");
    for (row.bind(trial); row.step();) out.push_back({.token = row.integer(0), .outcome = row.text(1)});
    return out;
  }

  std::vector<Epoch> epochs_of(int64_t trial) const {
    std::vector<Epoch> out;
    for (const EpochRecord& epoch : store_->epochs(trial)) out.push_back({.epoch = epoch.epoch, .metrics = epoch.metrics});
    Statement row(*database_, "select token from epoch where trial = ? and part = '' order by epoch");
    row.bind(trial);
    for (Epoch& epoch : out)
      if (row.step()) epoch.token = row.integer(0);
    return out;
  }

  Row row_of(int64_t trial) const {
    Statement row(*database_, "select token, saved_epochs from trial where number = ? and part = ''");
    row.bind(trial).step();
    return {.token = row.integer(0), .saved_epochs = row.number(1)};
  }

  const Study& study_;
  const Shared& shared_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Database> database_;
  std::map<int64_t, std::map<TrialState, int64_t>> ends_ = {};   ///< of the decisions of a trial
  Findings findings_ = {};
};

}  // namespace

Findings check(const Study& study, const Shared& shared) {
  Findings findings = Judge(study, shared).run();
  if (shared.astray > 0) findings.violations["mixed"].push_back(fmt::format("{} claims found a checkpoint of other epochs", shared.astray.load()));
  return findings;
}

}  // namespace espalier::chaos
