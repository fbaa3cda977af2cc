#pragma once

#include "espalier/engine/metrics.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace espalier::engine {

class Weights;

/// Collects one head's answers over batches and scores them at the end. Numbers are scored in their own units.
class HeadScores {
 public:
  /// `wanted` are names of metrics; throws E0417 if the head's answers are not scored by one.
  HeadScores(const Output& output, const Weights& weights, std::vector<std::string> wanted);

  void add(const at::Tensor& values, const at::Tensor& target);
  Answers answers() const;
  /// The wanted metrics by name; what is undefined is left out.
  Json metrics() const;

 private:
  const Output& output_;
  const Weights& weights_;
  std::vector<std::string> wanted_;
  std::vector<at::Tensor> predicted_;
  std::vector<at::Tensor> truth_;
};

/// What an answer that ignores the input would score: the majority class or the mean of the training split.
Json baseline(const Output& output, const at::Tensor& train_targets, const at::Tensor& targets);

}  // namespace espalier::engine
