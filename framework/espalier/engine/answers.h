#pragma once

#include "espalier/json.h"
#include "espalier/network.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace espalier::engine {

class Weights;

/// How the answers of a head are read.
enum class Answer { classes, yes_or_no, labels, number };
Answer answer_of(const Output& output);

/// Class labels of one-logit and multi-label heads, or numbers, as (B, K) floats; missing ones are NaN.
at::Tensor as_numbers(const at::Tensor& target);

/// How many numbers a head answers with.
int64_t numbers_of(const Output& output);
/// Buffers of a head of numbers, each of one value a number: mean and std of the training split's targets, and low and high,
/// the least and the greatest of them, where numbers are read from bins. A head of classes has none.
std::vector<std::string> scale_of(const Output& output);
/// "target.HEAD.NAME": what such a buffer is called.
std::string target_key(const Output& output, const std::string& name);

/// Between numbers in the target's unit and what a head of numbers gives. K is the number of numbers.
class NumberScale {
 public:
  NumberScale(const Output& output, const Weights& weights);

  /// Takes the scale from the targets (N, K) of the training split; NaN is no target.
  void adapt(const at::Tensor& train_targets);
  /// The answer (B, K) in the target's unit: of bins their expectation.
  at::Tensor numbers(const at::Tensor& values) const;
  /// Numbers in standard deviations from the mean.
  at::Tensor standardised(const at::Tensor& numbers) const { return (numbers - mean_) / std_; }

  /// Bins lie evenly from low (position 0) to high (position bins - 1).
  int64_t bins() const { return bins_; }
  /// The logits of each number: (B, K, bins), or (B, K, bins - 1) of steps.
  at::Tensor logits(const at::Tensor& values) const;
  at::Tensor positions(const at::Tensor& numbers) const { return (numbers - low_) / step(); }
  /// The position (B, K) that logits expect.
  at::Tensor expected(const at::Tensor& logits) const;
  /// Positions a standard deviation of the target: (K).
  at::Tensor positions_a_deviation() const { return std_ / step(); }
  const at::Tensor& mean() const { return mean_; }

 private:
  at::Tensor step() const { return (high_ - low_) / static_cast<double>(bins_ - 1); }

  int64_t bins_ = 0;    ///< 0: the head gives standardised numbers
  bool steps_ = false;  ///< a logit for each step between two bins, else one for each bin
  at::Tensor mean_, std_, low_, high_;
};

/// Probabilities (B, K), of two classes for one logit, or numbers (B, K) in their own units. Of the type of `values`.
at::Tensor decode(const Output& output, const at::Tensor& values, const Weights& weights);

}  // namespace espalier::engine
