#include "espalier/cli/pace.h"

#include "espalier/cli/ask.h"
#include "espalier/cli/places.h"
#include "espalier/data/files.h"
#include "espalier/data/hash.h"
#include "espalier/data/processor.h"

#include <algorithm>
#include <string>
#include <thread>

namespace espalier::cli {

namespace {

constexpr int64_t kSteps = 5;

/// Where the pace of a trial is kept: whatever may change it is part of the name.
std::filesystem::path file_of(const Json& trial) {
  Json train = trial.at("train");
  for (const char* length : {"epochs", "schedule", "average", "score", "test_views"}) train.erase(length);
  const Json all = {{"network", trial.at("network")}, {"train", train}, {"processor", processor_name()},
                    {"processors", std::thread::hardware_concurrency()},
                    {"trainer", std::filesystem::last_write_time(trainer()).time_since_epoch().count()}};
  return cache_folder() / "pace" / (sha256_of(all.dump()).substr(0, 32) + ".json");
}

Pace pace_from(const Json& kept) {
  return {.step = kept.at("step").get<double>(), .evaluation = kept.at("evaluation").get<double>(), .memory = kept.at("memory").get<int64_t>()};
}

}  // namespace

std::optional<Pace> known_pace(const Json& trial) {
  const Json kept = read_json_file(file_of(trial));
  if (!kept.is_object() || !kept.contains("memory")) return std::nullopt;
  return pace_from(kept);
}

Pace measure_pace(const Json& trial) {
  const TemporaryFolder scratch;
  const Json found = ask_trainer("profile", trial, "", {{"steps", kSteps}}, scratch.path());
  const Json kept = {{"step", found.at("step")}, {"evaluation", found.at("evaluation")}, {"memory", found.at("memory")}};
  remember_in_file(file_of(trial), kept.dump());
  return pace_from(kept);
}

Duration duration_of(const Json& train, const Pace& pace, int64_t train_rows, int64_t validation_rows) {
  const int64_t batch = std::min(train.at("batch").get<int64_t>(), train_rows);
  const int64_t accumulate = std::max<int64_t>(train.value("accumulate", int64_t{1}), 1);
  const Json& epochs = train.at("epochs");
  Duration out;
  out.steps = std::max<int64_t>(train_rows / std::max<int64_t>(batch, 1) / accumulate, 1);
  out.epoch = static_cast<double>(out.steps * accumulate) * pace.step + static_cast<double>(validation_rows) * pace.evaluation;
  out.epochs = epochs.is_number() ? epochs.get<double>() : epochs.value("count", epochs.value("max", 1.0));
  return out;
}

}  // namespace espalier::cli
