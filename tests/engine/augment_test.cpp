#include "torch_catch.h"

#include "made_pictures.h"

#include "espalier/engine/affine.h"
#include "espalier/engine/augment.h"
#include "espalier/engine/colour.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/growing.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

using namespace espalier;
using namespace espalier::engine;
using espalier::test::some_pictures;

namespace {

using at::Tensor;

Tensor augmented(const std::string& op, const Json& set, const Tensor& x, uint64_t seed = 3) {
  Randomness randomness(seed, seed);
  return augment(op, set, x, [&] { return byte_scale(x.size(1)); }, randomness);
}

/// Whether every picture is one of two.
bool each_is_either(const Tensor& values, const Tensor& a, const Tensor& b) {
  for (int64_t i = 0; i < values.size(0); ++i)
    if (!values[i].equal(a[i]) && !values[i].equal(b[i])) return false;
  return true;
}

Tensor same_shape(const Tensor& x) { return at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast); }

Tensor resampled(const Tensor& x, const Placement& where) {
  Tensor out = same_shape(x);
  resample(x.data_ptr<float>(), out.data_ptr<float>(), extents_of(x), where);
  return out;
}

/// One picture of bytes, or of other values with their black and white.
Tensor recoloured(const Tensor& x, const ColourChange& change, const PixelScale& scale) {
  Tensor out = same_shape(x);
  recolour(x.data_ptr<float>(), out.data_ptr<float>(), extents_of(x), scale, change);
  return out;
}
Tensor recoloured(const Tensor& x, const ColourChange& change) { return recoloured(x, change, byte_scale(x.size(1))); }

struct View {
  const char* op;
  Json set;
  Json none;  ///< of the same, at magnitude 0
};

std::vector<View> views() {
  const Json half = {{"least_area", 0.1}, {"most_area", 0.4}, {"most_ratio", 3.0}};
  const auto erasing = [&](const Json& more) {
    Json set = half;
    set.update(more);
    return set;
  };
  return {{"random_affine", {{"rotate", 0.2}}, {{"rotate", 0.0}}},
          {"random_affine", {{"zoom", 0.4}}, {{"zoom", 0.0}}},
          {"random_affine", {{"shear", 0.4}}, {{"shear", 0.0}}},
          {"random_affine", {{"rotate", 0.1}, {"zoom", 0.4}, {"shear", 0.4}}, Json::object()},
          {"random_colour", {{"brightness", 1.0}}, {{"brightness", 0.0}}},
          {"random_colour", {{"contrast", 0.8}}, {{"contrast", 0.0}}},
          {"random_colour", {{"saturation", 1.0}}, {{"saturation", 0.0}}},
          {"random_colour", {{"hue", 0.5}}, {{"hue", 0.0}}},
          {"random_colour", {{"brightness", 0.5}, {"contrast", 0.5}, {"saturation", 0.5}, {"hue", 0.1}}, Json::object()},
          {"random_erase", erasing({{"fill", "mean"}}), erasing({{"probability", 0.0}})},
          {"random_erase", erasing({{"fill", "noise"}, {"clipped", true}}), {{"least_area", 0.0}, {"most_area", 0.0}}},
          {"random_operations", {{"operations", 3}, {"magnitude", 15.0}}, {{"operations", 0}, {"magnitude", 15.0}}}};
}

}  // namespace

TEST_CASE("a flip mirrors half of the pictures, and twice is not at all") {
  const Tensor x = some_pictures(64);
  const Json set = {{"horizontal", true}, {"vertical", false}};
  const Tensor once = augmented("random_flip", set, x);
  CHECK(each_is_either(once, x, x.flip(3)));
  int64_t mirrored = 0;
  for (int64_t i = 0; i < 64; ++i) mirrored += once[i].equal(x[i]) ? 0 : 1;
  CHECK(mirrored > 16);
  CHECK(mirrored < 48);
  CHECK(augmented("random_flip", set, once).equal(x));
  CHECK(augmented("random_flip", {{"horizontal", false}, {"vertical", false}}, x).equal(x));
  CHECK(each_is_either(augmented("random_flip", {{"horizontal", false}, {"vertical", true}}, x), x, x.flip(2)));
  // Nobody asked for a vertical one.
  CHECK(each_is_either(augmented("random_flip", Json::object(), x), x, x.flip(3)));
}

TEST_CASE("a shift moves pictures by whole pixels and fills with what is there") {
  const Tensor x = some_pictures();
  const Tensor moved = augmented("random_translate", {{"height", 0.3}, {"width", 0.2}}, x);
  const auto rows = static_cast<int64_t>(std::lround(0.3 * 7)), columns = static_cast<int64_t>(std::lround(0.2 * 6));
  const Tensor wide = at::reflection_pad2d(x, {columns, columns, rows, rows});
  for (int64_t i = 0; i < x.size(0); ++i) {
    bool found = false;
    for (int64_t y = 0; y <= 2 * rows; ++y)
      for (int64_t k = 0; k <= 2 * columns; ++k) found = found || moved[i].equal(wide[i].narrow(1, y, 7).narrow(2, k, 6));
    CHECK(found);
  }
  CHECK(augmented("random_translate", {{"height", 0.0}, {"width", 0.0}}, x).equal(x));
  CHECK_FALSE(moved.equal(x));
}

TEST_CASE("views keep shape and range, follow the seed, differ from sample to sample and are nothing at magnitude 0") {
  const Tensor x = some_pictures();
  for (const auto& [op, set, none] : views()) {
    CAPTURE(op, set.dump());
    const Tensor y = augmented(op, set, x);
    CHECK(y.sizes() == x.sizes());
    CHECK(y.min().item<double>() >= -1e-3);
    CHECK(y.max().item<double>() <= 255.0 + 1e-3);
    CHECK(at::allclose(augmented(op, none, x), x, 1e-5, 1e-3));
    CHECK(augmented(op, set, x).equal(y));
    CHECK_FALSE(augmented(op, set, x, 4).equal(y));
    const Tensor alike = x.narrow(0, 0, 1).repeat({6, 1, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor seen = augmented(op, set, alike);
    bool differ = false;
    for (int64_t i = 1; i < 6; ++i) differ = differ || !seen[0].equal(seen[i]);
    CHECK(differ);
  }
}

TEST_CASE("views do not depend on the number of threads") {
  const Tensor x = some_pictures(40);
  const int threads = at::get_num_threads();
  for (const auto& [op, set, none] : views()) {
    CAPTURE(op, set.dump());
    at::set_num_threads(1);
    const Tensor alone = augmented(op, set, x);
    at::set_num_threads(3);
    CHECK(augmented(op, set, x).equal(alone));
  }
  at::set_num_threads(threads);
}

TEST_CASE("quarter and half turns, shifts and reflections are exact") {
  const Tensor square = some_pictures(1).narrow(2, 0, 6).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor x = some_pictures(1);
  CHECK(at::allclose(resampled(square, placement(std::numbers::pi / 2.0, 1.0, 0.0)), square.rot90(1, {2, 3}), 1e-4, 1e-2));
  CHECK(at::allclose(resampled(x, placement(std::numbers::pi, 1.0, 0.0)), x.flip({2, 3}), 1e-4, 1e-2));
  const Tensor shifted = resampled(x, {.x0 = 2.0F});
  CHECK(at::allclose(shifted, at::reflection_pad2d(x, {0, 2, 0, 0}).narrow(3, 2, 6), 1e-5, 1e-3));
  // A slant about the middle row: the row above moves by the slant one way, the one below the other way.
  const Tensor slanted = resampled(x, placement(0.0, 1.0, 1.0));
  CHECK(at::allclose(slanted.select(2, 3), x.select(2, 3), 1e-5, 1e-3));
  CHECK(at::allclose(slanted.select(2, 2).narrow(2, 1, 5), x.select(2, 2).narrow(2, 0, 5), 1e-5, 1e-3));
  CHECK(at::allclose(slanted.select(2, 4).narrow(2, 0, 5), x.select(2, 4).narrow(2, 1, 5), 1e-5, 1e-3));
  // Twice as large: the middle row's third column comes from a quarter of a pixel behind the third.
  const Tensor middle = x.select(2, 3);
  CHECK(at::allclose(resampled(x, placement(0.0, 0.5, 0.0)).select(2, 3).select(2, 2), 0.75 * middle.select(2, 2) + 0.25 * middle.select(2, 3), 1e-4,
                     1e-2));
}

TEST_CASE("the sampler is LibTorch's, whose gradient features need") {
  for (const int64_t channels : {1, 2, 3}) {
    const Tensor x = some_pictures(16, channels);
    const Json set = {{"rotate", 0.3}, {"zoom", 0.6}, {"shear", 0.5}};
    Tensor tracked = x.clone().requires_grad_(true);
    const Tensor reference = augmented("random_affine", set, tracked);
    CHECK(at::allclose(augmented("random_affine", set, x), reference.detach(), 1e-3, 0.2));
    reference.sum().backward();
    CHECK(tracked.grad().ne(0.0).any().item<bool>());
  }
}

TEST_CASE("greys have no hue and no saturation to lose, and luma is kept") {
  const Tensor grey = some_pictures(1, 1).repeat({1, 3, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  CHECK(at::allclose(recoloured(grey, {.saturation = 1.7, .turn = 1.0}), grey, 1e-4, 1e-2));
  // Far from black and white, nothing is cut off.
  const Tensor x = some_pictures(1).mul(0.2).add(100.0);
  const Tensor luma = at::tensor({0.299F, 0.587F, 0.114F}).view({1, 3, 1, 1});
  const auto luma_of = [&](const Tensor& y) { return (y * luma).sum(1); };
  const Tensor turned = recoloured(x, {.turn = 2.0});
  CHECK_FALSE(at::allclose(turned, x, 1e-3, 1.0));
  CHECK(at::allclose(luma_of(turned), luma_of(x), 1e-4, 1e-2));
  CHECK(at::allclose(recoloured(turned, {.turn = -2.0}), x, 1e-4, 1e-2));
  CHECK(at::allclose(recoloured(x, {.turn = 2.0 * std::numbers::pi}), x, 1e-4, 1e-2));
  const Tensor pale = recoloured(x, {.saturation = 0.0});
  for (int64_t c = 0; c < 3; ++c) CHECK(at::allclose(pale.select(1, c), luma_of(x), 1e-4, 1e-2));
}

TEST_CASE("a third of a turn makes red green, and green blue") {
  const Tensor red = at::tensor({150.0F, 60.0F, 60.0F}).view({1, 3, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor green = recoloured(red, {.turn = 2.0 * std::numbers::pi / 3.0});
  CHECK(green.argmax(1).item<int64_t>() == 1);
  CHECK(recoloured(green, {.turn = 2.0 * std::numbers::pi / 3.0}).argmax(1).item<int64_t>() == 2);
}

TEST_CASE("brightness goes towards black or white and contrast about the mean, cut off at both") {
  const Tensor x = some_pictures(1);
  CHECK(at::allclose(recoloured(x, {.brightness = 0.5}), x * 0.5, 1e-5, 1e-3));
  CHECK(at::allclose(recoloured(x, {.brightness = 2.0}), (x * 2.0).clamp_max(255.0), 1e-5, 1e-3));
  CHECK(recoloured(x, {.brightness = 2.0}).max().item<double>() == 255.0);
  const Tensor mean = x.mean(at::IntArrayRef{2, 3}, true);
  CHECK(at::allclose(recoloured(x, {.contrast = 1.5}), (mean + 1.5 * (x - mean)).clamp(0.0, 255.0), 1e-4, 1e-2));
  CHECK(at::allclose(recoloured(x, {.brightness = 0.9, .contrast = 0.5}), 0.9 * (mean + 0.5 * (x - mean)), 1e-4, 1e-2));
}

TEST_CASE("colours change alike before and after a normalization") {
  const Tensor x = some_pictures();
  const Tensor mean = at::tensor({10.0F, 90.0F, 200.0F}).view({1, 3, 1, 1}), deviation = at::tensor({3.0F, 50.0F, 120.0F}).view({1, 3, 1, 1});
  PixelScale scale;
  for (int64_t c = 0; c < 3; ++c) {
    scale.black.push_back(((0.0 - mean[0][c]) / deviation[0][c]).item<float>());
    scale.white.push_back(((255.0 - mean[0][c]) / deviation[0][c]).item<float>());
  }
  for (const auto& [op, set, none] : views()) {
    if (set.value("fill", "") == "zero") continue;
    CAPTURE(op, set.dump());
    Randomness randomness(3, 3);
    const Tensor after = augment(op, set, (x - mean) / deviation, [&] { return scale; }, randomness) * deviation + mean;
    const Tensor wrong = (after - augmented(op, set, x)).abs();
    // A value that lies on the edge of two steps (posterize, equalize) may fall to either side.
    CHECK(wrong.gt(0.1).to(at::kFloat).mean().item<double>() < 0.002);
  }
}

TEST_CASE("an erased rectangle has the area that was asked for, and the rest stays") {
  const Tensor x = (at::rand({64, 3, 20, 20}) * 200.0 + 20.0).contiguous(at::MemoryFormat::ChannelsLast);
  const Json square = {{"least_area", 0.25}, {"most_area", 0.25}, {"most_ratio", 1.0}, {"fill", "zero"}};
  const Tensor y = augmented("random_erase", square, x);
  const Tensor covered = y.eq(0.0);
  CHECK(covered.sum(at::IntArrayRef{1, 2, 3}).eq(3 * 100).all().item<bool>());
  CHECK(covered.logical_or(y.eq(x)).all().item<bool>());
  // All of it inside: as many rows as columns are touched.
  CHECK(covered.any(1).any(1).sum(1).eq(10).all().item<bool>());
  Json clipped = square;
  clipped["clipped"] = true;
  const Tensor cut = augmented("random_erase", clipped, x).eq(0.0).to(at::kFloat).mean(at::IntArrayRef{1, 2, 3});
  CHECK(cut.max().item<double>() <= 0.25 + 1e-6);
  CHECK(cut.min().item<double>() < 0.24);
  CHECK(cut.gt(0.0).all().item<bool>());
  const Json some = {{"probability", 0.5}, {"least_area", 0.02}, {"most_area", 0.4}, {"most_ratio", 3.3}, {"fill", "zero"}};
  const Tensor shares = augmented("random_erase", some, x).eq(0.0).to(at::kFloat).mean(at::IntArrayRef{1, 2, 3});
  const double erased = shares.gt(0.0).to(at::kFloat).mean().item<double>();
  CHECK(erased > 0.25);
  CHECK(erased < 0.75);
  CHECK(shares.max().item<double>() < 0.45);
}

TEST_CASE("what covers is the picture's mean or noise between black and white") {
  const Tensor x = (at::rand({8, 3, 20, 20}) * 100.0 + 20.0).contiguous(at::MemoryFormat::ChannelsLast);
  const Json all = {{"least_area", 1.0}, {"most_area", 1.0}, {"most_ratio", 1.0}};
  Json set = all;
  set["fill"] = "mean";
  CHECK(at::allclose(augmented("random_erase", set, x), x.mean(at::IntArrayRef{2, 3}, true).expand_as(x), 1e-4, 1e-2));
  set["fill"] = "noise";
  const Tensor noise = augmented("random_erase", set, x);
  CHECK(noise.mean().item<double>() == Approx(127.5).margin(5.0));
  CHECK(noise.min().item<double>() >= 0.0);
  CHECK(noise.max().item<double>() > 240.0);
  CHECK(noise.max().item<double>() <= 255.0);
}

TEST_CASE("black and white are known behind scales, normalizations and repeated channels") {
  Network net;
  Value out = net.repeat_channels(net.scale(net.input("x", {1, 4, 4}, "uint8"), -2.0, 3.0), 3);
  out = net.random_flip(net.resize(net.normalize(out, {1.0, 2.0, 3.0}, {2.0, 4.0, 8.0}), 2, 2), true, false);
  const Weights weights(net, 1);
  const Executor executor(net, weights);
  const PixelScale scale = pixel_scale(net, weights, out.layer);
  for (const double value : {0.0, 255.0}) {
    const Tensor seen = executor.run({{"x", at::full({1, 1, 4, 4}, value)}}, {out.layer}, nullptr)[0];
    for (size_t c = 0; c < 3; ++c)
      CHECK((value == 0.0 ? scale.black : scale.white)[c] == Approx(seen[0][static_cast<int64_t>(c)][0][0].item<double>()).margin(1e-4));
  }
}

TEST_CASE("evaluation leaves pictures as they are") {
  Network net;
  Value out = net.random_flip(net.input("x", {3, 7, 6}, "uint8"), true, true);
  out = net.random_affine(net.random_translate(out, 0.2, 0.2), {.rotate = 0.2, .zoom = 0.2, .shear = 0.1});
  out = net.random_operations(net.random_colour(out, {.contrast = 0.5, .hue = 0.1}), 2, 9.0);
  out = net.random_erase(out, {});
  const Weights weights(net, 1);
  const Executor executor(net, weights);
  const Tensor x = some_pictures();
  CHECK(executor.run({{"x", x}}, {out.layer}, nullptr)[0].equal(x));
  Randomness randomness(1, 2);
  CHECK_FALSE(executor.run({{"x", x}}, {out.layer}, &randomness)[0].equal(x));
}

TEST_CASE("pictures grow by eighths until their share of the training, and are whole in evaluation") {
  CHECK(grown_extent(32, 0.5, 0.8, 0.0) == 16);
  CHECK(grown_extent(32, 0.5, 0.8, 0.2) == 20);
  CHECK(grown_extent(32, 0.5, 0.8, 0.4) == 24);
  CHECK(grown_extent(32, 0.5, 0.8, 0.79) == 32);
  CHECK(grown_extent(32, 0.5, 0.8, 0.8) == 32);
  CHECK(grown_extent(32, 0.5, 0.0, 0.0) == 32);
  CHECK(grown_extent(3, 0.1, 1.0, 0.0) == 1);
  Network net;
  const Value small = net.growing(net.input("x", {3, 32, 16}, "uint8"), 0.5, 0.8);
  const Value pooled = net.max_pool(net.conv(small, {.filters = 2, .kernel = 2, .padding = Padding::valid}));
  const Value out = net.global_max_pool(pooled);
  const Weights weights(net, 1);
  const Executor executor(net, weights);
  const Tensor x = at::full({4, 3, 32, 16}, 7.0).contiguous(at::MemoryFormat::ChannelsLast);
  Randomness randomness(1, 2);
  randomness.progress = 0.0;
  std::vector<Tensor> values = executor.run({{"x", x}}, {small.layer, pooled.layer, out.layer}, &randomness);
  CHECK(values[0].sizes() == at::IntArrayRef{4, 3, 16, 8});
  CHECK(values[0].allclose(at::full({1}, 7.0)));  // a mean of equal pixels is that pixel
  CHECK(values[1].sizes() == at::IntArrayRef{4, 2, 7, 3});
  CHECK(values[2].sizes() == at::IntArrayRef{4, 2});
  randomness.progress = 0.9;
  CHECK(executor.run({{"x", x}}, {small.layer}, &randomness)[0].equal(x));
  CHECK(executor.run({{"x", x}}, {small.layer}, nullptr)[0].equal(x));
}
