#include "espalier/network/analysis.h"

#include <map>
#include <utility>

namespace espalier {

std::string weight_key(int layer, const std::string& name) { return std::to_string(layer) + "." + name; }

std::vector<NamedWeight> named_weights(const Network& net, const std::string& part) {
  std::vector<NamedWeight> out;
  std::map<std::pair<std::string, std::string>, int> seen;
  for (const Layer& layer : net.layers()) {
    if (layer.weights.empty() || !is_within(layer.from, part)) continue;
    const int number = ++seen[{layer.from, layer.op}];
    const std::string below = layer.from == part ? "" : layer.from.substr(part.size() + 1) + "/";
    for (const Weight& weight : layer.weights)
      out.push_back({.name = below + layer.op + std::to_string(number) + "." + weight.name, .key = weight_key(layer.id, weight.name),
                     .shape = weight.shape});
  }
  return out;
}

}  // namespace espalier
