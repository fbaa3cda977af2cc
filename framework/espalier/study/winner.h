#pragma once

#include "espalier/study/study.h"

namespace espalier {

/// Where a trial's weights lie below the study's folder, as the store knows; "" if it knows of none.
std::string weights_of(const Store& store, const TrialRecord& trial);

/// Evaluates the best trial on the test split, once in a study's life for each winner, and writes best/: model.safetensors,
/// network.json, decode.json, scores.json, card.md, and for the report samples.json and features.json. What cannot be
/// had is a note, never an error. Returns the scores: {"search", "test", "baseline"}.
Json write_best(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, Store& store,
                const TrialRecord& best, Observer& observer);

}  // namespace espalier
