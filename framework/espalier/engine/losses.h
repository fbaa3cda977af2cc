#pragma once

#include "espalier/engine/answers.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <utility>

namespace espalier::engine {

class Weights;

/// What a mean is made of, scalars: the sum of losses, with its gradient, and what it is divided by.
struct LossSum {
  at::Tensor sum;
  at::Tensor count;
};

/// One head's loss: classes weighted and numbers scaled as the training split says. Losses of numbers are in standard
/// deviations of the target.
class HeadLoss {
 public:
  /// `train_targets` are all targets of the training split; with `adapt`, the scale of numbers is taken from them and stored
  /// in `weights` (else it is read from there). Throws E0417 if there is no such loss.
  HeadLoss(const Output& output, const at::Tensor& train_targets, const Weights& weights, bool adapt);

  /// The mean over what has a target: a scalar with its gradient. `importance` (B), if defined, multiplies each sample's
  /// loss; its mean over the training split is 1.
  at::Tensor operator()(const at::Tensor& output, const at::Tensor& target, const at::Tensor& importance = {}) const;
  /// The same before the division, so that parts can be added up.
  LossSum sum(const at::Tensor& output, const at::Tensor& target, const at::Tensor& importance = {}) const;
  /// Of each sample (B), without weights of classes and samples and without focus: how hard it is.
  at::Tensor each(const at::Tensor& output, const at::Tensor& target) const;

 private:
  LossSum of_classes(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& importance) const;
  /// Targets (B, K) as numbers, with something harmless for those that are missing, and which of them are there.
  std::pair<at::Tensor, at::Tensor> known_numbers(const at::Tensor& target) const;
  at::Tensor smoothed(const at::Tensor& truth) const;
  at::Tensor of_labels(const at::Tensor& logits, const at::Tensor& truth) const;
  at::Tensor of_numbers(const at::Tensor& values, const at::Tensor& truth) const;
  at::Tensor of_bins(const at::Tensor& values, const at::Tensor& truth) const;
  at::Tensor of_levels(const at::Tensor& values, const at::Tensor& truth) const;

  Json settings_;
  std::string name_;
  Answer answer_;
  double smoothing_ = 0.0;
  double gamma_ = 0.0;        ///< of the focal loss; 0: none
  at::Tensor class_weights_;  ///< (classes), or (2, labels): what a negative and a positive weigh
  std::optional<NumberScale> scale_;
};

}  // namespace espalier::engine
