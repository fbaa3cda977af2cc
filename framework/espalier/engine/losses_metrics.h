#pragma once

#include "espalier/engine/weights.h"
#include "espalier/json.h"
#include "espalier/network.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace espalier::engine {

/// How the answers of a head are read.
enum class Answer { classes, yes_or_no, labels, number };
Answer answer_of(const Output& output);

/// One head's loss: classes weighted and numbers standardised as the training split says.
class HeadLoss {
 public:
  /// `train_targets` are all targets of the training split; with `adapt`, the mean and the deviation of numbers are taken
  /// from them and stored in `weights` (else they are read from there).
  HeadLoss(const Output& output, const at::Tensor& train_targets, const Weights& weights, bool adapt);

  /// The mean over the samples that have a target: a scalar with its gradient.
  at::Tensor operator()(const at::Tensor& output, const at::Tensor& target) const;

 private:
  at::Tensor masked_mean(const at::Tensor& losses, const at::Tensor& valid) const;

  Json loss_;
  std::string name_;
  Answer answer_;
  at::Tensor class_weights_;
  at::Tensor mean_;
  at::Tensor std_;
};

/// Sums up one head's scores over batches. Numbers are scored in their own units.
class HeadScores {
 public:
  HeadScores(const Output& output, const Weights& weights, int64_t residuals = 0);

  void add(const at::Tensor& output, const at::Tensor& target);
  /// {"accuracy"} or {"mse", "mae", "rmse", "r2"}; nothing if no sample had a target.
  Json metrics() const;
  /// Rows are the truth, columns the answer.
  const std::vector<std::vector<int64_t>>& confusion() const { return confusion_; }
  /// Pairs of truth and answer of the first numbers, up to as many as were asked for.
  const Json& residuals() const { return residuals_; }

 private:
  Answer answer_;
  at::Tensor mean_;
  at::Tensor std_;
  size_t wanted_residuals_;
  double count_ = 0.0;
  double right_ = 0.0;
  double squared_ = 0.0;
  double absolute_ = 0.0;
  double sum_ = 0.0;
  double sum_of_squares_ = 0.0;
  std::vector<std::vector<int64_t>> confusion_;
  Json residuals_ = Json::array();
};

/// What an answer that ignores the input would score: the majority class or the mean of the training split.
Json baseline(const Output& output, const at::Tensor& train_targets, const at::Tensor& targets);

/// Probabilities or numbers in their own units, as a float tensor (B, K).
at::Tensor decode(const Output& output, const at::Tensor& values, const Weights& weights);

}  // namespace espalier::engine
