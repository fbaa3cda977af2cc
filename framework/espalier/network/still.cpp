#include "espalier/network/analysis.h"

#include <algorithm>

namespace espalier {

namespace {

/// True if the layer gives the same for the same inputs in every epoch of every training.
bool keeps_still(const Layer& layer) { return layer.trained_from == Layer::never || (!layer.training_only && learns_nothing(layer)); }

/// By number: layers that keep still, and all above them.
std::vector<bool> still_layers(const Network& net) {
  std::vector<bool> still;
  for (const Layer& layer : net.layers())
    still.push_back(keeps_still(layer) && std::ranges::all_of(layer.in, [&](int source) { return still[static_cast<size_t>(source)]; }));
  return still;
}

/// Multiply-adds that a layer's value takes, all layers before it included.
double macs_below(const Network& net, int layer) {
  std::vector<bool> needed(net.layers().size(), false);
  needed[static_cast<size_t>(layer)] = true;
  double sum = 0.0;
  for (size_t i = net.layers().size(); i-- > 0;) {
    if (!needed[i]) continue;
    sum += static_cast<double>(cost(net.layers()[i], net).macs);
    for (const int source : net.layers()[i].in) needed[static_cast<size_t>(source)] = true;
  }
  return sum;
}

}  // namespace

std::vector<int> still_values(const Network& net, double least_macs) {
  const std::vector<bool> still = still_layers(net);
  std::vector<bool> is_read(net.layers().size(), false);
  for (const Layer& layer : net.layers())
    for (const int source : layer.in)
      if (!still[static_cast<size_t>(layer.id)]) is_read[static_cast<size_t>(source)] = true;
  std::vector<int> out;
  for (const Layer& layer : net.layers()) {
    const auto i = static_cast<size_t>(layer.id);
    if (!still[i] || !is_read[i] || layer.op == "input") continue;
    if (macs_below(net, layer.id) >= least_macs * static_cast<double>(elements(layer.shape)) && macs_below(net, layer.id) > 0.0)
      out.push_back(layer.id);
  }
  return out;
}

}  // namespace espalier
