#pragma once

#include "espalier/params.h"

#include <string>
#include <vector>

namespace espalier {

/// A loss that the trainer knows, with its settings. A head offers those of a kind by a slot:
///
///     {"loss", &Params::loss, "regression loss", {"mse", "huber"}, "what is minimised"}
struct LossType {
  std::string name;
  std::string kind;  ///< "classification loss": of logits; "regression loss": of numbers
  Declaration declaration;
};

const std::vector<LossType>& losses();

/// {"name": ..., SETTING: ...}: the chosen loss as a head's document says it; what is not given has its default. Throws
/// E0304 if there is no such loss of this kind.
Json loss_document(const std::string& kind, const Slot& chosen);

}  // namespace espalier
