#include "espalier/network/metrics.h"

#include <algorithm>

namespace espalier {

namespace {

const std::string kTop = "top_";

std::string kind_of(const Output& output) {
  const std::string kind = output.decode.is_object() ? output.decode.value("kind", "class") : "class";
  return kind == "numbers" ? "number" : kind;
}

int64_t classes_of(const Output& output) {
  return output.decode.is_object() ? std::ssize(output.decode.value("names", Json::array())) : 0;
}

}  // namespace

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> kMetrics = {
      {"accuracy", true, {"class", "classes"}, "share of right answers; of several labels each counts"},
      {"exact_match", true, {"classes"}, "share of samples all of whose labels are right"},
      {"top_K", true, {"class"}, "share of samples whose class is among the K most probable ones"},
      {"precision", true, {"class", "classes"}, "share of answers that are right, mean over classes"},
      {"recall", true, {"class", "classes"}, "share of samples that are found, mean over classes"},
      {"f1", true, {"class", "classes"}, "harmonic mean of precision and recall, mean over classes"},
      {"auc", true, {"class", "classes"}, "area under the ROC curve: of the second of two classes, else the mean of each against the rest"},
      {"log_loss", false, {"class", "classes"}, "minus the logarithm of the probability given to the truth, mean"},
      {"calibration_error", false, {"class"}, "distance between confidence and accuracy over 15 bins of confidence (arXiv:1706.04599)"},
      {"mse", false, {"number"}, "mean of the squared errors"},
      {"rmse", false, {"number"}, "root of mse"},
      {"mae", false, {"number"}, "mean of the absolute errors"},
      {"median_absolute_error", false, {"number"}, "median of the absolute errors"},
      {"r2", true, {"number"}, "share of the variance that is explained, mean over numbers"},
  };
  return kMetrics;
}

int64_t places_of(const std::string& name) {
  const std::string digits = name.starts_with(kTop) ? name.substr(kTop.size()) : "";
  const bool count = !digits.empty() && digits.size() < 6 && digits[0] != '0' && digits.find_first_not_of("0123456789") == std::string::npos;
  return count ? std::stoll(digits) : 0;
}

const Metric* find_metric(const std::string& name) {
  const std::string entry = places_of(name) > 1 ? kTop + "K" : name;
  if (name == kTop + "K") return nullptr;
  const auto found = std::ranges::find(metrics(), entry, &Metric::name);
  return found == metrics().end() ? nullptr : &*found;
}

std::string score_name(const std::string& head, size_t heads, const std::string& split, const std::string& metric) {
  return (heads == 1 ? "" : head + ".") + split + metric;
}

std::string bare_metric(const std::string& score) {
  const std::string name = score.substr(score.find('.') == std::string::npos ? 0 : score.find('.') + 1);
  for (const std::string split : {"val_", "test_", "train_"})
    if (name.starts_with(split)) return name.substr(split.size());
  return name;
}

bool is_maximized(const std::string& score) {
  const Metric* metric = find_metric(bare_metric(score));
  return metric != nullptr && metric->maximize;
}

bool has_metric(const Output& output, const std::string& name) {
  const Metric* metric = find_metric(name);
  return metric != nullptr && std::ranges::find(metric->kinds, kind_of(output)) != metric->kinds.end() &&
         places_of(name) < std::max<int64_t>(classes_of(output), 1);
}

std::vector<std::string> metrics_of(const Output& output) {
  std::vector<std::string> out;
  for (const Metric& metric : metrics()) {
    const std::string name = metric.name == kTop + "K" ? kTop + "5" : metric.name;
    if (has_metric(output, name)) out.push_back(name);
  }
  return out;
}

}  // namespace espalier
