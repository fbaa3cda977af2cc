#include "espalier/engine/losses.h"

#include "espalier/error.h"
#include "espalier/losses.h"

#include <algorithm>

namespace espalier::engine {

namespace {

constexpr int64_t kMissing = -1;  // of a class label
constexpr double kNothing = 1e-12;  // divides a sum over nothing

/// n / (classes * count), so that all classes weigh the same in sum and a sample 1 in the mean; 1 for a class that does not occur.
at::Tensor balanced_weights(const at::Tensor& counts, int64_t classes) {
  const at::Tensor known = counts.to(at::kFloat);
  return at::where(known.gt(0.0), known.sum(0) / (static_cast<double>(classes) * known.clamp_min(1.0)), 1.0);
}

/// (classes)
at::Tensor balanced_classes(const at::Tensor& labels, int64_t classes) {
  return balanced_weights(at::bincount(labels.masked_select(labels.ge(0)), {}, classes), classes);
}

/// (2, labels): what a negative and a positive weigh.
at::Tensor balanced_labels(const at::Tensor& targets) {
  const at::Tensor no = targets.le(0.5).logical_and(targets.ge(0.0)).sum(0);
  return balanced_weights(at::stack({no, targets.gt(0.5).sum(0)}), 2);
}

/// How much the focal loss (arXiv:1708.02002) leaves of a term, by the probability of what is wrong. Its power has no finite
/// slope at zero for gamma below 1, so what is smaller counts as this.
at::Tensor focus(const at::Tensor& wrong, double gamma) {
  constexpr double kLeast = 1e-6;
  return wrong.clamp_min(kLeast).pow(gamma);
}

[[noreturn]] void no_loss(const std::string& name) {
  std::string known;
  for (const LossType& loss : losses()) known += (known.empty() ? "" : ", ") + loss.name;
  fail("E0417", "no loss is called '" + name + "'", "there are: " + known);
}

}  // namespace

HeadLoss::HeadLoss(const Output& output, const at::Tensor& train_targets, const Weights& weights, bool adapt)
    : settings_(output.loss.is_object() ? output.loss : Json{{"name", output.loss}}),
      name_(settings_.at("name").get<std::string>()),
      answer_(answer_of(output)),
      smoothing_(settings_.value("label_smoothing", 0.0)),
      gamma_(name_ == "focal" ? settings_.at("gamma").get<double>() : 0.0) {
  if (answer_ == Answer::number) {
    scale_.emplace(output, weights);
    if (adapt) scale_->adapt(train_targets);
    return;
  }
  if (name_ != "cross_entropy" && name_ != "binary_cross_entropy" && name_ != "focal") no_loss(name_);
  if (settings_.value("class_weights", Json("none")) != "balanced") return;
  class_weights_ = answer_ == Answer::classes
                       ? balanced_classes(train_targets, std::ssize(output.decode.value("names", Json::array())))
                       : balanced_labels(as_numbers(train_targets));
}

at::Tensor HeadLoss::operator()(const at::Tensor& output, const at::Tensor& target, const at::Tensor& importance) const {
  const LossSum all = sum(output, target, importance);
  return all.sum / all.count.clamp_min(kNothing);
}

LossSum HeadLoss::sum(const at::Tensor& output, const at::Tensor& target, const at::Tensor& importance) const {
  const at::Tensor values = output.to(at::kFloat);
  if (answer_ == Answer::classes) return of_classes(values, target, importance);
  const auto [numbers, valid] = known_numbers(target);
  at::Tensor losses = answer_ == Answer::number ? of_numbers(values, numbers) : of_labels(values, numbers);
  if (importance.defined()) losses = losses * importance.unsqueeze(1);
  return {at::where(valid, losses, 0.0).sum(), valid.sum().to(at::kFloat)};
}

at::Tensor HeadLoss::each(const at::Tensor& output, const at::Tensor& target) const {
  const at::Tensor values = output.to(at::kFloat);
  if (answer_ == Answer::classes) return at::cross_entropy_loss(values, target, {}, at::Reduction::None, kMissing, smoothing_);
  const auto [numbers, valid] = known_numbers(target);
  const at::Tensor losses = answer_ == Answer::number
                                ? of_numbers(values, numbers)
                                : at::binary_cross_entropy_with_logits(values, smoothed(numbers), {}, {}, at::Reduction::None);
  return at::where(valid, losses, 0.0).sum(1) / valid.sum(1).clamp_min(1);
}

std::pair<at::Tensor, at::Tensor> HeadLoss::known_numbers(const at::Tensor& target) const {
  const at::Tensor numbers = as_numbers(target);
  const at::Tensor valid = numbers.isfinite();
  return {answer_ == Answer::number ? at::where(valid, numbers, scale_->mean()) : at::where(valid, numbers, 0.0), valid};
}

LossSum HeadLoss::of_classes(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& importance) const {
  const at::Tensor valid = target.ge(0);
  const at::Tensor truth = target.clamp_min(0);
  const at::Tensor weights = class_weights_.defined() ? class_weights_.index_select(0, truth) : at::ones_like(target, logits.options());
  const at::Tensor count = at::where(valid, weights, 0.0).sum();
  if (gamma_ == 0.0 && !importance.defined())
    return {at::cross_entropy_loss(logits, target, class_weights_, at::Reduction::Sum, kMissing, smoothing_), count};
  const at::Tensor log_probabilities = at::log_softmax(logits, 1);
  // Not scattered: deterministic algorithms would wait for another device to check the places.
  const at::Tensor is_truth = at::arange(logits.size(1), truth.options()).eq(truth.unsqueeze(1)).to(at::kFloat);
  const at::Tensor label = is_truth * (1.0 - smoothing_) + smoothing_ / static_cast<double>(logits.size(1));
  at::Tensor terms = -label * log_probabilities;
  if (gamma_ > 0.0) terms = terms * focus(1.0 - log_probabilities.exp(), gamma_);
  if (class_weights_.defined()) terms = terms * class_weights_;
  at::Tensor losses = terms.sum(1);
  if (importance.defined()) losses = losses * importance;
  return {at::where(valid, losses, 0.0).sum(), count};
}

at::Tensor HeadLoss::smoothed(const at::Tensor& truth) const { return truth * (1.0 - smoothing_) + 0.5 * smoothing_; }

at::Tensor HeadLoss::of_labels(const at::Tensor& logits, const at::Tensor& truth) const {
  const at::Tensor label = smoothed(truth);
  const at::Tensor positive = class_weights_.defined() ? class_weights_[1] / class_weights_[0] : at::Tensor();
  at::Tensor losses = at::binary_cross_entropy_with_logits(logits, label, {}, positive, at::Reduction::None);
  if (class_weights_.defined()) losses = losses * class_weights_[0];
  if (gamma_ == 0.0) return losses;
  const at::Tensor yes = at::sigmoid(logits);
  return losses * focus(yes * (1.0 - label) + (1.0 - yes) * label, gamma_);
}

at::Tensor HeadLoss::of_numbers(const at::Tensor& values, const at::Tensor& truth) const {
  if (name_ == "bins") return of_bins(values, truth);
  if (name_ == "ordinal") return of_levels(values, truth);
  const at::Tensor standardised = scale_->standardised(truth);
  if (name_ == "mse") return at::mse_loss(values, standardised, at::Reduction::None);
  if (name_ == "mae") return at::l1_loss(values, standardised, at::Reduction::None);
  if (name_ == "huber") return at::huber_loss(values, standardised, at::Reduction::None, settings_.value("delta", 1.0));
  no_loss(name_);
}

/// The divergence from a normal distribution over the bins, and the distance of the expectation (DLDL-v2, arXiv:1807.01906).
at::Tensor HeadLoss::of_bins(const at::Tensor& values, const at::Tensor& truth) const {
  const at::Tensor logits = scale_->logits(values);
  const at::Tensor positions = scale_->positions(truth);
  const at::Tensor width = settings_.at("spread").get<double>() * scale_->positions_a_deviation().unsqueeze(1);
  // Beyond the bins the nearest one is meant.
  const at::Tensor within = positions.clamp(0.0, static_cast<double>(scale_->bins() - 1)).unsqueeze(2);
  const at::Tensor log_label = at::log_softmax(((at::arange(scale_->bins(), logits.options()) - within) / width).square() * -0.5, 2);
  const at::Tensor divergence = (log_label.exp() * (log_label - at::log_softmax(logits, 2))).sum(2);
  const at::Tensor distance = (scale_->expected(logits) - positions).abs() / scale_->positions_a_deviation();
  return divergence + settings_.at("expectation").get<double>() * distance;
}

/// Cross entropy of whether the answer lies above each level (CORAL, arXiv:1901.07884), averaged over the steps, so that its
/// size does not depend on their number. An answer between two levels has gone a part of the step.
at::Tensor HeadLoss::of_levels(const at::Tensor& values, const at::Tensor& truth) const {
  const at::Tensor logits = scale_->logits(values);
  const at::Tensor levels = (scale_->positions(truth).unsqueeze(2) - at::arange(scale_->bins() - 1, logits.options())).clamp(0.0, 1.0);
  return at::binary_cross_entropy_with_logits(logits, levels, {}, {}, at::Reduction::None).mean(2);
}

}  // namespace espalier::engine
