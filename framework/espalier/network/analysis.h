#pragma once

#include "espalier/network.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// What a network costs. Activation bytes are those of a training step for one sample in float32.
struct Cost {
  int64_t parameters = 0;  ///< trained, unless frozen
  int64_t frozen = 0;      ///< those of the parameters that are never trained
  int64_t buffers = 0;     ///< kept but not trained (running statistics)
  int64_t macs = 0;        ///< multiply-adds of one sample, forward
  int64_t activation_bytes = 0;
};

/// Samples that the trainer evaluates at a time.
inline constexpr int64_t kEvaluationBatch = 500;

Cost cost(const Layer& layer, const Network& net);
Cost cost(const Network& net);

/// Whether a layer has no weights but buffers, which are statistics of the training split, taken before the first step: those of a
/// batch norm come with weights.
bool learns_nothing(const Layer& layer);

/// By number: layers that are frozen in an epoch, or learn nothing, and whose inputs all are such layers. No gradient need pass
/// them.
std::vector<bool> fixed_layers(const Network& net, int64_t epoch);

/// Layers whose value for a sample never changes (no trained weight and nothing random above it) and that a layer reads which
/// does change: where a frozen part of a network ends. Only those that take at least `least_macs` multiply-adds for each
/// number of their value: others are computed again as fast as they are read.
std::vector<int> still_values(const Network& net, double least_macs);
/// What reading a kept number costs, in multiply-adds: a guess on the safe side.
inline constexpr double kMacsOfReading = 100.0;

/// "<layer id>.<weight name>": what a layer's tensor is called in trained models and checkpoints.
std::string weight_key(int layer, const std::string& name);

/// A tensor of one part of a network by a name that does not depend on what else the network holds.
struct NamedWeight {
  std::string name;  ///< "stage2/block1/conv1.weight": parts below, the operation's number among those of its part
  std::string key;   ///< weight_key
  Shape shape;
};
std::vector<NamedWeight> named_weights(const Network& net, const std::string& part);

/// Whether the part `from` is `part` or below it.
bool is_within(const std::string& from, const std::string& part);

/// Whether a weight of `role` that the part `from` emitted is of a group {"part", "role"} of `train.groups`: what a group
/// leaves out is any.
bool in_group(const std::string& from, const std::string& role, const Json& group);

/// The table that Keras prints: layer (op), output shape, parameters, inputs where not sequential, and totals.
/// `width` is the terminal's; nothing is cut that matters.
std::string summary(const Network& net, int width = 80);

/// Graphviz source of the picture: layers grouped by part, edges with shapes.
std::string dot(const Network& net);
/// Runs `dot -Tsvg` on graphviz source; throws E0501 with a hint if graphviz is missing.
std::string svg(const std::string& dot_source);

}  // namespace espalier
