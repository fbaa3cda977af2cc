#include "espalier/study/retention.h"

#include "espalier/store/best.h"
#include "espalier/study/study.h"
#include "espalier/study/training.h"
#include "espalier/study/winner.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace espalier {

namespace fs = std::filesystem;

namespace {

struct KeptFile {
  fs::path path;        ///< below the study's folder
  int64_t bytes = 0;
  bool is_weights = false;
};

/// Checkpoints and weights of one training.
std::vector<KeptFile> files_of(const fs::path& folder, int64_t trial, const std::string& part) {
  std::vector<KeptFile> out;
  std::error_code error;
  const fs::path attempts = folder / training_folder(trial, part) / "attempts";
  for (fs::recursive_directory_iterator file(attempts, error), end; file != end && !error; file.increment(error)) {
    const std::string ending = file->path().extension().string();
    if (ending != ".ckpt" && ending != ".safetensors") continue;
    const auto bytes = file->file_size(error);
    if (!error)
      out.push_back({.path = file->path().lexically_relative(folder), .bytes = static_cast<int64_t>(bytes), .is_weights = ending == ".safetensors"});
  }
  return out;
}

bool is_done(TrialState state) { return state == TrialState::complete || state == TrialState::failed || state == TrialState::pruned; }

/// Decides file by file.
class Rule {
 public:
  Rule(const fs::path& folder, const Store& store, bool maximize, const Retention& retention)
      : folder_(folder), store_(store), maximize_(maximize), retention_(retention) {}

  std::vector<Removable> apply() {
    const std::vector<TrialRecord> trials = store_.trials();
    best_ = best_trial(trials, maximize_);
    for (const TrialRecord& trial : trials) look_at_all_of(trial);
    keep_to_quota();
    return std::move(out_);
  }

  std::vector<Removable> apply_to(int64_t number) {
    const std::optional<TrialRecord> trial = best_ = store_.trial(number);   // whether it is the best is not asked here
    if (trial) look_at_all_of(*trial);
    return std::move(out_);
  }

 private:
  using Rank = std::tuple<double, std::vector<double>, int64_t>;

  void look_at_all_of(const TrialRecord& trial) {
    look_at(trial, trial);
    for (const TrialRecord& part : store_.parts(trial.number)) look_at(trial, part);
  }

  /// The files of a trial, or of one of the trainings that it consists of.
  void look_at(const TrialRecord& trial, const TrialRecord& training) {
    if (trial.state == TrialState::running || training.state == TrialState::running) return;
    const std::string weights = store_.info(weights_key(training.number, training.part)).value_or("").get<std::string>();
    for (const KeptFile& file : files_of(folder_, training.number, training.part)) {
      const std::string why = reason(trial, training, file, weights);
      if (!why.empty()) out_.push_back({.file = file.path, .bytes = file.bytes, .reason = why});
      else if (file.is_weights && trial.state == TrialState::complete && !is_best(trial)) spare_[rank(trial)].push_back(file);
      if (why.empty()) kept_bytes_ += file.bytes;
    }
  }

  /// Why a file may go, or "".
  std::string reason(const TrialRecord& trial, const TrialRecord& training, const KeptFile& file, const std::string& weights) const {
    if (retention_.checkpoints == "all") return "";
    if (!file.is_weights) {
      if (is_done(training.state)) return "a checkpoint of a trial that is done";
      return file.path == training.checkpoint ? "" : "not the last checkpoint";
    }
    if (file.path != weights) return "not the weights that scored";
    if (retention_.checkpoints == "best" && is_done(trial.state) && !is_best(trial)) return "weights of a trial that is not the best";
    return "";
  }

  void keep_to_quota() {
    if (retention_.quota <= 0.0) return;
    for (auto entry = spare_.rbegin(); entry != spare_.rend(); ++entry)
      for (const KeptFile& file : entry->second) {
        if (static_cast<double>(kept_bytes_) <= retention_.quota) return;
        kept_bytes_ -= file.bytes;
        out_.push_back({.file = file.path, .bytes = file.bytes, .reason = "beyond the quota, and of the worst trial that is left"});
      }
  }

  bool is_best(const TrialRecord& trial) const { return best_ && best_->number == trial.number; }
  /// Ascending from good to bad.
  Rank rank(const TrialRecord& trial) const {
    const double value = trial.objective.value_or(maximize_ ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
    return {maximize_ ? -value : value, trial.tie_breaks, trial.number};
  }

  const fs::path& folder_;
  const Store& store_;
  bool maximize_;
  const Retention& retention_;
  std::optional<TrialRecord> best_;
  std::map<Rank, std::vector<KeptFile>> spare_;   ///< what a quota may take
  int64_t kept_bytes_ = 0;
  std::vector<Removable> out_;
};

}  // namespace

std::vector<Removable> removable_files(const fs::path& folder, const Store& store, bool maximize, const Retention& retention) {
  return Rule(folder, store, maximize, retention).apply();
}

std::vector<Removable> removable_files_of(int64_t trial, const fs::path& folder, const Store& store, const Retention& retention) {
  return Rule(folder, store, true, retention).apply_to(trial);
}

int64_t remove_files(const fs::path& folder, const std::vector<Removable>& files) {
  int64_t freed = 0;
  for (const Removable& file : files) {
    std::error_code error;
    if (fs::remove(folder / file.file, error)) freed += file.bytes;
  }
  return freed;
}

}  // namespace espalier
