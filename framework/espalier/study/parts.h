#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/store/store.h"

#include <string>
#include <vector>

namespace espalier {

/// One of the trainings that a trial consists of: one fold, one seed, or one seed on one fold.
struct Part {
  std::string name;          ///< "fold 2", "seed 1", "fold 2, seed 1"; counted from 1
  int64_t fold = -1;         ///< from 0; -1: the validation split is not folded
  int64_t replicate = 0;     ///< from 0
};

/// The score that says how far the parts of a trial lie apart: the standard deviation of the objective over them.
inline constexpr const char* kSpread = "spread";
/// The score that says how sure the mean over replicates is: half the width of its 95 % confidence interval.
inline constexpr const char* kInterval = "interval";

/// The parts of a trial, in order; none where a trial is one training.
std::vector<Part> parts_of(const Pipeline& pipeline);
/// The document of a part: the trial's with the fold's rows and the replicate's seeds.
Json part_document(const Json& trial, const Part& part, const Pipeline& pipeline, const Preparation& data);

/// Means of what all parts have, the spread of the objective, and their number as "parts".
Metrics mean_scores(const std::vector<TrialRecord>& parts, const std::string& objective);
/// Half the width of the 95 % confidence interval (Student's t) of the mean of `count` independent values, two at least, that
/// have this standard deviation.
double interval_of_mean(double deviation, int64_t count);

/// False if no row is held out to validate on: then no trial has a score, and there is one only.
bool has_validation(const Pipeline& pipeline);

}  // namespace espalier
