#pragma once

#include "espalier/engine/schedule.h"
#include "espalier/json.h"

#include <cstdint>
#include <optional>

namespace espalier::engine {

/// All that a training carries from step to step beside weights and optimizer; checkpoints keep it.
struct Position {
  int64_t epochs_done = 0;
  int64_t step = 0;        ///< of the epoch that has begun
  double loss_sum = 0.0;   ///< of that epoch's steps
  int64_t waited = 0;      ///< epochs since the objective was bettered by min_delta
  Plateau plateau;
  std::optional<double> reference;
  std::optional<double> best;
  int64_t best_epoch = 0;
  Json best_metrics = Json::object();
  bool finished = false;
};

Json to_json(const Position& position);
Position position_from(const Json& document);

}  // namespace espalier::engine
