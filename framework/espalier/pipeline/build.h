#pragma once

#include "espalier/pipeline/pipeline.h"

#include <functional>
#include <string>

namespace espalier {

/// Called with a node whose layers could not be emitted; nodes behind it are left out.
using OnNodeError = std::function<void(const std::string& node, const Error& error)>;

/// As build_network, but goes on after a mistake and tells every one.
Network build_network(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const OnNodeError& on_error);

/// Puts settings into a resolved value whose name is `path`: no {"tune"} and no {"same"} is left.
Json settled(const Pipeline& pipeline, const Json& value, const std::string& path, const Settings& settings);

/// The block or head of a node under these settings.
std::string chosen_name(const Pipeline& pipeline, const std::string& node, const Settings& settings);

/// Bytes that a trainer needs at the most: itself, weights, gradients and two moments of an optimizer, and the activations of
/// a step or those of an evaluation, in float32. In bfloat16 it is less.
double training_memory(const Network& network, int64_t batch);

}  // namespace espalier
