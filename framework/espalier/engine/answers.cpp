#include "espalier/engine/answers.h"

#include "espalier/engine/weights.h"
#include "espalier/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier::engine {

Answer answer_of(const Output& output) {
  const std::string kind = output.decode.value("kind", std::string("class"));
  if (kind == "number" || kind == "numbers") return Answer::number;
  if (kind == "classes") return Answer::labels;
  return output.decode.value("activation", std::string("softmax")) == "sigmoid" ? Answer::yes_or_no : Answer::classes;
}

at::Tensor as_numbers(const at::Tensor& target) {
  const at::Tensor numbers = target.dim() == 1 ? target.unsqueeze(1) : target;
  if (numbers.scalar_type() != at::kLong) return numbers;
  return numbers.to(at::kFloat).masked_fill(numbers.lt(0), std::numeric_limits<double>::quiet_NaN());
}

int64_t numbers_of(const Output& output) {
  return std::max<int64_t>(std::ssize(output.decode.value("names", Json::array())), 1);
}

std::vector<std::string> scale_of(const Output& output) {
  if (answer_of(output) != Answer::number) return {};
  return output.decode.contains("bins") ? std::vector<std::string>{"mean", "std", "low", "high"} : std::vector<std::string>{"mean", "std"};
}

std::string target_key(const Output& output, const std::string& name) { return "target." + output.head + "." + name; }

NumberScale::NumberScale(const Output& output, const Weights& weights)
    : bins_(output.decode.value("bins", int64_t{0})),
      steps_(output.decode.value("activation", std::string()) == "sigmoid"),
      mean_(weights.get(target_key(output, "mean"))),
      std_(weights.get(target_key(output, "std"))),
      low_(weights.get(target_key(output, "low"))),
      high_(weights.get(target_key(output, "high"))) {
  require(!low_.defined() || bins_ > 1, "E0322", "head '" + output.head + "' has " + std::to_string(bins_) + " bins; it takes two or more");
}

void NumberScale::adapt(const at::Tensor& train_targets) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor all = as_numbers(train_targets).to(at::kDouble);
  const at::Tensor valid = all.isfinite();
  const at::Tensor count = valid.sum(0).to(at::kDouble).clamp_min(1.0);
  const at::Tensor mean = at::where(valid, all, 0.0).sum(0) / count;
  const at::Tensor deviation = (at::where(valid, all - mean, 0.0).square().sum(0) / count).sqrt();
  mean_.copy_(mean);
  std_.copy_(at::where(deviation.gt(1e-12), deviation, 1.0));
  if (!low_.defined()) return;
  low_.copy_(at::where(valid, all, kInfinity).amin(0));
  high_.copy_(at::where(valid, all, -kInfinity).amax(0));
  // Targets that are all the same, or none, leave no span to divide.
  const at::Tensor spans = high_.gt(low_);
  low_.copy_(at::where(spans, low_, mean_ - 0.5 * std_));
  high_.copy_(at::where(spans, high_, mean_ + 0.5 * std_));
}

at::Tensor NumberScale::logits(const at::Tensor& values) const {
  return values.reshape({values.size(0), mean_.size(0), steps_ ? bins_ - 1 : bins_});
}

at::Tensor NumberScale::expected(const at::Tensor& logits) const {
  if (steps_) return at::sigmoid(logits).sum(2);
  return at::matmul(at::softmax(logits, 2), at::arange(bins_, logits.options()));
}

at::Tensor NumberScale::numbers(const at::Tensor& values) const {
  if (bins_ == 0) return values * std_ + mean_;
  return expected(logits(values)) * step() + low_;
}

at::Tensor decode(const Output& output, const at::Tensor& values, const Weights& weights) {
  switch (answer_of(output)) {
    case Answer::classes: return at::softmax(values, 1);
    case Answer::yes_or_no: {
      const at::Tensor yes = at::sigmoid(values.view({-1, 1}));
      return at::cat({1.0 - yes, yes}, 1);
    }
    case Answer::labels: return at::sigmoid(values);
    case Answer::number: break;
  }
  return NumberScale(output, weights).numbers(values);
}

}  // namespace espalier::engine
