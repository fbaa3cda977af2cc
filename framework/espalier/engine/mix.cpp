#include "espalier/engine/mix.h"

#include "espalier/engine/device.h"
#include "espalier/engine/pixels.h"
#include "espalier/error.h"

#include <boost/math/distributions/beta.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::engine {

namespace {

double drawn_share(double alpha, Random& random) {
  // Never 0 or 1, where the quantile has no need to exist.
  const double level = std::clamp(random.uniform(), 1e-12, 1.0 - 1e-12);
  return boost::math::quantile(boost::math::beta_distribution<double>(alpha, alpha), level);
}

/// A window of whole pixels about a random middle, as fractions of the extent.
std::pair<double, double> placed(double side, int64_t extent, Random& random) {
  const auto whole = static_cast<double>(extent);
  const auto [begin, end] = clipped_window(std::llround(side * whole), extent, random);
  return {static_cast<double>(begin) / whole, static_cast<double>(end) / whole};
}

int64_t pixel(double fraction, int64_t extent) { return std::llround(fraction * static_cast<double>(extent)); }

}  // namespace

Mixer::Mixer(const Json& settings) {
  const std::string name = settings.is_object() ? settings.value("name", std::string("none")) : settings.get<std::string>();
  if (name == "none") return;
  const bool either = name == "mixup_or_cutmix";
  if (!either && name != "mixup" && name != "cutmix")
    fail("E0424", "no way of mixing is called '" + name + "'", "none, mixup, cutmix and mixup_or_cutmix are there");
  probability_ = settings.value("probability", 1.0);
  if (name != "cutmix") mixup_alpha_ = settings.value("alpha", 0.2);
  if (name == "cutmix") cutmix_alpha_ = settings.value("alpha", 1.0);
  if (either) cutmix_alpha_ = settings.value("cutmix_alpha", 1.0);
}

std::optional<Mixing> Mixer::draw(const Inputs& inputs, Random& random) const {
  if (probability_ == 0.0 || inputs.empty() || random.uniform() >= probability_) return std::nullopt;
  const bool cuts = cutmix_alpha_ > 0.0 && (mixup_alpha_ == 0.0 || random.uniform() < 0.5);
  Mixing mixing;
  mixing.partners.resize(static_cast<size_t>(inputs.begin()->second.size(0)));
  std::iota(mixing.partners.begin(), mixing.partners.end(), 0);
  shuffle(mixing.partners, random);
  mixing.share = drawn_share(cuts ? cutmix_alpha_ : mixup_alpha_, random);
  const auto picture = std::ranges::find_if(inputs, [](const auto& input) { return input.second.dim() == 4; });
  if (!cuts || picture == inputs.end()) return mixing;
  const double side = std::sqrt(1.0 - mixing.share);
  const auto [top, bottom] = placed(side, picture->second.size(2), random);
  const auto [left, right] = placed(side, picture->second.size(3), random);
  mixing.cut = Cut{top, bottom, left, right};
  mixing.share = 1.0 - (bottom - top) * (right - left);
  return mixing;
}

at::Tensor partners_of(const at::Tensor& x, const Mixing& mixing) {
  const at::Tensor rows = sent_to(x.device(), at::tensor(mixing.partners, at::kLong));
  if (x.dim() != 4) return x.index_select(0, rows);
  return x.permute({0, 2, 3, 1}).index_select(0, rows).permute({0, 3, 1, 2});  // whole pictures of channels-last memory
}

at::Tensor mixed(const at::Tensor& x, const Mixing& mixing) {
  const at::Tensor others = partners_of(x, mixing);
  if (x.dim() != 4 || !mixing.cut) return x.lerp(others, 1.0 - mixing.share);
  const Cut& cut = *mixing.cut;
  const int64_t top = pixel(cut.top, x.size(2)), left = pixel(cut.left, x.size(3));
  const int64_t height = pixel(cut.bottom, x.size(2)) - top, width = pixel(cut.right, x.size(3)) - left;
  at::Tensor out = x.clone();
  out.narrow(2, top, height).narrow(3, left, width).copy_(others.narrow(2, top, height).narrow(3, left, width));
  return out;
}

Targets partners_of(const Targets& targets, const Mixing& mixing) {
  Targets out;
  for (const auto& [head, target] : targets) out[head] = partners_of(target, mixing);
  return out;
}

std::vector<int64_t> rows_shown(std::span<const int64_t> rows, const Mixing& mixing) {
  std::vector<int64_t> out(rows.begin(), rows.end());
  if (mixing.share >= 0.5) return out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = rows[static_cast<size_t>(mixing.partners[i])];
  return out;
}

at::Tensor mixed_loss(const at::Tensor& own, const at::Tensor& partners, const Mixing& mixing) { return partners.lerp(own, mixing.share); }

}  // namespace espalier::engine
