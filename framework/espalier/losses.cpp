#include "espalier/losses.h"

#include "espalier/error.h"

#include <algorithm>

namespace espalier {

namespace {

constexpr const char* kClassification = "classification loss";
constexpr const char* kRegression = "regression loss";

SettingType number(const std::string& name, double fallback, Domain domain, const std::string& doc) {
  return {.name = name, .type = Type::number, .fallback = fallback, .domain = std::move(domain), .doc = doc};
}

SettingType label_smoothing() {
  return number("label_smoothing", 0.0, one_of(0.0, 0.1, 0.2, 0.3).within(0.0, 0.99), "share of the target spread over all classes");
}

SettingType bins(const std::string& doc) {
  return {.name = "bins", .type = Type::integer, .fallback = 100, .domain = one_of(25, 50, 100, 200).within(2, 1000), .doc = doc};
}

std::vector<LossType> make_losses() {
  return {
      {"cross_entropy", kClassification, {label_smoothing()}},
      {"focal", kClassification,
       {number("gamma", 2.0, between(0.5, 5.0).within(0.0, 10.0), "how much less answers count that are right already; 0 is cross entropy"),
        label_smoothing()}},
      {"mse", kRegression, {}},
      {"mae", kRegression, {}},
      {"huber", kRegression,
       {number("delta", 1.0, one_of(0.25, 0.5, 1.0, 2.0).within(1e-3, 100.0),
               "error from which on it grows linearly, in standard deviations of the target")}},
      {"bins", kRegression,
       {bins("values from the least to the greatest target of the training split"),
        number("spread", 0.125, between_log(0.03, 0.5).within(1e-3, 10.0),
               "standard deviation of the label over the bins, in standard deviations of the target"),
        number("expectation", 1.0, one_of(0.0, 0.3, 1.0, 3.0).within(0.0, 1e3),
               "weight of the expectation's absolute error, in standard deviations of the target")}},
      {"ordinal", kRegression, {bins("levels from the least to the greatest target of the training split")}},
  };
}

}  // namespace

const std::vector<LossType>& losses() {
  static const std::vector<LossType> kLosses = make_losses();
  return kLosses;
}

Json loss_document(const std::string& kind, const Slot& chosen) {
  std::string known;
  for (const LossType& loss : losses()) {
    if (loss.kind != kind) continue;
    known += (known.empty() ? "" : ", ") + loss.name;
    if (loss.name != chosen.name) continue;
    Json out = {{"name", loss.name}};
    for (const SettingType& setting : loss.declaration) out[setting.name] = chosen.settings.value(setting.name, setting.fallback);
    return out;
  }
  fail("E0304", "there is no " + kind + " '" + chosen.name + "'", "there are: " + known);
}

}  // namespace espalier
