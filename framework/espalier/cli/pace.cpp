#include "espalier/cli/pace.h"

#include "espalier/cli/ask.h"
#include "espalier/cli/places.h"
#include "espalier/data/files.h"
#include "espalier/data/hash.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace espalier::cli {

namespace {

constexpr int64_t kSteps = 5;

/// The processor's name and number of threads, as Linux tells them.
std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  std::string name;
  int count = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    name = line;
    ++count;
  }
  return name + " " + std::to_string(count);
}

/// Where the pace of a trial is kept: whatever may change it is part of the name.
std::filesystem::path file_of(const Json& trial) {
  Json train = trial.at("train");
  for (const char* length : {"epochs", "schedule", "average", "score", "test_views"}) train.erase(length);
  const Json all = {{"network", trial.at("network")}, {"train", train}, {"processor", processor()}, {"trainer", std::filesystem::last_write_time(trainer()).time_since_epoch().count()}};
  return cache_folder() / "pace" / (sha256_of(all.dump()).substr(0, 32) + ".json");
}

}  // namespace

std::optional<Pace> known_pace(const Json& trial) {
  std::ifstream in(file_of(trial), std::ios::binary);
  const Json kept = Json::parse(in, nullptr, false);
  if (!kept.is_object() || !kept.contains("memory")) return std::nullopt;
  return Pace{.step = kept.value("step", 0.0), .evaluation = kept.value("evaluation", 0.0), .memory = kept.value("memory", int64_t{0})};
}

Pace measure_pace(const Json& trial) {
  const TemporaryFolder scratch;
  const Json found = ask_trainer("profile", trial, "", {{"steps", kSteps}}, scratch.path());
  const Json kept = {{"step", found.at("step")}, {"evaluation", found.at("evaluation")}, {"memory", found.at("memory")}};
  const std::filesystem::path file = file_of(trial);
  std::filesystem::create_directories(file.parent_path());
  write_file_safely(file, kept.dump());
  return {.step = found.at("step").get<double>(), .evaluation = found.at("evaluation").get<double>(), .memory = found.at("memory").get<int64_t>()};
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
