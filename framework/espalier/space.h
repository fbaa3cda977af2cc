#pragma once

#include "espalier/json.h"
#include "espalier/random.h"

#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
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
  uint64_t seed = 0;  ///< of the study: for what must be the same at every proposal, as the scrambling of a sequence

  /// Number of configurations; infinity where a range without step and integer is left.
  double size() const;
};

/// Values by name. Canonical: holds active axes only (law: inactive ones are dropped before hashing).
using Settings = std::map<std::string, Json>;

/// True if `axis` exists under these settings.
bool is_active(const Axis& axis, const Settings& settings);
/// The values of an axis if it has finitely many (choices, steps, integers), ascending; else empty.
std::vector<Json> values(const Axis& axis);
/// The value of an axis of numbers that is nearest to a wish.
Json nearest_value(const Axis& axis, double wish);
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

/// One point of a learning curve.
struct CurvePoint {
  double fidelity = 0.0;   ///< epochs
  double objective = 0.0;  ///< lower is better
};

/// What tuners and schedulers see of a trial.
struct Result {
  int64_t number = 0;
  Settings settings;
  TrialState state = TrialState::queued;
  std::optional<double> objective = {};  ///< lower is better, whatever the metric; of a paused trial what it has reached
  double fidelity = 0.0;                 ///< epochs spent
  double begun = 0.0;                    ///< epochs of the trial that it branched off from; 0: it began anew
  double cost = 0.0;                     ///< multiply-adds times samples
  std::vector<CurvePoint> curve = {};    ///< ascending in fidelity; epochs without a finite objective are absent
};
using History = std::vector<Result>;

/// The objective of a trial after so many epochs: the last point of its curve that lies not beyond them, of a complete
/// trial that is shorter its end. Nothing while it has not got there.
std::optional<double> objective_at(const Result& result, double fidelity);

/// What a tuner may ask about settings before it proposes them.
class Feasible {
 public:
  template <std::predicate<const Settings&> Holds>
    requires(!std::same_as<Holds, Feasible>)
  Feasible(Holds holds, std::function<double(const Settings&)> seconds = {}) : holds_(std::move(holds)), seconds_(std::move(seconds)) {}

  /// Whether they keep the pipeline's constraints.
  bool operator()(const Settings& settings) const { return holds_(settings); }
  /// Seconds that a whole training is predicted to take, above 0; 1 where the study predicts nothing.
  double seconds(const Settings& settings) const { return seconds_ ? seconds_(settings) : 1.0; }

 private:
  std::function<bool(const Settings&)> holds_;
  std::function<double(const Settings&)> seconds_;
};

/// A tuner's answer: settings and why.
struct Proposal {
  Settings settings;
  std::string reason;
};

/// A scheduler's answer: start a new trial, resume a paused one, branch off one, wait for one that runs, or end the search. A
/// branch is a new trial that goes on from where a paused one stands, which stays as it is.
struct Step {
  enum class Kind { start, resume, branch, wait, finished } kind = Kind::start;
  int64_t trial = -1;       ///< for resume and branch
  Settings settings = {};   ///< of a branch, where they differ from that trial's: numbers of `train`, taken to the nearest legal ones
  double until = 0.0;       ///< fidelity at which it pauses; 0 means that it is trained to its end
  std::string reason = {};  ///< for those who watch: "rung 2: third of 9"
};

}  // namespace espalier
