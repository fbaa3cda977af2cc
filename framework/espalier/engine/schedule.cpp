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

}  // namespace

double learning_rate_factor(const Json& schedule, int64_t step, int64_t steps, int64_t steps_per_epoch) {
  const Json settings = schedule.is_string() ? Json{{"name", schedule}} : schedule;
  const std::string name = settings.is_object() ? settings.value("name", std::string("constant")) : "constant";
  if (name == "constant" && (!settings.is_object() || !settings.contains("warmup"))) return 1.0;
  const bool one_cycle = name == "one_cycle";
  const double total = static_cast<double>(std::max<int64_t>(steps, 1));
  const double warmup = std::clamp(number(settings, "warmup", one_cycle ? 0.3 : 0.0), 0.0, 1.0) * total;
  const double at = static_cast<double>(step);
  if (at < warmup) {
    const double start = number(settings, "start", one_cycle ? 0.04 : 0.0);
    // The first step of a rise from zero would be lost: the rise ends with the last step of the warmup.
    return start + (1.0 - start) * std::min(1.0, (at + 1.0) / warmup);
  }
  const double progress = std::clamp((at - warmup) / std::max(total - warmup, 1.0), 0.0, 1.0);
  const double end = number(settings, "end", one_cycle ? 1e-4 : 0.0);
  if (name == "constant") return 1.0;
  if (name == "cosine" || one_cycle) return end + (1.0 - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  if (name == "linear") return end + (1.0 - end) * (1.0 - progress);
  if (name == "step") {
    const double every = std::max(1.0, number(settings, "every", 30.0) * static_cast<double>(steps_per_epoch));
    return std::pow(number(settings, "factor", 0.1), std::floor(at / every));
  }
  fail("E0410", "no schedule is called '" + name + "'",
       "constant, cosine, linear, step and one_cycle are there");
}

}  // namespace espalier::engine
