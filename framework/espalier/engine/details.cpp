#include "espalier/engine/details.h"

#include <algorithm>
#include <vector>

namespace espalier::engine {

namespace {

constexpr int64_t kResiduals = 2000;
constexpr int64_t kRanges = 10;

double at_row(const at::Tensor& values, int64_t row) { return values[row].item<double>(); }

Json rows_of(const at::Tensor& matrix) {
  const at::Tensor whole = matrix.contiguous();
  Json rows = Json::array();
  for (int64_t i = 0; i < whole.size(0); ++i) {
    const auto* row = whole.data_ptr<int64_t>() + i * whole.size(1);
    rows.push_back(std::vector<int64_t>(row, row + whole.size(1)));
  }
  return rows;
}

Json class_rows(const Output& output, const Answers& answers) {
  const Json names = output.decode.value("names", Json::array());
  const ByClass classes = by_class(answers);
  Json rows = Json::array();
  for (int64_t k = 0; k < classes.samples.size(0); ++k)
    rows.push_back({{"name", k < std::ssize(names) ? names[static_cast<size_t>(k)] : Json(std::to_string(k))},
                    {"precision", at_row(classes.precision, k)}, {"recall", at_row(classes.recall, k)}, {"f1", at_row(classes.f1, k)},
                    {"samples", static_cast<int64_t>(at_row(classes.samples, k))}});
  return rows;
}

Json reliability_rows(const Answers& answers) {
  const Reliability bins = reliability(answers);
  Json rows = Json::array();
  for (int64_t i = 0; i < kReliabilityBins; ++i)
    rows.push_back({{"from", static_cast<double>(i) / kReliabilityBins}, {"to", static_cast<double>(i + 1) / kReliabilityBins},
                    {"samples", static_cast<int64_t>(at_row(bins.samples, i))}, {"confidence", at_row(bins.confidence, i)},
                    {"accuracy", at_row(bins.accuracy, i)}});
  return rows;
}

Json residual_pairs(const Answers& answers) {
  const at::Tensor known = answers.truth.isfinite();
  const at::Tensor pairs = at::stack({answers.truth.masked_select(known), answers.predicted.masked_select(known)}, 1).contiguous();
  Json rows = Json::array();
  const auto* values = pairs.data_ptr<double>();
  for (int64_t i = 0; i < std::min(kResiduals, pairs.size(0)); ++i) rows.push_back({values[2 * i], values[2 * i + 1]});
  return rows;
}

/// Ranges of one number's targets; equal targets are never divided.
void append_ranges(const at::Tensor& truth, const at::Tensor& predicted, const Json& name, Json& rows) {
  const auto [sorted, order] = truth.sort();
  const at::Tensor errors = (predicted - truth).index_select(0, order);
  const at::Tensor ordered = sorted.contiguous();
  const auto* targets = ordered.data_ptr<double>();
  const int64_t count = ordered.size(0);
  for (int64_t begin = 0, range = 1; begin < count; ++range) {
    int64_t end = std::max(begin + 1, count * range / kRanges);
    while (end < count && targets[end] == targets[end - 1]) ++end;
    const at::Tensor part = errors.slice(0, begin, end);
    Json row = {{"from", targets[begin]}, {"to", targets[end - 1]}, {"samples", end - begin}, {"bias", part.mean().item<double>()},
                {"mae", part.abs().mean().item<double>()}, {"rmse", part.square().mean().sqrt().item<double>()}};
    if (!name.is_null()) row["name"] = name;
    rows.push_back(row);
    begin = end;
  }
}

Json range_rows(const Output& output, const Answers& answers) {
  const Json names = output.decode.value("names", Json::array());
  Json rows = Json::array();
  for (int64_t k = 0; k < answers.truth.size(1); ++k) {
    const at::Tensor truth = answers.truth.select(1, k);
    const at::Tensor known = truth.isfinite();
    append_ranges(truth.masked_select(known), answers.predicted.select(1, k).masked_select(known),
                  k < std::ssize(names) ? names[static_cast<size_t>(k)] : Json(), rows);
  }
  return rows;
}

}  // namespace

Json details(const Output& output, const Answers& answers) {
  if (answers.truth.numel() == 0) return Json::object();
  if (answers.kind == Answer::number) return {{"residuals", residual_pairs(answers)}, {"by_range", range_rows(output, answers)}};
  if (answers.kind == Answer::labels) return {{"by_class", class_rows(output, answers)}};
  return {{"confusion", rows_of(confusion(answers))}, {"by_class", class_rows(output, answers)}, {"reliability", reliability_rows(answers)}};
}

}  // namespace espalier::engine
