// Makes a study as a search leaves it, from a formula: for text cases of the verbs that read studies. Usage: made_study FOLDER [TRIALS [SCORE [SEEDS]]]
// Two blocks with a setting of their own each, a learning rate that decides, rungs at 1 and 3 of 9 epochs, two workers. SCORE is
// to be minimized beside the accuracy ("": nothing is), and each trial is the mean of so many SEEDS.
#include "espalier/random.h"
#include "espalier/store/store.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

using namespace espalier;

namespace {

Json pipeline() {
  return {{"graph",
           {{"trunk",
             {{"block", {{"tune", {"vanilla", "resnet"}}}},
              {"from", {"image"}},
              {"vanilla", {{"width", {{"tune", {16, 32, 64}}}}, {"layers", 2}}},
              {"resnet", {{"depth", {{"tune", {{"from", 1}, {"to", 4}}}}}}}}}}},
          {"train",
           {{"batch", 128},
            {"optimizer", {{"sgd", {{"learning_rate", {{"tune", {{"from", 0.001}, {"to", 1.0}, {"log", true}}}}}, {"momentum", 0.9}}}}}}}};
}

Settings drawn(Random& random) {
  Settings settings = {{"train.optimizer.sgd.learning_rate", std::round(1e5 * std::pow(10.0, -3.0 * random.uniform())) / 1e5}};
  const bool resnet = random.below(2) == 1;
  settings["trunk.block"] = resnet ? "resnet" : "vanilla";
  if (resnet) settings["trunk.resnet.depth"] = 1 + random.below(4);
  else settings["trunk.vanilla.width"] = 16 << random.below(3);
  return settings;
}

double accuracy(const Settings& settings, double epochs) {
  const double off = std::log10(settings.at("train.optimizer.sgd.learning_rate").get<double>()) + 1.5;
  const double block = settings.at("trunk.block") == "resnet" ? 0.03 : 0.0;
  return std::round(1e4 * (0.9 + block - 0.1 * off * off) * (1.0 - 0.4 / (epochs + 1.0))) / 1e4;
}

/// What the trials are to have beside an accuracy.
struct Made {
  std::string score;   ///< that is minimized, too; "": none
  double seeds = 1.0;
};

/// Trains the trial that was decided last until some epochs, by one of two workers.
void train(Store& store, int64_t number, double until, bool pauses, const Made& made) {
  const Lease lease = *store.claim("local-" + std::to_string(1 + number % 2), 60.0);
  const TrialRecord trial = *store.trial(lease.trial);
  if (number % 11 == 10) {
    store.fail(lease, "nan", "the loss is not finite after 3 steps", 1.5);
    return;
  }
  for (double epoch = trial.epochs + 1.0; epoch <= until; epoch += 1.0)
    store.record_epoch(lease, {.epoch = std::llround(epoch), .metrics = {{"val_accuracy", accuracy(trial.settings, epoch)}, {"loss", 1.0 / epoch}}});
  store.record_checkpoint(lease, "trials/epoch.ckpt", "ab", until);
  const double score = accuracy(trial.settings, until);
  Metrics scores = {
      {"val_accuracy", score},
      {made.score.empty() ? "parameters" : made.score, 1000.0 * static_cast<double>(1 + trial.settings.size() + static_cast<size_t>(number))}};
  if (made.seeds > 1.0) scores.insert({{"parts", made.seeds}, {"spread", 0.01}, {"interval", 0.0125}});
  if (pauses) store.pause(lease, scores, score, 2.0 * until);
  else store.complete(lease, scores, score, 2.0 * until);
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::cerr << "usage: made_study FOLDER [TRIALS [SCORE [SEEDS]]]\n";
    return 2;
  }
  const std::filesystem::path folder = words[1];
  const int64_t trials = count > 2 ? std::atoll(words[2]) : 24;
  const Made made{.score = count > 3 ? words[3] : "", .seeds = count > 4 ? std::atof(words[4]) : 1.0};
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "lock.json") << "{}\n";
  std::ofstream(folder / "pipeline.yaml") << "# A study made from a formula.\n";
  const auto store = create_store(folder, "");
  Json objective = {{"metric", "val_accuracy"}, {"maximize", true}};
  if (!made.score.empty()) objective["others"].push_back(Json{{"metric", made.score}, {"maximize", false}});
  store->set_info("objective", objective);
  store->set_info("identity", pipeline());
  store->set_info("name", "made_up");
  Random random(7);
  int64_t decisions = 0;
  for (int64_t k = 0; k < trials; ++k) {
    const NewTrial trial{.settings = drawn(random), .reason = k == 0 ? "first configuration" : "drawn at random", .document = Json::object()};
    const int64_t number = *store->decide({.number = decisions++, .until = 1.0, .reason = "rung 0"}, &trial);
    train(*store, number, 1.0, true, made);
    const auto before = store->trial(number);
    if (!before->objective) continue;
    if (*before->objective < 0.65) continue;
    store->decide({.number = decisions++, .trial = number, .until = 3.0, .reason = "rung 1: among the best third"}, nullptr);
    train(*store, number, 3.0, true, made);
    if (*store->trial(number)->objective < 0.8) continue;
    store->decide({.number = decisions++, .trial = number, .until = 0.0, .reason = "to its end"}, nullptr);
    train(*store, number, 9.0, false, made);
  }
  return 0;
}
