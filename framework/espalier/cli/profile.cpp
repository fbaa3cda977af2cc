#include "espalier/cli/profile.h"

#include "espalier/cli/ask.h"
#include "espalier/cli/places.h"
#include "espalier/cli/terminal.h"
#include "espalier/data/prepare.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/shape.h"

#include <fmt/format.h>

#include <charconv>

namespace espalier::cli {

namespace {

int64_t steps_of(const Call& call) {
  const std::string text = call.value("steps", "20");
  int64_t steps = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), steps);
  require(error == std::errc() && end == text.data() + text.size() && steps >= 1 && steps <= 10000, "E0002",
          fmt::format("--steps takes a number from 1 to 10000, not '{}'", text));
  return steps;
}

std::string milliseconds(double seconds) { return fmt::format("{:.2f}", seconds * 1e3); }

/// Layers that take no time worth a line are left out, and counted.
std::string layers_text(const Json& found, int width) {
  const double step = found.at("step").get<double>();
  const auto rows = found.at("rows").get<double>();
  constexpr double kWorthALine = 0.001;
  Table table{
      .headers = {"layer", "part", "output", "forward ms", "backward ms", "share", "GMAC/s"}, .rows = {}, .optional_begin = 5, .optional_end = 7};
  int64_t small = 0;
  for (const Json& layer : found.at("layers")) {
    const double forward = layer.at("forward").get<double>();
    const double backward = layer.at("backward").get<double>();
    if (forward + backward < kWorthALine * step) {
      ++small;
      continue;
    }
    // A backward pass multiplies twice: by the weights and by the input.
    const double macs = layer.at("macs").get<double>() * rows * (backward > 0.0 ? 3.0 : 1.0);
    table.rows.push_back({fmt::format("{} {}", layer.at("layer").get<int>(), layer.at("op").get<std::string>()), layer.at("from").get<std::string>(),
                          to_string(layer.at("shape").get<Shape>()), milliseconds(forward), milliseconds(backward),
                          fmt::format("{:.1f} %", 100.0 * (forward + backward) / step),
                          macs > 0.0 ? fmt::format("{:.0f}", macs / (forward + backward) / 1e9) : ""});
  }
  std::string out = render(table, width);
  if (small > 0) out += fmt::format("{} more take less than {:.1f} % each\n", small, 100.0 * kWorthALine);
  return out;
}

}  // namespace

int profile(const Call& call) {
  const int64_t steps = steps_of(call);
  const Registry registry = scan_registry(call);
  const Pipeline pipeline = load(call, registry);
  const Preparation preparation = prepare_data(pipeline.data, readers_of(registry));
  const Json trial = trial_document(pipeline, first_settings(pipeline.space), registry, preparation, "", 0);
  Json found = profile_of(pacing(), trial, steps);
  if (call.json()) {
    found["pipeline"] = pipeline.name;
    print_json(found);
    return 0;
  }
  fmt::print("{}", layers_text(found, terminal_width(stdout)));
  fmt::print("\na step of {} samples: {} ms (mean of {})\n", found.at("rows").get<int64_t>(), milliseconds(found.at("step").get<double>()), steps);
  for (const char* phase : {"data", "forward", "loss", "backward", "optimizer"})
    fmt::print("  {:<10}{:>9} ms\n", phase, milliseconds(found.at("phases").at(phase).get<double>()));
  return 0;
}

}  // namespace espalier::cli
