#include "espalier/engine/losses_metrics.h"

#include "espalier/error.h"

#include <algorithm>
#include <cmath>

namespace espalier::engine {

namespace {

constexpr int64_t kMissing = -1;  // of a class label

std::string loss_name(const Json& loss) { return loss.is_string() ? loss.get<std::string>() : loss.at("name").get<std::string>(); }

/// n / (classes * count) for every class that occurs, so that all classes weigh the same in sum.
at::Tensor balanced(const at::Tensor& labels, int64_t classes) {
  const at::Tensor known = labels.masked_select(labels.ge(0));
  const at::Tensor counts = at::bincount(known, {}, classes).to(at::kFloat).clamp_min(1.0);
  return static_cast<double>(std::max<int64_t>(known.size(0), 1)) / (static_cast<double>(classes) * counts);
}

/// Negatives for every positive, per label: what one positive weighs.
at::Tensor positives_weight(const at::Tensor& targets) {
  const at::Tensor yes = targets.gt(0.5).sum(0).to(at::kFloat);
  const at::Tensor no = targets.le(0.5).logical_and(targets.ge(0.0)).sum(0).to(at::kFloat);
  return no.clamp_min(1.0) / yes.clamp_min(1.0);
}

/// Targets of one-logit and multi-label heads as (B, K) floats; missing ones are NaN.
at::Tensor as_numbers(const at::Tensor& target) {
  at::Tensor numbers = target.dim() == 1 ? target.unsqueeze(1) : target;
  if (numbers.scalar_type() == at::kLong) {
    const at::Tensor missing = numbers.lt(0);
    numbers = numbers.to(at::kFloat).masked_fill(missing, std::nan(""));
  }
  return numbers;
}

}  // namespace

Answer answer_of(const Output& output) {
  const std::string kind = output.decode.value("kind", std::string("class"));
  if (kind == "number" || kind == "numbers") return Answer::number;
  if (kind == "classes") return Answer::labels;
  return output.decode.value("activation", std::string("softmax")) == "sigmoid" ? Answer::yes_or_no : Answer::classes;
}

HeadLoss::HeadLoss(const Output& output, const at::Tensor& train_targets, const Weights& weights, bool adapt)
    : loss_(output.loss.is_object() ? output.loss : Json::object()), name_(loss_name(output.loss)), answer_(answer_of(output)) {
  if (answer_ == Answer::number) {
    mean_ = weights.get("target." + output.head + ".mean");
    std_ = weights.get("target." + output.head + ".std");
    if (!adapt) return;
    const at::Tensor all = train_targets.to(at::kDouble);
    const at::Tensor valid = all.isfinite();
    const at::Tensor count = valid.sum(0).to(at::kDouble).clamp_min(1.0);
    const at::Tensor mean = at::where(valid, all, 0.0).sum(0) / count;
    const at::Tensor deviation = (at::where(valid, all - mean, 0.0).square().sum(0) / count).sqrt();
    mean_.copy_(mean.view(mean_.sizes()));
    std_.copy_(at::where(deviation.gt(1e-12), deviation, 1.0).view(std_.sizes()));
    return;
  }
  const Json& given = loss_.contains("class_weights") ? loss_["class_weights"] : Json("none");
  if (given != "balanced") return;
  class_weights_ = answer_ == Answer::classes
                       ? balanced(train_targets, static_cast<int64_t>(output.decode.value("names", Json::array()).size()))
                       : positives_weight(as_numbers(train_targets));
}

at::Tensor HeadLoss::masked_mean(const at::Tensor& losses, const at::Tensor& valid) const {
  return at::where(valid, losses, 0.0).sum() / valid.sum().clamp_min(1);
}

at::Tensor HeadLoss::operator()(const at::Tensor& output, const at::Tensor& target) const {
  const at::Tensor values = output.to(at::kFloat);
  if (name_ == "cross_entropy" && answer_ == Answer::classes) {
    if (!target.ge(0).any().item<bool>()) return values.sum() * 0.0;
    const double smoothing = loss_.value("label_smoothing", 0.0);
    const at::Tensor weight = class_weights_.defined() && class_weights_.size(0) == values.size(1) ? class_weights_ : at::Tensor();
    return at::cross_entropy_loss(values, target, weight, at::Reduction::Mean, kMissing, smoothing);
  }
  const at::Tensor numbers = as_numbers(target);
  const at::Tensor valid = numbers.isfinite();
  if (name_ == "binary_cross_entropy" || name_ == "cross_entropy") {
    const double smoothing = loss_.value("label_smoothing", 0.0);
    const at::Tensor truth = at::where(valid, numbers, 0.0) * (1.0 - smoothing) + 0.5 * smoothing;
    return masked_mean(at::binary_cross_entropy_with_logits(values, truth, {}, class_weights_, at::Reduction::None), valid);
  }
  const at::Tensor truth = at::where(valid, numbers, mean_).sub(mean_).div(std_);
  if (name_ == "mse") return masked_mean(at::mse_loss(values, truth, at::Reduction::None), valid);
  if (name_ == "mae") return masked_mean(at::l1_loss(values, truth, at::Reduction::None), valid);
  if (name_ == "huber") return masked_mean(at::huber_loss(values, truth, at::Reduction::None, loss_.value("delta", 1.0)), valid);
  fail("E0417", "no loss is called '" + name_ + "'", "cross_entropy, binary_cross_entropy, mse, mae and huber are there");
}

HeadScores::HeadScores(const Output& output, const Weights& weights, int64_t residuals)
    : answer_(answer_of(output)),
      mean_(weights.get("target." + output.head + ".mean")),
      std_(weights.get("target." + output.head + ".std")),
      wanted_residuals_(static_cast<size_t>(residuals)) {
  if (answer_ != Answer::classes && answer_ != Answer::yes_or_no) return;
  const size_t classes = answer_ == Answer::yes_or_no ? 2 : output.decode.value("names", Json::array()).size();
  confusion_.assign(classes, std::vector<int64_t>(classes, 0));
}

void HeadScores::add(const at::Tensor& output, const at::Tensor& target) {
  const at::Tensor values = output.to(at::kFloat);
  if (answer_ == Answer::number) {
    const at::Tensor truth = as_numbers(target).to(at::kDouble).contiguous();
    const at::Tensor answer = (values * std_ + mean_).to(at::kDouble).contiguous();
    for (int64_t i = 0; i < truth.numel(); ++i) {
      const double t = truth.data_ptr<double>()[i];
      if (!std::isfinite(t)) continue;
      const double p = answer.data_ptr<double>()[i];
      count_ += 1.0;
      squared_ += (p - t) * (p - t);
      absolute_ += std::abs(p - t);
      sum_ += t;
      sum_of_squares_ += t * t;
      if (residuals_.size() < wanted_residuals_) residuals_.push_back({t, p});
    }
    return;
  }
  if (answer_ == Answer::labels) {
    const at::Tensor truth = as_numbers(target);
    const at::Tensor valid = truth.isfinite();
    count_ += static_cast<double>(valid.sum().item<int64_t>());
    right_ += static_cast<double>(valid.logical_and(values.gt(0.0).eq(truth.gt(0.5))).sum().item<int64_t>());
    return;
  }
  const at::Tensor answer = (answer_ == Answer::classes ? values.argmax(1) : values.flatten().gt(0.0).to(at::kLong)).contiguous();
  const at::Tensor truth = target.flatten().to(at::kLong).contiguous();
  for (int64_t i = 0; i < truth.numel(); ++i) {
    const int64_t t = truth.data_ptr<int64_t>()[i];
    const int64_t p = answer.data_ptr<int64_t>()[i];
    if (t < 0) continue;
    count_ += 1.0;
    right_ += t == p ? 1.0 : 0.0;
    const auto row = static_cast<size_t>(t);
    const auto column = static_cast<size_t>(p);
    if (row < confusion_.size() && column < confusion_.size()) ++confusion_[row][column];
  }
}

Json HeadScores::metrics() const {
  if (count_ == 0.0) return Json::object();
  if (answer_ != Answer::number) return {{"accuracy", right_ / count_}};
  const double mse = squared_ / count_;
  const double variance = sum_of_squares_ / count_ - (sum_ / count_) * (sum_ / count_);
  return {{"mse", mse}, {"mae", absolute_ / count_}, {"rmse", std::sqrt(mse)}, {"r2", variance > 0.0 ? 1.0 - mse / variance : 0.0}};
}

Json baseline(const Output& output, const at::Tensor& train_targets, const at::Tensor& targets) {
  const Answer answer = answer_of(output);
  if (answer == Answer::number) {
    const at::Tensor all = train_targets.to(at::kDouble);
    const at::Tensor known = all.isfinite();
    const at::Tensor mean = at::where(known, all, 0.0).sum(0) / known.sum(0).clamp_min(1);
    const at::Tensor truth = targets.to(at::kDouble);
    const at::Tensor error = (truth - mean).masked_select(truth.isfinite());
    if (error.numel() == 0) return Json::object();
    return {{"mse", error.square().mean().item<double>()}, {"mae", error.abs().mean().item<double>()}};
  }
  if (answer == Answer::labels) {
    const at::Tensor majority = as_numbers(train_targets).gt(0.5).to(at::kFloat).mean(0).gt(0.5);
    const at::Tensor truth = as_numbers(targets);
    return {{"accuracy", truth.gt(0.5).eq(majority).to(at::kFloat).mean().item<double>()}};
  }
  const at::Tensor labels = train_targets.flatten().to(at::kLong);
  const at::Tensor known = labels.masked_select(labels.ge(0));
  if (known.numel() == 0) return Json::object();
  const int64_t majority = at::bincount(known).argmax().item<int64_t>();
  const at::Tensor all = targets.flatten().to(at::kLong);
  const at::Tensor truth = all.masked_select(all.ge(0));
  return {{"accuracy", truth.eq(majority).to(at::kFloat).mean().item<double>()}};
}

at::Tensor decode(const Output& output, const at::Tensor& values, const Weights& weights) {
  const at::Tensor numbers = values.to(at::kFloat);
  switch (answer_of(output)) {
    case Answer::classes: return at::softmax(numbers, 1);
    case Answer::yes_or_no: {
      const at::Tensor yes = at::sigmoid(numbers.view({-1, 1}));
      return at::cat({1.0 - yes, yes}, 1);
    }
    case Answer::labels: return at::sigmoid(numbers);
    case Answer::number: break;
  }
  return numbers * weights.get("target." + output.head + ".std") + weights.get("target." + output.head + ".mean");
}

}  // namespace espalier::engine
