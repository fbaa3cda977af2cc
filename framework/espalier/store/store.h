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
};

struct EpochRecord {
  int64_t epoch = 0;
  Metrics metrics;
};

/// The right to run a trial: the token goes with every write; an old one is refused (fencing token).
struct Lease {
  int64_t trial = -1;
  int64_t token = 0;
  std::string part = {};
};

/// Trials of one study. Every call is one transaction: after `kill -9` at any instant the state is whole and never
/// older than the last call that returned. Writes with an old token change nothing and return false. Throws E3xxx.
class Store {
 public:
  virtual ~Store() = default;

  virtual void set_info(const std::string& name, const Json& value) = 0;
  virtual std::optional<Json> info(const std::string& name) const = 0;

  /// Appends a decision; returns its number (0, 1, ...). `document` is the trial document.
  virtual int64_t add(const Settings& settings, const std::string& reason, const Json& document) = 0;
  /// Makes one of several trainings that a trial consists of, queued; nothing if it is there. `trials` and `claim` leave
  /// parts aside: whoever holds the trial claims them by name.
  virtual void add_part(int64_t trial, const std::string& part, const Json& document) = 0;
  virtual std::optional<Lease> claim_part(int64_t trial, const std::string& part, const std::string& owner, double seconds) = 0;
  /// Claims the queued (or abandoned) trial with the lowest number for `seconds`. Abandoned: the lease is over, or `owner`
  /// itself still holds it, as an owner runs one trial at a time.
  virtual std::optional<Lease> claim(const std::string& owner, double seconds) = 0;
  virtual bool renew(const Lease& lease, double seconds) = 0;
  virtual bool record_epoch(const Lease& lease, const EpochRecord& epoch) = 0;
  virtual bool record_checkpoint(const Lease& lease, const std::string& path, const std::string& sha256, double epochs) = 0;
  virtual bool complete(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) = 0;
  virtual bool fail(const Lease& lease, const std::string& cause, const std::string& message, double seconds) = 0;
  /// Gives a trial back (interrupt, preemption): queued again, its checkpoint kept.
  virtual bool release(const Lease& lease, double seconds) = 0;

  virtual std::vector<TrialRecord> trials() const = 0;
  /// The trainings of a trial that consists of several, in the order in which they were added.
  virtual std::vector<TrialRecord> parts(int64_t number) const = 0;
  virtual std::optional<TrialRecord> trial(int64_t number, const std::string& part = "") const = 0;
  virtual Json document(int64_t number, const std::string& part = "") const = 0;
  virtual std::vector<EpochRecord> epochs(int64_t number, const std::string& part = "") const = 0;
};

/// One file, WAL mode; in a folder that cannot be written, to be read only. Refuses network file systems (E3010).
std::unique_ptr<Store> open_sqlite(const std::filesystem::path& file);
/// In memory, for tests of what lies above.
std::unique_ptr<Store> open_memory();

}  // namespace espalier
