#include "torch_catch.h"

#include "made_pictures.h"

#include "espalier/engine/random_operations.h"

#include <string>

using namespace espalier;
using namespace espalier::engine;
using espalier::test::some_pictures;

namespace {

using at::Tensor;

Tensor applied(const std::string& name, double strength, const Tensor& x, uint64_t seed = 5) {
  Tensor out = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
  Random random(seed);
  apply_operation(name, strength, x.data_ptr<float>(), out.data_ptr<float>(), extents_of(x), random);
  return out;
}

}  // namespace

TEST_CASE("RandAugment's set has fourteen operations that keep the range of bytes") {
  CHECK(picture_operations().size() == 14);
  for (const int64_t channels : {1, 3}) {
    const Tensor x = some_pictures(1, channels, 24, 24);
    for (const std::string& name : picture_operations()) {
      CAPTURE(name, channels);
      bool changed = false;
      for (const double strength : {0.0, 0.5, 1.0}) {
        const Tensor y = applied(name, strength, x);
        CHECK(y.min().item<double>() >= 0.0);
        CHECK(y.max().item<double>() <= 255.0);
        changed = changed || !at::allclose(y, x, 1e-3, 1.0);
        const bool whatever_strength = name == "auto_contrast" || name == "equalize";
        if (strength == 0.0 && !whatever_strength) CHECK(at::allclose(y, x, 1e-4, 1e-2));
        CHECK(applied(name, strength, x).equal(y));
      }
      CHECK(changed == !(name == "identity" || (name == "colour" && channels == 1)));
    }
  }
}

TEST_CASE("operations of single values do what they say") {
  const Tensor x = some_pictures(1);
  CHECK(at::allclose(applied("solarize", 1.0, x), at::where(x.gt(0.0), 255.0 - x, x)));
  CHECK(at::allclose(applied("solarize", 0.5, x), at::where(x.gt(127.5), 255.0 - x, x)));
  CHECK(at::allclose(applied("posterize", 1.0, x), x.div(16.0).floor().mul(16.0)));
  const Tensor narrow = x.mul(0.5).add(40.0);
  const Tensor wide = applied("auto_contrast", 0.3, narrow);
  for (int64_t c = 0; c < 3; ++c) {
    CHECK(wide.select(1, c).min().item<double>() == Approx(0.0).margin(1e-3));
    CHECK(wide.select(1, c).max().item<double>() == Approx(255.0).margin(1e-3));
  }
  const Tensor flat = at::full({1, 3, 7, 6}, 77.0).contiguous(at::MemoryFormat::ChannelsLast);
  for (const char* name : {"auto_contrast", "equalize", "sharpness", "rotate", "contrast"})
    CHECK(at::allclose(applied(name, 1.0, flat), flat, 1e-4, 1e-2));
}

TEST_CASE("equalizing makes every brightness as frequent as every other") {
  // Squares crowd the dark end; afterwards a quarter of the values lies in each quarter of the range.
  const Tensor x = at::arange(64 * 64).to(at::kFloat).div(64.0 * 64.0).square().mul(255.0).round().view({1, 1, 64, 64});
  CHECK(x.lt(64.0).to(at::kFloat).mean().item<double>() > 0.45);
  const Tensor y = applied("equalize", 0.0, x.contiguous(at::MemoryFormat::ChannelsLast));
  for (int quarter = 0; quarter < 4; ++quarter) {
    const Tensor in = y.ge(64.0 * quarter).logical_and(y.lt(64.0 * (quarter + 1)));
    CHECK(in.to(at::kFloat).mean().item<double>() == Approx(0.25).margin(0.05));
  }
}

TEST_CASE("each picture goes through operations of its own") {
  const Tensor alike = some_pictures(1).repeat({200, 1, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  Random random(9);
  const Tensor y = random_operations({{"operations", 1}, {"magnitude", 15.0}}, alike, byte_scale(3), random);
  int64_t unchanged = 0;
  for (int64_t i = 0; i < 200; ++i) unchanged += at::allclose(y[i], alike[i], 1e-4, 1e-2) ? 1 : 0;
  // One of fourteen is the identity, and so few pixels are not equalized.
  CHECK(unchanged > 3);
  CHECK(unchanged < 60);
}
