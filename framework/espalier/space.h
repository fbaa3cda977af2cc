#pragma once

#include "espalier/json.h"
#include "espalier/random.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// One searched hyperparameter. Either `choices` (words and booleans without order, numbers in ascending order) or a
/// range [from, to], both ends included.
struct Axis {
  std::string name;                 ///< its path: "trunk.resnet.depth"
  std::vector<Json> choices = {};
  bool ordered = false;             ///< the choices are numbers
  double from = 0.0;
  double to = 0.0;
  bool integer = false;
  bool log = false;
  std::optional<double> step = {};  ///< a factor if `log`
  Json first;                       ///< its value in the first configuration
  std::string parent = {};          ///< name of the axis that it depends on, declared earlier; "" if none
  std::vector<Json> parent_values = {};  ///< it exists while the parent has one of these
};

/// All searched hyperparameters, parents before children.
struct Space {
  std::vector<Axis> axes;

  /// Number of configurations; infinity where a range without step and integer is left.
  double size() const;
};

/// Values by name. Canonical: holds active axes only (law: inactive ones are dropped before hashing).
using Settings = std::map<std::string, Json>;

/// True if `axis` exists under these settings.
bool is_active(const Axis& axis, const Settings& settings);
/// The values of an axis if it has finitely many (choices, steps, integers), ascending; else empty.
std::vector<Json> values(const Axis& axis);
/// A uniform draw, in the logarithm if the axis says so.
Json draw(const Axis& axis, Random& random);
/// Every axis at its first value.
Settings first_settings(const Space& space);
/// Drops what is inactive and fills what is active and absent by `fill`.
Settings complete(const Space& space, const Settings& partial, const std::function<Json(const Axis&)>& fill);
/// Equal settings have equal keys: SHA-256-free, readable "a=1;b=2".
std::string canonical_key(const Settings& settings);

enum class TrialState { queued, running, paused, complete, pruned, failed, preempted };
std::string to_string(TrialState state);

/// What tuners and schedulers see of a trial.
struct Result {
  int64_t number = 0;
  Settings settings;
  TrialState state = TrialState::queued;
  std::optional<double> objective = {};  ///< lower is better, whatever the metric
  double fidelity = 0.0;                 ///< epochs spent
  double cost = 0.0;                     ///< multiply-adds times samples
};
using History = std::vector<Result>;

/// Says whether a proposal keeps the pipeline's constraints.
using Feasible = std::function<bool(const Settings&)>;

/// A tuner's answer: settings and why.
struct Proposal {
  Settings settings;
  std::string reason;
};

/// A scheduler's answer.
struct Step {
  enum class Kind { start, resume, wait, finished } kind = Kind::start;
  int64_t trial = -1;    ///< for resume
  double until = 0.0;    ///< fidelity; 0 means to the end
};

}  // namespace espalier
