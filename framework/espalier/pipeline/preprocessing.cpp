#include "espalier/pipeline/pretrained.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace espalier {

namespace {

/// What becomes of raw pixels: x * factor + offset, a pair a channel (one: of all).
struct PixelScaling {
  std::vector<double> factor = {1.0};
  std::vector<double> offset = {0.0};
};

double of_channel(const std::vector<double>& values, size_t channel) { return values[channel % values.size()]; }

/// `then` after a step that multiplies and adds.
PixelScaling after(const PixelScaling& then, const std::vector<double>& factor, const std::vector<double>& offset) {
  PixelScaling out{{}, {}};
  const size_t channels = std::max({then.factor.size(), then.offset.size(), factor.size(), offset.size()});
  for (size_t c = 0; c < channels; ++c) {
    out.factor.push_back(of_channel(then.factor, c) * of_channel(factor, c));
    out.offset.push_back(of_channel(then.factor, c) * of_channel(offset, c) + of_channel(then.offset, c));
  }
  return out;
}

/// Nothing where the values are not pixels of a column scaled by constants.
std::optional<PixelScaling> scaling_before(const Network& network, int number) {
  PixelScaling scaling;
  for (const Layer* layer = &network.layers().at(static_cast<size_t>(number));;
       layer = &network.layers().at(static_cast<size_t>(layer->in.at(0)))) {
    if (layer->op == "input") return layer->set.at("type") == "uint8" ? std::optional(scaling) : std::nullopt;
    if (layer->op == "scale") {
      scaling = after(scaling, {layer->set.at("factor").get<double>()}, {layer->set.at("offset").get<double>()});
    } else if (layer->op == "normalize") {
      const auto mean = layer->set.at("mean").get<std::vector<double>>();
      const auto deviation = layer->set.at("std").get<std::vector<double>>();
      if (mean.empty()) return std::nullopt;
      std::vector<double> factor;
      std::vector<double> offset;
      for (size_t c = 0; c < mean.size(); ++c) {
        factor.push_back(1.0 / deviation[c]);
        offset.push_back(-mean[c] / deviation[c]);
      }
      scaling = after(scaling, factor, offset);
    } else if (!layer->training_only && layer->op != "resize" && layer->op != "repeat_channels") {
      return std::nullopt;
    }
  }
}

std::string listed(const Json& numbers) {
  std::vector<std::string> texts;
  for (const Json& number : numbers) texts.push_back(fmt::format("{:.6g}", number.get<double>()));
  return "[" + join(texts) + "]";
}

}  // namespace

std::string why_other_pixels(const Network& network, int layer, const Json& wanted) {
  constexpr double kTolerance = 1e-3;
  constexpr double kWhite = 255.0;
  const std::string asked = fmt::format("pixels normalised with mean {} and std {}", listed(wanted.at("mean")), listed(wanted.at("std")));
  const std::optional<PixelScaling> scaling = scaling_before(network, layer);
  if (!scaling) return fmt::format("it was made for {}, but what comes in is not pixels scaled by constants", asked);
  for (size_t c = 0; c < wanted.at("mean").size(); ++c) {
    const double deviation = wanted.at("std").at(c).get<double>();
    const double factor = 1.0 / (kWhite * deviation);
    const double offset = -wanted.at("mean").at(c).get<double>() / deviation;
    const double found = of_channel(scaling->factor, c);
    if (std::abs(found / factor - 1.0) < kTolerance && std::abs(of_channel(scaling->offset, c) - offset) < kTolerance) continue;
    return fmt::format("it was made for {}, but pixels of channel {} come in from {:.4g} to {:.4g} instead of from {:.4g} to {:.4g}", asked, c,
                       of_channel(scaling->offset, c), kWhite * found + of_channel(scaling->offset, c), offset, kWhite * factor + offset);
  }
  return "";
}

}  // namespace espalier
