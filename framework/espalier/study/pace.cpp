#include "espalier/study/pace.h"

#include "espalier/data/files.h"
#include "espalier/data/hash.h"
#include "espalier/data/processor.h"
#include "espalier/network/length.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace espalier {

namespace {

constexpr int64_t kSteps = 5;

/// Where the pace of a trial is kept: whatever may change it is part of the name.
std::filesystem::path file_of(const Pacing& pacing, const Json& trial) {
  Json train = trial.at("train");
  for (const char* length : {"epochs", "schedule", "average", "score", "test_views"}) train.erase(length);
  const Json all = {{"network", trial.at("network")}, {"train", train}, {"processor", processor_name()},
                    {"processors", std::thread::hardware_concurrency()},
                    {"trainer", std::filesystem::last_write_time(pacing.trainer.program).time_since_epoch().count()}};
  return pacing.folder / (sha256_of(all.dump()).substr(0, 32) + ".json");
}

Pace pace_from(const Json& kept) {
  return {.step = kept.at("step").get<double>(), .evaluation = kept.at("evaluation").get<double>(), .memory = kept.at("memory").get<int64_t>()};
}

/// Seconds of a step while `count` trainers run, each with `threads`: the slowest one's.
double step_of(const Pacing& pacing, Json trial, int64_t count, int64_t threads, int64_t steps) {
  trial["train"]["threads"] = threads;
  std::vector<double> seconds(static_cast<size_t>(count));
  std::vector<std::exception_ptr> errors(seconds.size());
  {
    std::vector<std::jthread> trainers;
    for (size_t i = 0; i < seconds.size(); ++i)
      trainers.emplace_back([&, i] {
        try {
          seconds[i] = profile_of(pacing, trial, steps).at("step").get<double>();
        } catch (...) {
          errors[i] = std::current_exception();
        }
      });
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return *std::ranges::max_element(seconds);
}

}  // namespace

Json profile_of(const Pacing& pacing, const Json& trial, int64_t steps) {
  const TemporaryFolder scratch;
  return ask_trainer(pacing.trainer, "profile", trial, "", {{"steps", steps}}, scratch.path());
}

std::optional<Pace> known_pace(const Pacing& pacing, const Json& trial) {
  const Json kept = read_json_file(file_of(pacing, trial));
  if (!kept.is_object() || !kept.contains("memory")) return std::nullopt;
  return pace_from(kept);
}

Pace measure_pace(const Pacing& pacing, const Json& trial) {
  const Json found = profile_of(pacing, trial, kSteps);
  const Json kept = {{"step", found.at("step")}, {"evaluation", found.at("evaluation")}, {"memory", found.at("memory")}};
  remember_in_file(file_of(pacing, trial), kept.dump());
  return pace_from(kept);
}

Duration duration_of(const Json& train, const Pace& pace, int64_t train_rows, int64_t validation_rows) {
  const Length length = training_length(train, train_rows);
  const double training = static_cast<double>(length.steps_per_epoch * length.accumulate) * pace.step;
  return {.steps = length.steps_per_epoch, .epoch = training + static_cast<double>(validation_rows) * pace.evaluation,
          .epochs = static_cast<double>(length.steps) / static_cast<double>(length.steps_per_epoch)};
}

Share measure_share(const Pacing& pacing, const Json& trial, int64_t processors) {
  constexpr double kWorthIt = 1.1;
  constexpr double kSeconds = 2.0;  // long enough that trainers which begin together are measured together
  const double alone = step_of(pacing, trial, 1, processors, kSteps);
  const auto steps = static_cast<int64_t>(std::clamp(std::ceil(kSeconds / alone), static_cast<double>(kSteps), 500.0));
  Share best{.workers = 1, .threads = processors, .gain = 1.0};
  const double at_length = step_of(pacing, trial, 1, processors, steps);
  for (int64_t workers = 2; workers <= processors; workers *= 2) {
    const int64_t threads = processors / workers;
    const double gain = static_cast<double>(workers) * at_length / step_of(pacing, trial, workers, threads, steps);
    if (gain > std::max(best.gain, kWorthIt)) best = {.workers = workers, .threads = threads, .gain = gain};
  }
  return best;
}

}  // namespace espalier
