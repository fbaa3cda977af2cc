#include "espalier/network/analysis.h"
#include "espalier/network/operations.h"

#include <algorithm>
#include <limits>

namespace espalier {

Cost cost(const Layer& layer, const Network& net) {
  Cost out;
  for (const Weight& weight : layer.weights)
    (weight.role == "buffer" ? out.buffers : out.parameters) += elements(weight.shape);
  if (layer.trained_from == Layer::never) out.frozen = out.parameters;
  const Operation& entry = operation(layer.op);
  if (entry.macs != nullptr) {
    std::vector<Shape> in;
    for (const int source : layer.in) in.push_back(net.shape({source}));
    out.macs = entry.macs(in, layer.shape, layer.set);
  }
  // A flattened tensor is a view of its input.
  if (layer.op != "flatten") out.activation_bytes = elements(layer.shape) * static_cast<int64_t>(sizeof(float));
  return out;
}

Cost cost(const Network& net) {
  Cost sum;
  const std::vector<bool> fixed = fixed_layers(net, std::numeric_limits<int64_t>::max());
  for (size_t i = 0; i < net.layers().size(); ++i) {
    const Layer& layer = net.layers()[i];
    const Cost one = cost(layer, net);
    sum.parameters += one.parameters;
    sum.frozen += one.frozen;
    sum.buffers += one.buffers;
    sum.macs += one.macs;
    // What is frozen and has no gradient keeps nothing for it.
    if (!fixed[i] || layer.trained_from != Layer::never) sum.activation_bytes += one.activation_bytes;
  }
  return sum;
}

bool is_within(const std::string& from, const std::string& part) { return from == part || from.starts_with(part + "/"); }

bool learns_nothing(const Layer& layer) {
  return std::ranges::all_of(layer.weights, [](const Weight& weight) { return weight.role == "buffer"; });
}

std::vector<bool> fixed_layers(const Network& net, int64_t epoch) {
  std::vector<bool> fixed;
  for (const Layer& layer : net.layers())
    fixed.push_back((learns_nothing(layer) || layer.is_frozen(epoch)) &&
                    std::ranges::all_of(layer.in, [&](int source) { return fixed[static_cast<size_t>(source)]; }));
  return fixed;
}

bool in_group(const std::string& from, const std::string& role, const Json& group) {
  const std::string part = group.value("part", std::string());
  if (!part.empty() && !is_within(from, part)) return false;
  const Json roles = group.value("role", Json::array());
  return roles.empty() || std::find(roles.begin(), roles.end(), Json(role)) != roles.end();
}

}  // namespace espalier
