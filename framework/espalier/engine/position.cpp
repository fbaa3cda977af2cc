#include "espalier/engine/position.h"

namespace espalier::engine {

namespace {

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }
std::optional<double> optional_number(const Json& value) { return value.is_number() ? std::optional(value.get<double>()) : std::nullopt; }

}  // namespace

Json to_json(const Position& p) {
  return {{"epochs_done", p.epochs_done}, {"step", p.step}, {"loss_sum", p.loss_sum}, {"waited", p.waited},
          {"plateau", to_json(p.plateau)}, {"reference", optional_json(p.reference)}, {"best", optional_json(p.best)}, {"best_epoch", p.best_epoch},
          {"best_metrics", p.best_metrics}, {"finished", p.finished}};
}

Position position_from(const Json& json) {
  return {.epochs_done = json.at("epochs_done").get<int64_t>(), .step = json.at("step").get<int64_t>(),
          .loss_sum = json.at("loss_sum").get<double>(), .waited = json.at("waited").get<int64_t>(),
          .plateau = plateau_from(json.at("plateau")), .reference = optional_number(json.at("reference")), .best = optional_number(json.at("best")),
          .best_epoch = json.at("best_epoch").get<int64_t>(), .best_metrics = json.at("best_metrics"),
          .finished = json.at("finished").get<bool>()};
}

}  // namespace espalier::engine
