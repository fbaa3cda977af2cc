#include "espalier/study/refit.h"

#include "espalier/data/folds.h"
#include "espalier/data/prepared.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace espalier {

namespace {

/// Rows of a refit for each row that a training of the trial had.
double growth_of(const Store& store, const TrialRecord& trial, const std::string& splits) {
  const std::vector<TrialRecord> parts = store.parts(trial.number);
  const Json trained = parts.empty() ? store.document(trial.number) : store.document(trial.number, parts.front().part);
  const auto rows = [](const std::string& file) { return static_cast<double>(read_splits(file).train.size()); };
  return rows(splits) / std::max(rows(trained.at("data").at("splits").get<std::string>()), 1.0);
}

/// The trial's document with another number of epochs: what depends on them is settled anew. It has no other trial beside it,
/// so all threads are its own.
Json longer_document(const Deciding& deciding, const TrialRecord& trial, double epochs) {
  Pipeline longer = deciding.pipeline;
  longer.resolved["train"]["epochs"] = epochs;
  Settled settled = deciding.settled;
  settled.threads *= settled.workers;
  return document_of(
      {.pipeline = longer, .registry = deciding.registry, .data = deciding.data, .folder = deciding.folder, .settled = settled, .on_note = {}},
      trial.settings, trial.number);
}

}  // namespace

Json refit_document(const Deciding& deciding, const Store& store, const TrialRecord& best, double left) {
  const Refit& wanted = deciding.pipeline.search.refit;
  const std::string splits = whole_splits(deciding.data).string();
  const auto as_refit = [&](Json out) {
    out["part"] = kRefit;
    out["data"]["splits"] = splits;
    out["train"]["score"] = "last";
    out.erase("objective");
    return out;
  };
  if (wanted.epochs > 0.0) return as_refit(longer_document(deciding, best, wanted.epochs));
  if (wanted.share > 0.0 && was_rising(best))
    return as_refit(longer_document(deciding, best, static_cast<double>(fitting_epochs(best, growth_of(store, best, splits), left))));
  Json out = as_refit(store.document(best.number));
  // Nothing is left to be patient about; the schedule keeps its length.
  if (out["train"].contains("epochs") && out["train"]["epochs"].is_object()) out["train"]["epochs"].erase("patience");
  out["until"] = best_epochs(best);
  return out;
}

int64_t best_epochs(const TrialRecord& trial) {
  const auto best = trial.scores.find("best_epoch");
  return std::max<int64_t>(1, std::llround(best != trial.scores.end() ? best->second : trial.epochs));
}

bool was_rising(const TrialRecord& trial) {
  constexpr double kLate = 0.8;  // of the epochs, which for parts are means, as the best one is
  const auto best = trial.scores.find("best_epoch"), epochs = trial.scores.find("epochs");
  return best == trial.scores.end() || epochs == trial.scores.end() || best->second >= kLate * epochs->second;
}

int64_t fitting_epochs(const TrialRecord& trial, double growth, double left) {
  const double epoch = growth * trial.seconds / std::max(trial.epochs, 1e-6);
  return std::max(best_epochs(trial), static_cast<int64_t>(std::floor(left / std::max(epoch, 1e-6))));
}

}  // namespace espalier
