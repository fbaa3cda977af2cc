#pragma once

#include "espalier/json.h"
#include "espalier/space.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// Metrics of one epoch: "loss", "val_loss", "val_accuracy", "seconds", ...
using Metrics = std::map<std::string, double>;

struct TrialRecord {
  int64_t number = 0;
  std::string part = {};                     ///< "" for a trial itself; "fold 2", "seed 1", "refit" for a training of it
  Settings settings;
  std::string reason;                        ///< why the tuner proposed it
  TrialState state = TrialState::queued;
  std::string cause = {};                    ///< of a failure: data, nan, memory, crash, plugin, timeout
  std::string message = {};
  Metrics scores = {};                       ///< final: val_*, test_*, parameters, macs, seconds
  std::optional<double> objective = {};      ///< as the user reads it (not negated)
  double epochs = 0.0;
  double seconds = 0.0;                      ///< summed over attempts
  std::string checkpoint = {};               ///< path below the study's folder
  std::string started = {};                  ///< UTC, ISO 8601
  std::string ended = {};
  int64_t attempts = 0;
  int64_t decision = 0;                      ///< the last one about it
  double until = 0.0;                        ///< epochs at which it pauses; 0: at its end
  std::string decided = {};                  ///< what the scheduler said when it decided that
  std::vector<double> tie_breaks = {};       ///< the other objectives in their order, less is better; of a trial, not of a part
};

/// An entry of the log of decisions: what the scheduler said, and what came of it.
struct Decision {
  int64_t number = 0;                        ///< 0, 1, ... without gaps
  int64_t trial = -1;
  double until = 0.0;                        ///< epochs at which the trial pauses; 0: at its end
  std::string reason = {};
  double begun = 0.0;                        ///< epochs that the trial had then
  int64_t seen = 0;                          ///< how many decisions had ended when it was made
  int64_t ended = -1;                        ///< its place among those that have ended, from 0; -1: it has not
  TrialState state = TrialState::queued;     ///< once it has ended: paused, complete or failed
  double epochs = 0.0;                       ///< of the trial, when it ended
  double cost = 0.0;                         ///< multiply-adds times samples of the trial, when it ended
  std::optional<double> objective = {};      ///< as the user reads it
  Metrics scores = {};                       ///< of the trial, when it ended
};

/// What a new trial consists of.
struct NewTrial {
  Settings settings;
  std::string reason;                        ///< why the tuner proposed it
  Json document;                             ///< the trial document
  std::string checkpoint = {};               ///< where it goes on from, a path below the study's folder; "": from the beginning
  double epochs = 0.0;                       ///< that are in this checkpoint
};

struct EpochRecord {
  int64_t epoch = 0;
  Metrics metrics;
};

/// One try at a training, as the audit trail keeps it.
struct AttemptRecord {
  int64_t trial = -1;
  std::string part = {};      ///< "" for a trial itself
  int64_t token = 0;          ///< counts the tries of a training from 1
  std::string owner = {};     ///< the worker
  std::string started = {};   ///< UTC, ISO 8601
  std::string ended = {};     ///< "" while it runs
  std::string outcome = {};   ///< complete, paused, failed, released, lost; "" while it runs
};

/// The right to run a trial: the token goes with every write; an old one is refused (fencing token).
struct Lease {
  int64_t trial = -1;
  int64_t token = 0;
  std::string part = {};
};

/// Trials of one study. Every call is one transaction: after `kill -9` at any instant the state is whole and never
/// older than the last call that returned. Writes with an old token change nothing and return false. One connection: a
/// thread has its own. Throws E3xxx.
class Store {
 public:
  virtual ~Store() = default;

  virtual void set_info(const std::string& name, const Json& value) = 0;
  virtual std::optional<Json> info(const std::string& name) const = 0;

  /// Appends to the log: starts `trial`, or goes on with `decision.trial`, which is paused, where `trial` is null. Returns
  /// the trial's number, nothing if someone else has made the decision of that number, or if that trial is not paused.
  virtual std::optional<int64_t> decide(const Decision& decision, const NewTrial* trial) = 0;
  /// Decides to train a new trial to its end, whatever else is decided meanwhile; returns its number.
  virtual int64_t add(const Settings& settings, const std::string& reason, const Json& document) = 0;
  /// The decisions whose number is not below `number`, and those whose place among the ended ones is not below `ended`.
  virtual std::vector<Decision> decisions(int64_t number = 0, int64_t ended = 0) const = 0;
  /// Makes one of several trainings that a trial consists of, queued; nothing if it is there. `trials` and `claim` leave
  /// parts aside: whoever holds the trial claims them by name.
  virtual void add_part(int64_t trial, const std::string& part, const Json& document) = 0;
  virtual std::optional<Lease> claim_part(int64_t trial, const std::string& part, const std::string& owner, double seconds) = 0;
  /// Claims the queued trial that was decided first for `seconds`, or one whose lease is over.
  virtual std::optional<Lease> claim(const std::string& owner, double seconds) = 0;
  virtual bool renew(const Lease& lease, double seconds) = 0;
  /// Ends the leases of all owners whose name begins so, who are known to be gone.
  virtual void abandon(const std::string& owners) = 0;
  virtual bool record_epoch(const Lease& lease, const EpochRecord& epoch) = 0;
  virtual bool record_checkpoint(const Lease& lease, const std::string& path, const std::string& sha256, double epochs) = 0;
  virtual bool complete(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) = 0;
  /// Ends a decision that goes not to the end of its trial: the trial waits to be resumed by another one.
  virtual bool pause(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) = 0;
  virtual bool fail(const Lease& lease, const std::string& cause, const std::string& message, double seconds) = 0;
  /// Gives a trial back (interrupt, preemption): queued again, its checkpoint kept.
  virtual bool release(const Lease& lease, double seconds) = 0;

  /// All trials from this number on.
  virtual std::vector<TrialRecord> trials(int64_t from = 0) const = 0;
  /// The trainings of a trial that consists of several, in the order in which they were added.
  virtual std::vector<TrialRecord> parts(int64_t number) const = 0;
  virtual std::optional<TrialRecord> trial(int64_t number, const std::string& part = "") const = 0;
  virtual Json document(int64_t number, const std::string& part = "") const = 0;
  virtual std::vector<EpochRecord> epochs(int64_t number, const std::string& part = "") const = 0;
  /// All attempts, or those of one trial and its parts, in the order in which they began.
  virtual std::vector<AttemptRecord> attempts(std::optional<int64_t> trial = {}) const = 0;
};

/// One file, WAL mode; in a folder that cannot be written, to be read only. Refuses network file systems (E3010). The death of
/// any process loses nothing that was committed; a loss of power may lose the last moments, unless the study `is_flushed`:
/// then every commit waits for the disk, from now on and whoever opens it.
std::unique_ptr<Store> open_sqlite(const std::filesystem::path& file, bool is_flushed = false);
/// In memory, for tests of what lies above.
std::unique_ptr<Store> open_memory();
/// The study of that name in a PostgreSQL database (`url` as libpq takes it), for workers on many machines.
std::unique_ptr<Store> open_postgres(const std::string& url, const std::string& study);

/// Opens or makes the store of the study in `folder`: a file in it ("", or "sqlite-flushed" for one that is flushed), or the
/// PostgreSQL database that `url` names, which is then written down in the folder. A folder that has a store keeps it; E3018 if
/// `url` names another one.
std::unique_ptr<Store> create_store(const std::filesystem::path& folder, const std::string& url);
/// The store of the study in `folder`. Throws E3019 if it has none.
std::unique_ptr<Store> open_store(const std::filesystem::path& folder);
/// True if there is a study in `folder`.
bool has_study(const std::filesystem::path& folder);

}  // namespace espalier
