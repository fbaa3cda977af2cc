#pragma once

#include "espalier/study/study.h"

#include <cstdint>
#include <vector>

namespace espalier {

/// Numbers of some rows, `width` of them each, row after row: probabilities or numbers that a model predicts, or what is true
/// (the index of a class, labels of 0 and 1, numbers).
struct RowValues {
  int64_t width = 1;
  std::vector<double> values;
  int64_t rows() const { return static_cast<int64_t>(values.size()) / width; }
};

/// How wrong predictions are on average: the negative logarithm of the probability of what is true, or the squared error.
double mean_loss(ColumnKind kind, const RowValues& truth, const RowValues& predicted);

/// How often each model is taken: `size` times the one that makes the mean of those taken least wrong, as often as it helps
/// (Caruana et al. 2004, doi:10.1145/1015330.1015432); taking stops at the last gain. At least one model.
std::vector<int64_t> choose_ensemble(ColumnKind kind, const RowValues& truth, const std::vector<RowValues>& models, int64_t size);

/// The mean of the models' predictions, each as often as it was taken.
RowValues mean_prediction(const std::vector<RowValues>& models, const std::vector<int64_t>& taken);

/// Chooses an ensemble of `search.ensemble` of the best trials by the validation split, scores it on the test split, and writes
/// best/ensemble.json: its members, how often each was taken, and its scores. Returns the scores; null without `search.ensemble`,
/// or with a note where it cannot be made (several heads, folds, no validation).
Json write_ensemble(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, Store& store, Observer& observer);

}  // namespace espalier
