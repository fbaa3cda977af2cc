#include "espalier/study/calibration.h"

#include "espalier/network/analysis.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier {

namespace {

constexpr int64_t kSteps = 8;
constexpr const char* kOther = "other";  ///< what an operation takes that the calibrated network lacks

/// One layer: what it computes for a sample and how long that took.
struct Point {
  double macs;
  double values;
  double seconds;
};

std::string kind_of(const Layer& layer) { return layer.set.value("groups", int64_t{1}) > 1 ? "depthwise " + layer.op : layer.op; }

/// The a >= 0 and b >= 0 for which a * macs + b * values is nearest to the seconds. Layers that are all alike do not tell the
/// two apart: products take the time where there are any.
std::pair<double, double> fitted(const std::vector<Point>& points) {
  double mm = 0.0, mv = 0.0, vv = 0.0, mt = 0.0, vt = 0.0;
  for (const Point& p : points) {
    mm += p.macs * p.macs;
    mv += p.macs * p.values;
    vv += p.values * p.values;
    mt += p.macs * p.seconds;
    vt += p.values * p.seconds;
  }
  const double determinant = mm * vv - mv * mv;
  if (determinant > 1e-9 * mm * vv) {
    const double a = (mt * vv - vt * mv) / determinant;
    const double b = (vt * mm - mt * mv) / determinant;
    if (a >= 0.0 && b >= 0.0) return {a, b};
    if (a < 0.0) return {0.0, vt / vv};
  }
  if (mm > 0.0) return {mt / mm, 0.0};
  return {0.0, vv > 0.0 ? vt / vv : 0.0};
}

double seconds(const Json& operation, const char* what, const Point& point) {
  const Json& by = operation.at(what);
  return by.at(0).get<double>() * point.macs + by.at(1).get<double>() * point.values;
}

Point point_of(const Layer& layer, const Network& network) {
  return {static_cast<double>(cost(layer, network).macs), static_cast<double>(elements(layer.shape)), 0.0};
}

/// Seconds a sample of "step", or of "forward" in evaluation.
double pass(const Json& calibration, const Network& network, const char* what, bool training) {
  const Json& operations = calibration.at("operations");
  double sum = 0.0;
  for (const Layer& layer : network.layers()) {
    const auto found = operations.find(kind_of(layer));
    if (layer.op == "input" || (layer.training_only && !training) || (found == operations.end() && layer.op == "flatten")) continue;
    sum += seconds(found == operations.end() ? operations.at(kOther) : *found, what, point_of(layer, network));
  }
  return sum;
}

}  // namespace

Json calibrate(const Pacing& pacing, const Json& trial) {
  return calibration_of(profile_of(pacing, trial, kSteps), Network::from_json(trial.at("network")));
}

Json calibration_of(const Json& profile, const Network& network) {
  const double rows = profile.at("rows").get<double>();
  std::map<int, std::pair<double, double>> measured;  // seconds a sample, forward and both ways
  double layers = 0.0;
  for (const Json& row : profile.at("layers")) {
    const double forward = row.at("forward").get<double>() / rows;
    const double step = forward + row.at("backward").get<double>() / rows;
    measured[row.at("layer").get<int>()] = {forward, step};
    layers += step;
  }
  std::map<std::string, std::vector<Point>> forward, step;
  for (const Layer& layer : network.layers()) {
    if (layer.op == "input") continue;
    // What was computed together with another layer has no time of its own.
    const auto [once, both] = measured[layer.id];
    Point point = point_of(layer, network);
    for (const std::string& kind : {kind_of(layer), std::string(kOther)}) {
      point.seconds = once;
      forward[kind].push_back(point);
      point.seconds = both;
      step[kind].push_back(point);
    }
  }
  Json out = {{"operations", Json::object()}, {"evaluation", 1.0}};
  for (const auto& [kind, points] : forward) {
    const auto once = fitted(points);
    const auto both = fitted(step.at(kind));
    out["operations"][kind] = {{"forward", {once.first, once.second}}, {"step", {both.first, both.second}}};
  }
  const double predicted = pass(out, network, "forward", false);
  if (predicted > 0.0) out["evaluation"] = profile.at("evaluation").get<double>() / predicted;
  const auto parameters = static_cast<double>(std::max<int64_t>(cost(network).parameters, 1));
  out["rest"] = std::max(profile.at("step").get<double>() - layers * rows, 0.0) / parameters;
  return out;
}

Predicted predict(const Json& calibration, const Network& network, const Json& train, int64_t train_rows, int64_t validation_rows) {
  const auto batch = static_cast<double>(std::min(train.at("batch").get<int64_t>(), std::max<int64_t>(train_rows, 1)));
  const Pace pace{
      .step = batch * pass(calibration, network, "step", true) + calibration.at("rest").get<double>() * static_cast<double>(cost(network).parameters),
      .evaluation = calibration.at("evaluation").get<double>() * pass(calibration, network, "forward", false),
      .memory = 0};
  return {.latency = pace.evaluation, .time = duration_of(train, pace, train_rows, validation_rows).all()};
}

}  // namespace espalier
