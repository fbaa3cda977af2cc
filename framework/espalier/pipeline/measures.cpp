#include "espalier/pipeline/measures.h"

#include "espalier/network/analysis.h"
#include "espalier/pipeline/build.h"

#include <algorithm>

namespace espalier {

const std::vector<Measure>& measures() {
  static const std::vector<Measure> kMeasures = {
      {"parameters", [](const Network& network, int64_t) { return static_cast<double>(cost(network).parameters); }},
      {"macs", [](const Network& network, int64_t) { return static_cast<double>(cost(network).macs); }},
      {"memory", [](const Network& network, int64_t batch) { return training_memory(network, batch); }},
      {"latency", nullptr, &Predicted::latency},
      {"time", nullptr, &Predicted::time}};
  return kMeasures;
}

std::vector<std::string> measure_names() {
  std::vector<std::string> names;
  for (const Measure& measure : measures()) names.push_back(measure.name);
  return names;
}

const Measure* find_measure(const std::string& name) {
  const auto found = std::ranges::find(measures(), name, &Measure::name);
  return found == measures().end() ? nullptr : &*found;
}

}  // namespace espalier
