#include "espalier/study/winner.h"

#include "espalier/data/prepared.h"
#include "espalier/error.h"
#include "espalier/random.h"
#include "espalier/study/asking.h"
#include "espalier/study/ensemble.h"
#include "espalier/study/files.h"
#include "espalier/study/parts.h"
#include "espalier/study/refit.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace espalier {

namespace {

constexpr size_t kSampleRows = 16;

/// How predictions become answers, by head.
Json decode_document(const Json& trial) {
  if (trial.contains("decode")) return trial["decode"];
  Json out = Json::object();
  const Json network = trial.value("network", Json::object());
  for (const Json& output : network.value("outputs", Json::array()))
    if (output.contains("decode")) out[output.value("head", "")] = output["decode"];
  return out;
}

/// ", 95 % confidence interval 0.897 to 0.9054", or nothing.
std::string interval_in_words(const TrialRecord& trial) {
  const auto half = trial.scores.find(kInterval);
  if (half == trial.scores.end() || !trial.objective) return "";
  return fmt::format(", 95 % confidence interval {:.6g} to {:.6g}", *trial.objective - half->second, *trial.objective + half->second);
}

std::string card(const Pipeline& pipeline, const TrialRecord& best, const std::string& training, const Json& scores) {
  std::string out = fmt::format("# {}\n\nThe best model of this study: trial {}, {:g} epochs, {:.1f} s of training.\n\n## Scores\n\n"
                                "| of | measure | value |\n|---|---|---|\n",
                                pipeline.name, best.number, best.epochs, best.seconds);
  for (const auto& [part, values] : scores.items())
    for (const auto& [name, value] : values.items())
      if (value.is_number()) out += fmt::format("| {} | {} | {:.6g} |\n", part, name, value.get<double>());
  if (best.scores.contains("parts"))
    out += fmt::format("\nThe search score is the mean of {:g} trainings{}.\n", best.scores.at("parts"), interval_in_words(best));
  if (!training.empty())
    out += training == kRefit ? "\nThe model was trained again on all rows but the test split.\n"
                              : fmt::format("\nThe model is that of {}.\n", training);
  out += fmt::format("\nThe search chose by `{}` ({}); the test split was read once, after the search.\n\n## Settings\n\n```yaml\n",
                     pipeline.search.objective().metric, pipeline.search.objective().maximize ? "maximised" : "minimised");
  out += to_yaml(Json(best.settings)) + "```\n\n## Files\n\n`model.safetensors` holds the weights, `network.json` the layers, "
         "`decode.json` how outputs become answers, `scores.json` the scores.\n";
  return out;
}

/// Some rows of the test split, else of validation, drawn without repetition by the study's seed.
std::vector<int64_t> sample_rows(const Preparation& data, uint64_t seed) {
  const Splits splits = read_splits(data.splits);
  std::vector<int64_t> rows = splits.test.empty() ? splits.validation : splits.test;
  Random random(derive_seed(seed, "samples"));
  const size_t count = std::min(kSampleRows, rows.size());
  for (size_t i = 0; i < count; ++i)
    std::swap(rows[i], rows[i + static_cast<size_t>(random.below(static_cast<int64_t>(rows.size() - i)))]);
  rows.resize(count);
  return rows;
}

/// What the model says of some rows, and what its first layers see in one: for the report.
void write_examples(const Asked& winner, const Preparation& data, uint64_t seed) {
  std::vector<int64_t> rows;
  try {
    rows = sample_rows(data, seed);
  } catch (const Error& error) {
    winner.observer.on_note("no samples for the report: " + error.problems().front().message);
  }
  if (rows.empty()) return;
  for (const auto& [what, more, file] : {std::tuple{"predict", Json{{"rows", rows}}, "samples.json"},
                                         std::tuple{"features", Json{{"row", rows.front()}}, "features.json"}}) {
    const Json answer = ask(winner, what, more);
    if (!answer.is_object()) continue;
    if (answer.contains("file")) copy_whole(answer["file"].get<std::string>(), winner.folder / file);
    else write_file(winner.folder / file, answer.dump());
  }
}

Json read_scores(const Json& answer, Json scores) {
  if (!answer.is_object()) return scores;
  Json test = answer;
  if (test.contains("baseline")) {
    scores["baseline"] = test["baseline"];
    test.erase("baseline");
  }
  scores["test"] = test.contains("scores") ? test["scores"] : test;
  return scores;
}

}  // namespace

std::string weights_key(int64_t trial, const std::string& part) {
  return fmt::format("weights {}{}{}", trial, part.empty() ? "" : " ", part);
}

std::optional<Model> model_of(const Store& store, int64_t trial) {
  for (const std::string part : {kRefit, "", "seed 1"})
    if (const auto weights = store.info(weights_key(trial, part)); weights && weights->is_string())
      return Model{part, weights->get<std::string>(), store.document(trial, part)};
  return std::nullopt;
}

Json write_best(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, Store& store,
                const TrialRecord& best, Observer& observer) {
  if (const auto known = store.info("scores"); known && store.info("scored trial") == Json(best.number)) return *known;
  const std::optional<Model> model = model_of(store, best.number);
  const Json document = model ? model->document : store.document(best.number);
  const std::filesystem::path folder = std::filesystem::absolute(options.folder) / "best";
  std::filesystem::create_directories(folder);
  Json scores{{"search", best.scores}};
  const Asked winner{options, document, model ? std::filesystem::absolute(options.folder) / model->weights : "", folder, observer, "the best model"};
  const bool has_weights = model && std::filesystem::exists(winner.weights);
  if (has_weights) {
    if (winner.weights.extension() == ".safetensors") copy_whole(winner.weights, folder / "model.safetensors");
    if (pipeline.sketch.has_test) scores = read_scores(ask(winner, "evaluate", {{"split", "test"}}), scores);
  } else {
    observer.on_note(fmt::format("trial {} left no weights: there is no best model to keep", best.number));
  }
  write_file(folder / "network.json", document.value("network", Json::object()).dump(1));
  write_file(folder / "decode.json", decode_document(document).dump(1));
  if (!options.interrupted())
    if (const Json ensemble = write_ensemble(pipeline, options, data, store, observer); !ensemble.is_null()) scores["ensemble"] = ensemble;
  write_file(folder / "scores.json", scores.dump(1));
  write_file(folder / "card.md", card(pipeline, best, model ? model->part : "", scores));
  if (has_weights && !options.interrupted()) write_examples(winner, data, pipeline.seed);
  if (options.interrupted()) return scores;  // asked again when the study goes on
  store.set_info("scores", scores);
  store.set_info("scored trial", best.number);
  return scores;
}

}  // namespace espalier
