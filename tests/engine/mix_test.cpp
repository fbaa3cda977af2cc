#include "torch_catch.h"

#include "made_pictures.h"

#include "espalier/engine/executor.h"
#include "espalier/engine/mix.h"
#include "espalier/error.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <vector>

using namespace espalier;
using namespace espalier::engine;
using espalier::test::some_pictures;

namespace {

using at::Tensor;

/// Pictures each of one value of its own.
Inputs plain_pictures(int64_t samples) {
  const Tensor x = at::arange(samples).to(at::kFloat).view({samples, 1, 1, 1}).expand({samples, 3, 8, 10});
  return {{"image", x.contiguous(at::MemoryFormat::ChannelsLast)}};
}

Tensor partners(const Mixing& mixing) { return at::tensor(mixing.partners, at::kLong); }

}  // namespace

TEST_CASE("no mixing is none, and an unknown one is an error") {
  Random random(1);
  CHECK_FALSE(Mixer(Json("none")).draw(plain_pictures(4), random));
  CHECK_FALSE(Mixer(Json{{"name", "mixup"}, {"probability", 0.0}}).draw(plain_pictures(4), random));
  CHECK_THROWS_AS(Mixer(Json{{"name", "mixop"}}), Error);
}

TEST_CASE("mixup adds a sample and its partner up") {
  const Inputs inputs = plain_pictures(32);
  const Mixer mixer(Json{{"name", "mixup"}, {"alpha", 0.4}});
  Random random(2);
  constexpr int kDraws = 2000;
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const Mixing mixing = mixer.draw(inputs, random).value();
    sum += mixing.share;
    squares += mixing.share * mixing.share;
    if (i > 0) continue;
    CHECK_FALSE(mixing.cut);
    CHECK(at::equal(std::get<0>(partners(mixing).sort()), at::arange(32)));
    const Tensor x = inputs.at("image");
    CHECK(at::allclose(mixed(x, mixing), mixing.share * x + (1.0 - mixing.share) * x.index_select(0, partners(mixing)), 1e-4, 1e-4));
  }
  // Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
  CHECK(sum / kDraws == Approx(0.5).margin(0.03));
  CHECK(squares / kDraws - std::pow(sum / kDraws, 2) == Approx(1.0 / (4.0 * 1.8)).margin(0.01));
}

TEST_CASE("cutmix puts a window of the partner into the sample, and the share is the area that stays") {
  const Inputs inputs = plain_pictures(16);
  const Tensor x = inputs.at("image");
  const Mixer mixer(Json{{"name", "cutmix"}, {"alpha", 1.0}});
  Random random(3);
  for (int i = 0; i < 50; ++i) {
    const Mixing mixing = mixer.draw(inputs, random).value();
    const Tensor y = mixed(x, mixing);
    const Tensor other = x.index_select(0, partners(mixing));
    CHECK(y.eq(x).logical_or(y.eq(other)).all().item<bool>());
    for (int64_t b = 0; b < 16; ++b) {
      if (mixing.partners[static_cast<size_t>(b)] == b) continue;
      CHECK(y[b].eq(x[b]).to(at::kFloat).mean().item<double>() == Approx(mixing.share).margin(1e-5));
    }
    // Pictures of another size are cut at the same place.
    const Tensor large = at::upsample_nearest2d(x, {16, 20});
    CHECK(at::equal(mixed(large, mixing), at::upsample_nearest2d(y, {16, 20})));
  }
}

TEST_CASE("either is one of both, and a probability leaves batches alone") {
  const Inputs inputs = plain_pictures(4);
  const Mixer mixer(Json{{"name", "mixup_or_cutmix"}, {"alpha", 1.0}, {"cutmix_alpha", 1.0}, {"probability", 0.6}});
  Random random(4);
  int cut = 0, added = 0;
  for (int i = 0; i < 1000; ++i)
    if (const auto mixing = mixer.draw(inputs, random)) (mixing->cut ? cut : added) += 1;
  CHECK(cut == Approx(300).margin(60));
  CHECK(added == Approx(300).margin(60));
}

TEST_CASE("without pictures everything is added up") {
  const Inputs inputs = {{"facts", at::randn({8, 3})}};
  Random random(5);
  const Mixing mixing = Mixer(Json{{"name", "cutmix"}}).draw(inputs, random).value();
  CHECK_FALSE(mixing.cut);
  const Tensor x = inputs.at("facts");
  CHECK(at::allclose(mixed(x, mixing), mixing.share * x + (1.0 - mixing.share) * x.index_select(0, partners(mixing)), 1e-4, 1e-5));
}

TEST_CASE("targets of partners are theirs, whatever their kind") {
  const Mixing mixing{.partners = {2, 0, 1}, .share = 0.5, .cut = {}};
  const Targets targets =
      partners_of({{"label", at::tensor({5, 6, 7})}, {"place", at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}).view({3, 2})}}, mixing);
  CHECK(at::equal(targets.at("label"), at::tensor({7, 5, 6})));
  CHECK(at::equal(targets.at("place"), at::tensor({5.0F, 6.0F, 1.0F, 2.0F, 3.0F, 4.0F}).view({3, 2})));
}

TEST_CASE("a mixture counts for the sample of which it shows most") {
  const std::vector<int64_t> rows = {40, 50, 60};
  CHECK(rows_shown(rows, {.partners = {2, 0, 1}, .share = 0.7, .cut = {}}) == rows);
  CHECK(rows_shown(rows, {.partners = {2, 0, 1}, .share = 0.3, .cut = {}}) == std::vector<int64_t>{60, 40, 50});
}

TEST_CASE("a loss of mixtures weighs both targets as the pictures were weighed") {
  // A model that gives back what it sees, and the squared error: least where the answer is the mixture itself.
  const Tensor x = at::tensor({2.0F, 10.0F}).view({2, 1});
  const Mixing mixing{.partners = {1, 0}, .share = 0.75, .cut = {}};
  const Tensor other = x.index_select(0, partners(mixing));
  const auto loss = [&](const Tensor& answer) {
    return mixed_loss((answer - x).square().mean(), (answer - other).square().mean(), mixing).item<double>();
  };
  const Tensor seen = mixed(x, mixing);
  CHECK(loss(seen) == Approx(0.75 * 4.0 + 0.25 * 36.0));
  CHECK(loss(seen) < loss(seen + 0.1));
  CHECK(loss(seen) < loss(seen - 0.1));
  CHECK(loss(seen) < loss(other.lerp(x, 0.25)));
}

TEST_CASE("samples are mixed once, behind their own augmentations, and not in evaluation") {
  Network net;
  const Value seen = net.random_flip(net.scale(net.input("image", {3, 7, 6}, "uint8"), 0.1), true, false);
  const Value first = net.conv(seen, {.filters = 3, .init = "dirac"});  // begins as the identity
  const Value second = net.global_avg_pool(seen);
  const Weights weights(net, 1);
  const at::NoGradGuard none;
  const Executor executor(net, weights);
  const Inputs inputs = {{"image", some_pictures(8)}};
  const Mixing mixing{.partners = {1, 2, 3, 4, 5, 6, 7, 0}, .share = 0.7, .cut = {}};
  Randomness randomness(1, 2);
  const Tensor alone = executor.run(inputs, {seen.layer}, &randomness)[0];
  const auto again = [&](const Mixing* how) {
    Randomness same(1, 2);
    same.mixing = how;
    return executor.run(inputs, {first.layer, second.layer, seen.layer}, &same);
  };
  const Tensor expected = mixed(alone, mixing);
  CHECK_FALSE(at::allclose(expected, alone));
  CHECK(at::allclose(again(nullptr)[0], alone, 1e-4, 1e-4));
  const std::vector<Tensor> values = again(&mixing);
  CHECK(at::allclose(values[0], expected, 1e-4, 1e-4));
  CHECK(at::allclose(values[1], expected.mean(at::IntArrayRef{2, 3}), 1e-4, 1e-4));
  CHECK(at::allclose(values[2], expected, 1e-4, 1e-4));
}
