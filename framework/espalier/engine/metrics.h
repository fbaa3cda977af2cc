#pragma once

#include "espalier/engine/answers.h"

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

namespace espalier::engine {

/// What one head answered and what was true, a row a sample; samples without a class are left out.
struct Answers {
  Answer kind = Answer::classes;
  at::Tensor predicted;  ///< double: probabilities (N, K) of classes (two for one logit) or labels, or numbers (N, K) in their unit
  at::Tensor truth;      ///< classes: int64 (N); labels and numbers: double (N, K), NaN where there is none
};

/// One metric of the table in network/metrics.h. Nothing where it is undefined: without samples, AUC of one class alone, R2
/// of targets that are all the same. Throws E0417 if the answers are not scored so.
std::optional<double> metric(const std::string& name, const Answers& answers);

/// Precision, recall and F1 of each class or label, (K) each; 0 where nothing is said or nothing is there. `samples` (K) is
/// how often it is true, `answers` how often it is said.
struct ByClass {
  at::Tensor precision, recall, f1, samples, answers;
};
ByClass by_class(const Answers& answers);

/// (K, K) counts of classes: rows are the truth, columns the answer.
at::Tensor confusion(const Answers& answers);

/// Confidence and accuracy of the answers in equally wide bins of confidence, (bins) each.
struct Reliability {
  at::Tensor samples, confidence, accuracy;  ///< the means are 0 in empty bins
};
constexpr int64_t kReliabilityBins = 15;
Reliability reliability(const Answers& answers);

}  // namespace espalier::engine
