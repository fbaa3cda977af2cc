#pragma once

#include "espalier/engine/norm_activation.h"
#include "espalier/network.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace espalier::engine {

/// One call of the executor: a layer, or neighbours that run as one. Numbers are positions in the network.
struct Step {
  size_t layer = 0;            ///< whose value the step gives
  std::vector<size_t> in;      ///< whose values it reads
  std::optional<size_t> norm;  ///< the batch norm that runs with `activation`, or is folded into the convolution `conv`
  std::optional<size_t> conv;
  Activation activation = Activation::none;
  bool adds = false;           ///< a second input is added before the activation
  bool settled = false;        ///< the batch norm takes its running statistics, not the batch's
  bool in_place = false;       ///< may overwrite its first input
  bool frozen = false;         ///< training: its weights are not trained, and it runs as in evaluation
  bool fixed = false;          ///< training: no gradient passes it
  std::vector<size_t> last;    ///< values that nobody reads afterwards
};

/// Steps that give the values of the layers `wanted`, and nothing else. Batch norms run with the addition and the activation
/// that follow; in evaluation, those which nothing follows are folded into the convolutions before them. Only what nobody else
/// reads is run together. What is frozen in the epoch of a training is planned as in evaluation. The values of the layers
/// `given` are there already.
std::vector<Step> plan(const Network& net, const std::vector<int>& wanted, bool training, int64_t epoch = 0,
                       const std::vector<int>& given = {});

}  // namespace espalier::engine
