#include "torch_catch.h"

#include "made_data.h"

#include "espalier/engine/augment.h"
#include "espalier/engine/messages.h"
#include "espalier/engine/optimizer.h"
#include "espalier/engine/session.h"
#include "espalier/engine/views.h"
#include "espalier/engine/weights.h"
#include "espalier/error.h"

#include <ATen/core/grad_mode.h>

#include <vector>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;

namespace {

Tensor pictures(int64_t batch, int64_t channels = 3, int64_t extent = 6) {
  at::manual_seed(1);
  return at::randn({batch, channels, extent, extent}).contiguous(at::MemoryFormat::ChannelsLast);
}

bool is_mirrored(const Tensor& seen, const Tensor& picture) { return at::equal(seen, picture.flip(2)); }

}  // namespace

TEST_CASE("an alternating flip mirrors each sample in every second epoch") {
  const Tensor x = pictures(64);
  std::vector<int64_t> rows(64);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(1000 + i);
  const Tensor first = alternating_flip(x, rows, 0, 7);
  const Tensor second = alternating_flip(x, rows, 1, 7);
  int64_t mirrored = 0;
  for (int64_t b = 0; b < 64; ++b) {
    const bool one = is_mirrored(first[b], x[b]);
    CHECK(one != is_mirrored(second[b], x[b]));
    CHECK((one || at::equal(first[b], x[b])));
    mirrored += one ? 1 : 0;
  }
  CHECK(mirrored > 16);
  CHECK(mirrored < 48);
  CHECK(at::equal(first, alternating_flip(x, rows, 2, 7)));
  CHECK_FALSE(at::equal(first, alternating_flip(x, rows, 0, 8)));
}

TEST_CASE("views have shares of one whole, and a mirrored mirror is the picture") {
  CHECK(views_named("none").empty());
  CHECK(views_named("mirror").size() == 2);
  CHECK(views_named("mirror_shift").size() == 6);
  for (const char* name : {"mirror", "mirror_shift"}) {
    double sum = 0.0;
    for (const View& view : views_named(name)) sum += view.share;
    CHECK(sum == Approx(1.0));
  }
  CHECK_THROWS_AS(views_named("miror"), Error);
  const Tensor x = pictures(2);
  const View mirror{.mirrored = true};
  CHECK(at::equal(view_of(view_of(x, mirror), mirror), x));
  const Tensor down = view_of(x, {.shift = 1});
  CHECK(at::equal(down.narrow(2, 1, 5).narrow(3, 1, 5), x.narrow(2, 0, 5).narrow(3, 0, 5)));
  CHECK(at::equal(down.select(2, 0).narrow(2, 1, 5), x.select(2, 1).narrow(2, 0, 5)));  // reflected, not repeated
}

TEST_CASE("whitened patches of the training split have the unit as second moments") {
  const TemporaryFolder folder;
  const Json data = test::make_data(folder.path());
  Network net;
  const Value x = net.normalize(net.input("image", {1, 8, 8}, "uint8"));
  const Value whitened = net.conv(x, {.filters = 8, .kernel = 2, .padding = Padding::valid, .init = "whitening", .trained = false});
  net.output({.head = "side", .target = "label", .layer = net.dense(net.global_avg_pool(whitened), 2).layer,
              .loss = {{"name", "cross_entropy"}}, .weight = 1.0, .metrics = {"accuracy"},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  const Json trial = {{"network", net.to_json()}, {"data", data}, {"seeds", {{"init", "1"}}}, {"train", Json::object()}};
  Channel channel(-1);
  Session session(trial, Machine{}, channel);
  session.adapt();
  const at::NoGradGuard none;
  const Tensor out = session.executor().run(session.batches().inputs(session.batches().splits().train), {whitened.layer}, nullptr)[0];
  const Tensor columns = out.permute({0, 2, 3, 1}).reshape({-1, 8});
  const Tensor half = columns.narrow(1, 0, 4);
  const Tensor moments = at::mm(half.t(), half) / static_cast<double>(columns.size(0));
  // The floor under the eigenvalues shrinks directions that hardly vary, never the largest one.
  CHECK(moments[0][0].item<double>() == Approx(1.0).margin(0.01));
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(moments[i][i].item<double>() < 1.01);
    for (int64_t j = 0; j < i; ++j) CHECK(std::abs(moments[i][j].item<double>()) < 0.01);
  }
  CHECK(at::allclose(columns.narrow(1, 4, 4), -half, 1e-4, 1e-4));
}

TEST_CASE("a convolution that begins as the identity passes its channels on") {
  Network net;
  const Value out = net.conv(net.input("image", {3, 6, 6}, "uint8"), {.filters = 5, .init = "dirac"});
  const Weights weights(net, 1);
  const at::NoGradGuard none;
  const Tensor x = pictures(2);
  const Tensor y = Executor(net, weights).run({{"image", x}}, {out.layer}, nullptr)[0];
  CHECK(at::allclose(y.narrow(1, 0, 3), x));
  CHECK(y.narrow(1, 3, 2).abs().max().item<double>() > 0.0);
}

TEST_CASE("muon moves a filter bank along a nearly orthogonal matrix and everything else by its partner") {
  constexpr int64_t kRows = 8;
  constexpr int64_t kCount = kRows * 27;
  at::manual_seed(3);
  const Tensor before = at::randn({kCount + 4});
  const Tensor gradient = at::randn({kCount + 4});
  const Tensor after = before.clone();
  Segment bank{.begin = 0, .end = kCount};
  bank.rows = kRows;
  bank.count = kCount;
  const Json settings = {{"name", "muon"}, {"learning_rate", 1.0}, {"momentum", 0.6}, {"nesterov", true}, {"fixed_norm", false},
                         {"partner_learning_rate", 0.5}, {"partner_momentum", 0.0}};
  Optimizer optimizer(settings, after, gradient, {bank, {.begin = kCount, .end = kCount + 4, .decays = false}});
  optimizer.step(0, 1.0);
  const Tensor step = (before - after).narrow(0, 0, kCount).view({kRows, 27});
  const Tensor values = std::get<1>(at::linalg_svd(step, false));
  CHECK(values.min().item<double>() > 0.6);
  CHECK(values.max().item<double>() < 1.3);
  CHECK(at::allclose((before - after).narrow(0, kCount, 4), gradient.narrow(0, kCount, 4) * 0.5, 1e-4, 1e-5));
}

TEST_CASE("groups multiply the settings of the weights that they hold") {
  Network net;
  const Value x = net.input("image", {3, 6, 6}, "uint8");
  {
    const auto part = net.part("trunk");
    net.batch_norm(net.conv(x, {.filters = 4}));
  }
  const Weights weights(net, 1);
  const Json groups = {{{"part", "trunk"}, {"role", {"norm_bias"}}, {"scale", {{"learning_rate", 64.0}, {"weight_decay", 0.5}}}},
                       {{"part", ""}, {"role", Json::array()}, {"scale", {{"learning_rate", 2.0}}}}};
  std::map<std::string, double> rates;
  size_t at = 0;
  const std::vector<Segment> segments = weights.segments(groups);
  for (const Entry& entry : weights.entries())
    if (entry.trained) rates[entry.role] = segments.at(at++).learning_rate;
  CHECK(rates.at("norm_bias") == 128.0);
  CHECK(rates.at("norm_scale") == 2.0);
  CHECK(rates.at("filter") == 2.0);
}
