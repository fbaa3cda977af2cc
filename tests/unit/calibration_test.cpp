#include "espalier/study/calibration.h"

#include "espalier/network/analysis.h"

#include "catch.h"

using namespace espalier;

namespace {

/// `blocks` convolutions of `filters`, each normalised and activated, over pictures of 16 x 16.
Network network_of(int64_t filters, int blocks) {
  Network net;
  Value x = net.input("image", {3, 16, 16}, "uint8");
  const auto part = net.part("trunk");
  for (int i = 0; i < blocks; ++i) x = net.relu(net.batch_norm(net.conv(x, {.filters = filters << i})));
  x = net.dense(net.global_avg_pool(x), 10);
  net.output({.head = "label", .target = "label", .layer = x.layer, .loss = {{"name", "cross_entropy"}}, .metrics = {"accuracy"},
              .decode = {{"kind", "class"}}});
  return net;
}

constexpr double kRows = 100.0;
constexpr double kMac = 2e-11;    ///< seconds
constexpr double kValue = 3e-9;

/// A machine whose convolutions take a time for each product and each value, whose activations (with the norm before them,
/// which has no time of its own) take one for each value, and whose gradients take as long again.
double seconds_of(const Layer& layer, const Network& net) {
  const auto values = static_cast<double>(elements(layer.shape));
  if (layer.op == "conv" || layer.op == "dense") return kMac * static_cast<double>(cost(layer, net).macs) + kValue * values;
  return layer.op == "relu" ? 2.0 * kValue * values : 0.0;
}

double forward_of(const Network& net) {
  double sum = 0.0;
  for (const Layer& layer : net.layers()) sum += seconds_of(layer, net);
  return sum;
}

Json profile_of(const Network& net) {
  Json layers = Json::array();
  for (const Layer& layer : net.layers())
    if (const double seconds = seconds_of(layer, net); seconds > 0.0)
      layers.push_back({{"layer", layer.id}, {"forward", kRows * seconds}, {"backward", kRows * seconds}});
  const double rest = 1e-9 * static_cast<double>(cost(net).parameters);
  return {{"rows", kRows}, {"step", kRows * 2.0 * forward_of(net) + rest}, {"evaluation", 0.5 * forward_of(net)}, {"layers", layers}};
}

}  // namespace

TEST_CASE("networks are predicted from what the operations of one took") {
  const Json calibration = calibration_of(profile_of(network_of(8, 3)), network_of(8, 3));
  const Json train = {{"batch", 100}, {"epochs", 2.0}};
  for (const Network& net : {network_of(8, 3), network_of(32, 3), network_of(4, 5)}) {
    const Predicted found = predict(calibration, net, train, 1000, 200);
    const double step = kRows * 2.0 * forward_of(net) + 1e-9 * static_cast<double>(cost(net).parameters);
    CHECK(found.latency == Approx(0.5 * forward_of(net)).epsilon(0.02));
    CHECK(found.time == Approx(2.0 * (10.0 * step + 200.0 * 0.5 * forward_of(net))).epsilon(0.02));
  }
}

TEST_CASE("an operation that occurs once is predicted by its products") {
  const auto with_dense = [](int64_t filters) {
    Network net;
    const auto part = net.part("trunk");
    const Value x = net.flatten(net.relu(net.conv(net.input("image", {3, 16, 16}, "uint8"), {.filters = filters})));
    net.output({.head = "label", .target = "label", .layer = net.dense(x, 1000).layer, .loss = {{"name", "cross_entropy"}},
                .metrics = {"accuracy"}, .decode = {{"kind", "class"}}});
    return net;
  };
  const Json calibration = calibration_of(profile_of(with_dense(8)), with_dense(8));
  const Predicted found = predict(calibration, with_dense(64), {{"batch", 10}, {"epochs", 1}}, 100, 0);
  CHECK(found.latency == Approx(0.5 * forward_of(with_dense(64))).epsilon(0.1));
}

TEST_CASE("an operation that the calibrated network lacks takes what its operations take together") {
  const Json calibration = calibration_of(profile_of(network_of(8, 3)), network_of(8, 3));
  Network net;
  const auto part = net.part("trunk");
  const Value x = net.silu(net.conv(net.input("image", {3, 16, 16}, "uint8"), {.filters = 8, .groups = 1}));
  net.output({.head = "label", .target = "label", .layer = net.dense(net.global_avg_pool(x), 10).layer, .loss = {{"name", "cross_entropy"}},
              .metrics = {"accuracy"}, .decode = {{"kind", "class"}}});
  const Predicted found = predict(calibration, net, {{"batch", 10}, {"epochs", 1}}, 100, 0);
  CHECK(found.time > 0.0);
  CHECK(found.time < 1.0);
}

TEST_CASE("what training alone does takes no time of an evaluation") {
  const Json calibration = calibration_of(profile_of(network_of(8, 3)), network_of(8, 3));
  const auto with_dropout = [&](double rate) {
    Network net;
    const auto part = net.part("trunk");
    Value x = net.relu(net.batch_norm(net.conv(net.input("image", {3, 16, 16}, "uint8"), {.filters = 8})));
    if (rate > 0.0) x = net.dropout(x, rate);
    net.output({.head = "label", .target = "label", .layer = net.dense(net.global_avg_pool(x), 10).layer, .loss = {{"name", "cross_entropy"}},
                .metrics = {"accuracy"}, .decode = {{"kind", "class"}}});
    return predict(calibration, net, {{"batch", 10}, {"epochs", 1}}, 100, 0);
  };
  CHECK(with_dropout(0.5).latency == Approx(with_dropout(0.0).latency));
  CHECK(with_dropout(0.5).time > with_dropout(0.0).time);
}
