#pragma once

#include "espalier/cli/studies.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace espalier::cli {

/// What a pipeline fixes, by path ("trunk.vanilla.width", "train.optimizer"): what is searched is left out. `resolved` is
/// a resolved pipeline.
std::map<std::string, Json> fixed_settings(const Json& resolved);
/// The same of a study, as its store keeps it.
std::map<std::string, Json> fixed_settings(const Store& store);
/// The value that a setting has in a trial: the trial's own, else what the pipeline fixes; null if the trial does not have
/// it, as its block was not chosen.
Json setting_of(const TrialRecord& trial, const std::map<std::string, Json>& fixed, const std::string& path);

/// A name that was found among what trials can be asked for.
struct Field {
  enum class Kind { number, state, cause, reason, epochs, seconds, attempts, objective, score, setting } kind = Kind::setting;
  std::string name;                        ///< as it was asked for
  std::vector<std::string> paths = {};     ///< of a setting: the first that a trial has counts
};

/// All that the trials of a study can be asked for by name: settings, searched or fixed, by their path, its end (`depth`)
/// or without the block (`trunk.depth`); scores and measures; state, trial, epochs, seconds (also: time), attempts, cause,
/// reason, objective.
class Fields {
 public:
  Fields(const Store& store, const std::vector<TrialRecord>& trials, const Objective& objective);

  /// Nothing if there is no such name. Throws E0704 if several settings end so.
  std::optional<Field> find(const std::string& name) const;
  /// Null if the trial does not have it.
  Json value(const TrialRecord& trial, const Field& field) const;
  /// Names to choose from: what is searched, scores and measures, and the rest, without what is fixed.
  std::vector<std::string> common() const;
  /// The name nearest to `word` among all; "" if none is near.
  std::string near(const std::string& word) const;

 private:
  std::string metric_;
  std::map<std::string, Json> fixed_;
  std::set<std::string> searched_;
  std::set<std::string> scores_;
};

}  // namespace espalier::cli
