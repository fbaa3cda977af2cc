#include "torch_catch.h"

#include "made_data.h"

#include "espalier/engine/checkpoint.h"
#include "espalier/engine/messages.h"
#include "espalier/engine/session.h"
#include "espalier/engine/trainer.h"
#include "espalier/engine/weights.h"

#include <ATen/ATen.h>

#include <vector>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;

namespace {

/// Every part of it sees samples one by one: no statistics of a batch, nothing of chance.
Network plain_network() {
  Network net;
  Value x = net.scale(net.input("image", {1, 8, 8}, "uint8"), 1.0 / 255.0, -0.4);
  x = net.gelu(net.conv(x, {.filters = 6, .stride = 2, .bias = true}));
  net.output({.head = "label", .target = "label", .layer = net.dense(net.flatten(x), 2).layer, .loss = {{"name", "cross_entropy"}},
              .metrics = {"accuracy"}, .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  return net;
}

/// All trained values after a training with these settings, one after the other.
Tensor trained(const Json& settings) {
  const TemporaryFolder folder;
  const Network net = plain_network();
  Json train = {{"epochs", {{"count", 1}}}, {"schedule", {{"name", "constant"}}}, {"score", "last"}};
  train.update(settings);
  const Json trial = {{"network", net.to_json()}, {"data", test::make_data(folder.path() / "data")}, {"train", train},
                      {"seeds", {{"init", "1"}, {"order", "2"}, {"augment", "3"}, {"dropout", "4"}}}};
  std::filesystem::create_directories(folder.path() / "attempt");
  const Json job = {{"trial", trial}, {"attempt", {{"write", (folder.path() / "attempt").string()}}}};
  Channel channel(-1);
  engine::train(job, Machine{}, channel);
  const Weights weights(net, 1);
  get_weights(read_tensors(folder.path() / "attempt" / "model.safetensors"), "", weights, weights.parameters(), weights.buffers());
  return at::tensor(copy_of(weights.parameters()));
}

Tensor untrained() { return at::tensor(copy_of(Weights(plain_network(), 1).parameters())); }

double length(const Tensor& x) { return x.norm().item<double>(); }

/// One step of plain descent over all 80 rows, in so many batches: how far it moved, which is the gradient times the rate.
Tensor one_step(int64_t batches, double clip) {
  return untrained() - trained({{"batch", 80 / batches}, {"accumulate", batches}, {"clip", clip},
                                {"optimizer", {{"name", "sgd"}, {"learning_rate", 0.5}, {"momentum", 0.0}}}});
}

}  // namespace

TEST_CASE("several small batches of a step are one large one") {
  const Json optimizer = GENERATE(Json{{"name", "sgd"}, {"learning_rate", 0.2}, {"momentum", 0.9}, {"weight_decay", 0.01}},
                                  Json{{"name", "adamw"}, {"learning_rate", 0.01}});
  const double clip = GENERATE(0.0, 0.05);
  CAPTURE(optimizer.dump(), clip);
  const auto with = [&](int64_t batch, int64_t accumulate) {
    return trained({{"epochs", {{"count", 3}}}, {"batch", batch}, {"accumulate", accumulate}, {"clip", clip}, {"optimizer", optimizer}});
  };
  const Tensor whole = with(16, 1);
  const double way = length(whole - untrained());
  CHECK(way > 0.01);
  for (const int64_t parts : {2, 4, 8}) {
    CAPTURE(parts);
    CHECK(length(with(16 / parts, parts) - whole) < 1e-3 * way);
  }
  // Steps that are not gathered go another way.
  CHECK(length(with(4, 1) - whole) > 0.05 * way);
}

TEST_CASE("a clipped step has the direction of the gradient and at most the length that is asked for") {
  for (const int64_t batches : {1, 5}) {
    CAPTURE(batches);
    const Tensor free = one_step(batches, 0.0);
    const double gradient = length(free) / 0.5;
    REQUIRE(gradient > 0.01);
    CHECK(at::allclose(one_step(batches, 2.0 * gradient), free, 1e-4, 1e-6));
    const Tensor clipped = one_step(batches, gradient / 4.0);
    CHECK(length(clipped) == Approx(length(free) / 4.0).epsilon(1e-3));
    CHECK(length(clipped - free / 4.0) < 1e-3 * length(free));
  }
}
