#pragma once

#include "espalier/study/study.h"

namespace espalier {

/// Name under which the store keeps where the weights of a training lie.
std::string weights_key(int64_t trial, const std::string& part);

/// What a trial can be asked with: the weights that scored, or those of its refit; of several seeds the first ones.
struct Model {
  std::string part;       ///< "": of the trial itself
  std::string weights;    ///< below the study's folder
  Json document;          ///< that they were trained by
};
/// Nothing if the store knows of no weights: of folds none is the trial's.
std::optional<Model> model_of(const Store& store, int64_t trial);

/// Evaluates the best trial on the test split, once in a study's life for each winner, and writes best/: model.safetensors,
/// network.json, decode.json, scores.json, card.md, and for the report samples.json and features.json. What cannot be
/// had is a note, never an error. Returns the scores: {"search", "test", "baseline"}.
Json write_best(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, Store& store,
                const TrialRecord& best, Observer& observer);

}  // namespace espalier
