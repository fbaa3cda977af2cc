#include "espalier/engine/scores.h"

#include "espalier/engine/weights.h"
#include "espalier/error.h"
#include "espalier/network/metrics.h"

namespace espalier::engine {

HeadScores::HeadScores(const Output& output, const Weights& weights, std::vector<std::string> wanted)
    : output_(output), weights_(weights), wanted_(std::move(wanted)) {
  for (const std::string& name : wanted_)
    require(has_metric(output, name), "E0417", "the answers of '" + output.head + "' are not scored by '" + name + "'");
}

void HeadScores::add(const at::Tensor& values, const at::Tensor& target) {
  const at::Tensor predicted = decode(output_, values.to(at::kDouble), weights_).cpu();
  const at::Tensor truth = target.cpu();
  if (const Answer kind = answer_of(output_); kind == Answer::number || kind == Answer::labels) {
    predicted_.push_back(predicted);
    truth_.push_back(as_numbers(truth).to(at::kDouble));
    return;
  }
  const at::Tensor known = truth.ge(0).nonzero().flatten();
  predicted_.push_back(predicted.index_select(0, known));
  truth_.push_back(truth.index_select(0, known));
}

Answers HeadScores::answers() const {
  return {.kind = answer_of(output_), .predicted = at::cat(predicted_), .truth = at::cat(truth_)};
}

Json HeadScores::metrics() const {
  Json out = Json::object();
  if (predicted_.empty()) return out;
  const Answers all = answers();
  for (const std::string& name : wanted_)
    if (const std::optional<double> value = metric(name, all)) out[name] = *value;
  return out;
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

}  // namespace espalier::engine
