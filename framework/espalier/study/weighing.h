#pragma once

#include "espalier/pipeline/pipeline.h"

#include <string>
#include <vector>

namespace espalier {

/// Several objectives as one, which any tuner can follow.
struct Weighed {
  History history;
  std::string reason;   ///< to be said after a tuner's own: "; weights 0.7 val_accuracy, 0.3 parameters", "" for one objective
};

/// Weights of so many objectives, uniform over those that are tenths and sum to 1.
std::vector<double> draw_weights(size_t count, Random& random);

/// One history out of one for each objective (of the same trials, lower is better): the augmented Tchebycheff norm of ParEGO
/// (doi:10.1109/TEVC.2005.851274) over objectives that are 0 at the best value seen and 1 at the worst on the Pareto front, so
/// that a training that went astray stretches no scale. A trial that lacks a value has no objective.
History weighed_by(const std::vector<double>& weights, const std::vector<History>& histories);

/// One history for schedulers, which compare trials at equal fidelity: a point counts by the Pareto front that it lies on among all
/// of its fidelity, the first one without the others, and so on (non-dominated sorting, doi:10.1109/4235.996017; for ASHA
/// arXiv:2106.12639), within a front by equal weights. One history stays as it is.
History sorted_by_fronts(const std::vector<History>& histories);

/// As `weighed_by`, with weights drawn for the next trial from the study's seed: over many proposals all of the front is sought. One
/// history stays as it is.
Weighed weigh(const std::vector<History>& histories, const std::vector<Objective>& objectives, uint64_t seed);

}  // namespace espalier
