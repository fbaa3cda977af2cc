#include "espalier/engine/schedule.h"

#include "espalier/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace espalier::engine {

namespace {

double number(const Json& settings, const char* name, double otherwise) {
  const auto found = settings.find(name);
  return found != settings.end() && found->is_number() ? found->get<double>() : otherwise;
}

Json settings_of(const Json& schedule) { return schedule.is_string() ? Json{{"name", schedule}} : schedule; }

std::string name_of(const Json& settings) {
  return settings.is_object() ? settings.value("name", std::string("constant")) : "constant";
}

}  // namespace

double learning_rate_factor(const Json& schedule, int64_t step, int64_t steps, int64_t steps_per_epoch) {
  const Json settings = settings_of(schedule);
  const std::string name = name_of(settings);
  const bool one_cycle = name == "one_cycle";
  const double total = static_cast<double>(std::max<int64_t>(steps, 1));
  const double warmup = std::clamp(number(settings, "warmup", one_cycle ? 0.25 : 0.0), 0.0, 1.0) * total;
  const double at = static_cast<double>(step);
  if (at < warmup) {
    const double start = number(settings, "start", one_cycle ? 0.04 : 0.0);
    // The first step of a rise from zero would be lost: the rise ends with the last step of the warmup.
    return start + (1.0 - start) * std::min(1.0, (at + 1.0) / warmup);
  }
  const double progress = std::clamp((at - warmup) / std::max(total - warmup, 1.0), 0.0, 1.0);
  const double end = number(settings, "end", one_cycle ? 1e-4 : 0.0);
  if (name == "constant" || name == "plateau") return 1.0;
  if (name == "cosine" || one_cycle) return end + (1.0 - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  if (name == "linear") return end + (1.0 - end) * (1.0 - progress);
  if (name == "step") {
    const double every = std::max(1.0, number(settings, "every", 30.0) * static_cast<double>(steps_per_epoch));
    return std::pow(number(settings, "factor", 0.1), std::floor(at / every));
  }
  fail("E0427", "no schedule is called '" + name + "'",
       "constant, cosine, linear, step, one_cycle and plateau are there");
}

void observe(Plateau& plateau, const Json& schedule, double objective, bool maximize) {
  const Json settings = settings_of(schedule);
  if (name_of(settings) != "plateau") return;
  if (!plateau.best || (maximize ? objective > *plateau.best : objective < *plateau.best)) {
    plateau.best = objective;
    plateau.waited = 0;
  } else if (static_cast<double>(++plateau.waited) >= number(settings, "patience", 5.0)) {
    plateau.factor = std::max(plateau.factor * number(settings, "factor", 0.1), number(settings, "min", 0.0));
    plateau.waited = 0;
  }
}

Json to_json(const Plateau& plateau) {
  return {{"factor", plateau.factor}, {"waited", plateau.waited}, {"best", plateau.best ? Json(*plateau.best) : Json()}};
}

Plateau plateau_from(const Json& document) {
  Plateau plateau{.factor = document.at("factor").get<double>(), .waited = document.at("waited").get<int64_t>(), .best = {}};
  if (document.at("best").is_number()) plateau.best = document["best"].get<double>();
  return plateau;
}

}  // namespace espalier::engine
