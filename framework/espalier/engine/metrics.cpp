#include "espalier/engine/metrics.h"

#include "espalier/error.h"
#include "espalier/network/metrics.h"

namespace espalier::engine {

namespace {

using Value = std::optional<double>;

bool of_classes(const Answers& answers) { return answers.kind == Answer::classes || answers.kind == Answer::yes_or_no; }

Value mean_of(const at::Tensor& values) {
  if (values.numel() == 0) return std::nullopt;
  return values.to(at::kDouble).mean().item<double>();
}

/// Labels that are known, answers to them as yes or no, and whether they are true.
struct Labels {
  at::Tensor known, said, is;
};

Labels labels_of(const Answers& answers) {
  return {answers.truth.isfinite(), answers.predicted.gt(0.5), answers.truth.gt(0.5)};
}

at::Tensor ratio(const at::Tensor& part, const at::Tensor& whole) { return at::where(whole.gt(0), part / whole.clamp_min(1e-300), 0.0); }

Value accuracy(const Answers& answers) {
  if (of_classes(answers)) return mean_of(answers.predicted.argmax(1).eq(answers.truth));
  const Labels labels = labels_of(answers);
  return mean_of(labels.said.eq(labels.is).masked_select(labels.known));
}

/// Samples of which no label is known do not count.
Value exact_match(const Answers& answers) {
  const Labels labels = labels_of(answers);
  return mean_of(labels.said.eq(labels.is).logical_or(labels.known.logical_not()).all(1).masked_select(labels.known.any(1)));
}

Value top(const Answers& answers, int64_t places) {
  const at::Tensor best = std::get<1>(answers.predicted.topk(places, 1));
  return mean_of(best.eq(answers.truth.unsqueeze(1)).any(1));
}

/// Mean over the classes that are true or said of some sample; labels count all.
Value macro(at::Tensor ByClass::*score, const Answers& answers) {
  if (answers.truth.numel() == 0) return std::nullopt;
  const ByClass classes = by_class(answers);
  const at::Tensor& values = classes.*score;
  return mean_of(of_classes(answers) ? values.masked_select((classes.samples + classes.answers).gt(0)) : values);
}

/// The probability that a positive is scored above a negative; ties count half. By ranks, ties sharing the mean of theirs.
Value area(const at::Tensor& scores, const at::Tensor& positive) {
  const auto positives = static_cast<double>(positive.sum().item<int64_t>());
  const double negatives = static_cast<double>(positive.numel()) - positives;
  if (positives == 0.0 || negatives == 0.0) return std::nullopt;
  const auto [sorted, order] = scores.sort();
  const auto [distinct, group, counts] = at::unique_consecutive(sorted, true, true);
  const at::Tensor last = counts.cumsum(0).to(at::kDouble);
  const at::Tensor ranks = (last - (counts.to(at::kDouble) - 1.0) / 2.0).index_select(0, group);
  const double sum = ranks.masked_select(positive.index_select(0, order)).sum().item<double>();
  return (sum - positives * (positives + 1.0) / 2.0) / (positives * negatives);
}

Value auc(const Answers& answers) {
  if (answers.kind == Answer::yes_or_no || (of_classes(answers) && answers.predicted.size(1) == 2))
    return area(answers.predicted.select(1, 1), answers.truth.eq(1));
  double sum = 0.0;
  double count = 0.0;
  for (int64_t k = 0; k < answers.predicted.size(1); ++k) {
    const at::Tensor scores = answers.predicted.select(1, k);
    const at::Tensor truth = of_classes(answers) ? answers.truth.eq(k) : answers.truth.select(1, k);
    const at::Tensor known = of_classes(answers) ? at::ones_like(truth) : truth.isfinite();
    const Value one = area(scores.masked_select(known), truth.gt(0.5).masked_select(known));
    if (!one) continue;
    sum += *one;
    count += 1.0;
  }
  return count > 0.0 ? Value(sum / count) : std::nullopt;
}

Value log_loss(const Answers& answers) {
  constexpr double kLeast = 2.220446049250313e-16;  // as scikit-learn cuts doubles
  if (of_classes(answers)) return mean_of(-answers.predicted.gather(1, answers.truth.unsqueeze(1)).clamp(kLeast, 1.0).log());
  const Labels labels = labels_of(answers);
  const at::Tensor given = at::where(labels.is, answers.predicted, 1.0 - answers.predicted);
  return mean_of(-given.clamp(kLeast, 1.0).log().masked_select(labels.known));
}

Value calibration_error(const Answers& answers) {
  if (answers.truth.numel() == 0) return std::nullopt;
  const Reliability bins = reliability(answers);
  return (bins.samples * (bins.accuracy - bins.confidence).abs()).sum().item<double>() / static_cast<double>(answers.truth.numel());
}

at::Tensor errors(const Answers& answers) { return (answers.predicted - answers.truth).masked_select(answers.truth.isfinite()); }

Value mse(const Answers& answers) { return mean_of(errors(answers).square()); }

Value root_of(const Value& value) { return value ? Value(std::sqrt(*value)) : std::nullopt; }

Value median_absolute_error(const Answers& answers) {
  const at::Tensor all = errors(answers).abs();
  return all.numel() == 0 ? Value() : all.quantile(0.5).item<double>();
}

Value r2(const Answers& answers) {
  const at::Tensor known = answers.truth.isfinite();
  const at::Tensor truth = at::where(known, answers.truth, 0.0);
  const at::Tensor centre = truth.sum(0) / known.sum(0).clamp_min(1);
  const at::Tensor spread = at::where(known, truth - centre, 0.0).square().sum(0);
  const at::Tensor missed = at::where(known, answers.predicted - truth, 0.0).square().sum(0);
  return mean_of((1.0 - missed / spread).masked_select(spread.gt(0.0)));
}

Value number_metric(const std::string& name, const Answers& answers) {
  if (name == "mse") return mse(answers);
  if (name == "rmse") return root_of(mse(answers));
  if (name == "mae") return mean_of(errors(answers).abs());
  if (name == "median_absolute_error") return median_absolute_error(answers);
  if (name == "r2") return r2(answers);
  fail("E0417", "numbers are not scored by '" + name + "'");
}

Value class_metric(const std::string& name, const Answers& answers) {
  if (name == "accuracy") return accuracy(answers);
  if (name == "auc") return auc(answers);
  if (name == "log_loss") return log_loss(answers);
  if (name == "precision") return macro(&ByClass::precision, answers);
  if (name == "recall") return macro(&ByClass::recall, answers);
  if (name == "f1") return macro(&ByClass::f1, answers);
  if (name == "exact_match" && answers.kind == Answer::labels) return exact_match(answers);
  if (name == "calibration_error" && of_classes(answers)) return calibration_error(answers);
  const int64_t places = places_of(name);
  if (places > 0 && of_classes(answers) && places <= answers.predicted.size(1)) return top(answers, places);
  fail("E0417", "classes are not scored by '" + name + "'");
}

}  // namespace

std::optional<double> metric(const std::string& name, const Answers& answers) {
  return answers.kind == Answer::number ? number_metric(name, answers) : class_metric(name, answers);
}

at::Tensor confusion(const Answers& answers) {
  const int64_t classes = answers.predicted.size(1);
  const at::Tensor cells = answers.truth * classes + answers.predicted.argmax(1);
  return at::bincount(cells, {}, classes * classes).view({classes, classes});
}

ByClass by_class(const Answers& answers) {
  at::Tensor right, said, is;
  if (of_classes(answers)) {
    const at::Tensor counts = confusion(answers).to(at::kDouble);
    right = counts.diag();
    said = counts.sum(0);
    is = counts.sum(1);
  } else {
    const Labels labels = labels_of(answers);
    is = labels.is.logical_and(labels.known).sum(0).to(at::kDouble);
    said = labels.said.logical_and(labels.known).sum(0).to(at::kDouble);
    right = labels.is.logical_and(labels.said).logical_and(labels.known).sum(0).to(at::kDouble);
  }
  return {.precision = ratio(right, said), .recall = ratio(right, is), .f1 = ratio(2.0 * right, said + is), .samples = is, .answers = said};
}

Reliability reliability(const Answers& answers) {
  const auto [confidence, said] = answers.predicted.max(1);
  const at::Tensor bin = (confidence * static_cast<double>(kReliabilityBins)).ceil().sub(1.0).clamp(0.0, kReliabilityBins - 1.0).to(at::kLong);
  const at::Tensor samples = at::bincount(bin, {}, kReliabilityBins).to(at::kDouble);
  const auto sums = [&](const at::Tensor& values) { return at::bincount(bin, values.to(at::kDouble), kReliabilityBins); };
  return {.samples = samples, .confidence = ratio(sums(confidence), samples), .accuracy = ratio(sums(said.eq(answers.truth)), samples)};
}

}  // namespace espalier::engine
