#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/store/store.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// What the next trial of a study tries: the settings given under `first`, then the first configuration, then what the
/// tuner says. Never what is in `trials` already, never what breaks a constraint. Nothing: there is nothing left to try.
/// Depends on the pipeline and the trials only, so that an interrupted study decides as if it had not been.
std::optional<Proposal> next_proposal(const Pipeline& pipeline, const Registry& registry,
                                      const std::vector<TrialRecord>& trials,
                                      const std::function<void(const std::string&)>& on_note);

/// How many trials the study will have if nothing ends it early; 0: unknown.
int64_t planned_trials(const Pipeline& pipeline);

}  // namespace espalier
