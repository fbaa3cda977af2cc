#include "espalier/engine/augment.h"

#include "espalier/engine/affine.h"
#include "espalier/engine/colour.h"
#include "espalier/engine/device.h"
#include "espalier/engine/erase.h"
#include "espalier/engine/random_operations.h"
#include "espalier/error.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace espalier::engine {

namespace {

/// Mirrors an index that left 0..extent-1 without repeating the border, as often as needed.
int64_t reflect(int64_t i, int64_t extent) {
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1);
  i = ((i % period) + period) % period;
  return i < extent ? i : period - i;
}

/// Copies pixels of channels-last memory: runs of neighbouring columns at once.
void remap_pictures(const float* from, float* to, const int64_t* ys, const int64_t* xs, const at::IntArrayRef& sizes) {
  const int64_t channels = sizes[1];
  const int64_t height = sizes[2];
  const int64_t width = sizes[3];
  const auto pixel = static_cast<size_t>(channels) * sizeof(float);
  at::parallel_for(0, sizes[0], 8, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t* columns = xs + b * width;
      for (int64_t y = 0; y < height; ++y) {
        const float* row = from + (b * height + ys[b * height + y]) * width * channels;
        float* out = to + (b * height + y) * width * channels;
        for (int64_t x = 0; x < width;) {
          int64_t run = 1;
          while (x + run < width && columns[x + run] == columns[x] + run) ++run;
          std::memcpy(out + x * channels, row + columns[x] * channels, static_cast<size_t>(run) * pixel);
          x += run;
        }
      }
    }
  });
}

/// Mirrors, per sample, columns and rows.
template <class Mirrored>
at::Tensor mirror(const at::Tensor& x, const Mirrored& mirrored) {
  const int64_t batch = x.size(0);
  at::Tensor ys = at::empty({batch, x.size(2)}, at::kLong);
  at::Tensor xs = at::empty({batch, x.size(3)}, at::kLong);
  const auto fill = [](at::Tensor& indices, int64_t b, bool backwards) {
    const int64_t extent = indices.size(1);
    auto* row = indices.data_ptr<int64_t>() + b * extent;
    for (int64_t i = 0; i < extent; ++i) row[i] = backwards ? extent - 1 - i : i;
  };
  for (int64_t b = 0; b < batch; ++b) {
    const auto [columns, rows] = mirrored(b);
    fill(xs, b, columns);
    fill(ys, b, rows);
  }
  return remap(x, ys, xs);
}

at::Tensor flip(const Json& set, const at::Tensor& x, Random& random) {
  const bool horizontal = set.value("horizontal", true);
  const bool vertical = set.value("vertical", false);
  return mirror(x, [&](int64_t) {
    const uint64_t bits = random.bits();
    return std::pair(horizontal && (bits >> 63U) != 0, vertical && ((bits >> 62U) & 1U) != 0);
  });
}

at::Tensor translate(const Json& set, const at::Tensor& x, Random& random) {
  const int64_t batch = x.size(0);
  const bool nearest_pixel = set.value("padding", std::string("reflect")) == "nearest";
  const auto indices = [&](int64_t extent, double fraction) {
    at::Tensor all = at::empty({batch, extent}, at::kLong);
    const auto most = static_cast<int64_t>(std::lround(fraction * static_cast<double>(extent)));
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t shift = random.below(2 * most + 1) - most;
      auto* row = all.data_ptr<int64_t>() + b * extent;
      for (int64_t i = 0; i < extent; ++i)
        row[i] = nearest_pixel ? std::clamp<int64_t>(i + shift, 0, extent - 1) : reflect(i + shift, extent);
    }
    return all;
  };
  const at::Tensor ys = indices(x.size(2), set.value("height", 0.0));
  const at::Tensor xs = indices(x.size(3), set.value("width", 0.0));
  return remap(x, ys, xs);
}

}  // namespace

at::Tensor remap(const at::Tensor& x, const at::Tensor& ys, const at::Tensor& xs) {
  const bool tracked = x.requires_grad() && at::GradMode::is_enabled();
  if (!tracked && x.is_cpu() && x.scalar_type() == at::kFloat) {
    const at::Tensor from = x.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor to = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
    remap_pictures(from.data_ptr<float>(), to.data_ptr<float>(), ys.data_ptr<int64_t>(), xs.data_ptr<int64_t>(), x.sizes());
    return to;
  }
  const int64_t batch = x.size(0);
  const at::Tensor samples = at::arange(batch, x.options().dtype(at::kLong)).view({batch, 1, 1});
  const at::Tensor rows = sent_to(x.device(), ys).view({batch, -1, 1});
  const at::Tensor columns = sent_to(x.device(), xs).view({batch, 1, -1});
  return x.permute({0, 2, 3, 1}).index({samples, rows, columns}).permute({0, 3, 1, 2});
}

at::Tensor alternating_flip(const at::Tensor& x, std::span<const int64_t> rows, int64_t epoch, uint64_t seed) {
  return mirror(x, [&](int64_t b) {
    const int64_t row = rows.empty() ? b : rows[static_cast<size_t>(b)];
    const uint64_t half = derive_seed(seed, static_cast<uint64_t>(row)) >> 63U;
    return std::pair(half != static_cast<uint64_t>(epoch % 2), false);
  });
}

at::Tensor augment(const std::string& op, const Json& set, const at::Tensor& x, const std::function<PixelScale()>& scale,
                   Randomness& randomness) {
  if (op == "random_flip" && set.value("alternating", false))
    return alternating_flip(x, randomness.rows, randomness.epoch, randomness.row_seed);
  Random& random = randomness.augment;
  if (op == "random_flip") return flip(set, x, random);
  if (op == "random_translate") return translate(set, x, random);
  if (op == "random_affine") return random_affine(set, x, random);
  if (op == "random_colour") return random_colour(set, x, scale(), random);
  if (op == "random_erase") return random_erase(set, x, scale(), random);
  if (op == "random_operations") return random_operations(set, x, scale(), random);
  fail("E0430", "no augmentation is called '" + op + "'");
}

}  // namespace espalier::engine
