#include "espalier/network/analysis.h"
#include "espalier/network/operations.h"

#include <algorithm>

namespace espalier {

Cost cost(const Layer& layer, const Network& net) {
  Cost out;
  for (const Weight& weight : layer.weights)
    (weight.role == "buffer" ? out.buffers : out.parameters) += elements(weight.shape);
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
  for (const Layer& layer : net.layers()) {
    const Cost one = cost(layer, net);
    sum.parameters += one.parameters;
    sum.buffers += one.buffers;
    sum.macs += one.macs;
    sum.activation_bytes += one.activation_bytes;
  }
  return sum;
}

bool in_group(const std::string& from, const std::string& role, const Json& group) {
  const std::string part = group.value("part", std::string());
  if (!part.empty() && from != part && !from.starts_with(part + "/")) return false;
  const Json roles = group.value("role", Json::array());
  return roles.empty() || std::find(roles.begin(), roles.end(), Json(role)) != roles.end();
}

}  // namespace espalier
