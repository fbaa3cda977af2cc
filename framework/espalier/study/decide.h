#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/study/log.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace espalier {

/// What `auto` means in a study: found when it begins and kept in its store, so that all who work on it agree.
struct Settled {
  int64_t workers = 1;              ///< trials at a time in the process that runs the study
  int64_t threads = 0;              ///< of a trial whose pipeline leaves them open
  std::string precision = "auto";   ///< likewise
  std::string device = "auto";      ///< likewise
  Predict predict = {};             ///< by the study's calibration; none where nothing asks for it
};

/// Where decisions come from and where they go.
struct Deciding {
  const Pipeline& pipeline;
  const Registry& registry;
  const Preparation& data;
  std::filesystem::path folder;                          ///< of the study
  Settled settled = {};
  std::function<void(const std::string&)> on_note;
};

enum class Decided { yes, wait, finished };

/// Makes the next decision of a study and appends it to the log: asks the scheduler what to do and, for a new trial, the
/// tuner what to try. `yes` also if another worker was faster. `wait`: something that runs has to end first. `finished`:
/// nothing is left to decide within the budget. Depends on the pipeline and on what the decision sees only, so that an
/// interrupted study decides as if it had not been: what has ended, or with `order: reproducible` what was decided `lag`
/// decisions before.
Decided decide_next(const Deciding& deciding, Log& log, Store& store);

/// The document of a new trial, with what was settled for the study.
Json document_of(const Deciding& deciding, const Settings& settings, int64_t number);

/// What the next trial tries: the settings given under `first`, then the first configuration, then what the tuner says.
/// Never what was tried already, never what breaks a constraint. Nothing: there is nothing left to try. `histories`: one for
/// each objective; the tuner sees all as one, weighed anew for each proposal.
std::optional<Proposal> next_proposal(const Deciding& deciding, const std::vector<History>& histories);

/// How many trials the study will have if nothing ends it early; 0: unknown.
int64_t planned_trials(const Pipeline& pipeline);

/// Epochs of a whole training: the most that any trial of the pipeline may have.
double full_epochs(const Pipeline& pipeline);

}  // namespace espalier
