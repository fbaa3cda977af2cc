#include "espalier/cli/ask.h"
#include "espalier/cli/details.h"
#include "espalier/cli/pictures.h"
#include "espalier/cli/places.h"
#include "espalier/cli/studies.h"
#include "espalier/data/files.h"
#include "espalier/data/prepared.h"
#include "espalier/store/best.h"
#include "espalier/study/winner.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

/// In a file nothing needs to be shortened.
constexpr int kUncut = 1 << 20;

/// The split that was asked for. Throws E0002 with the three there are.
std::string split_wanted(const Call& call) {
  const std::string split = call.value("split", "test");
  if (split != "train" && split != "validation" && split != "test")
    fail("E0002", fmt::format("'{}' is no split", split), "splits: train, validation, test");
  return split;
}

/// A trained trial: its document and the weights that scored.
struct Trained {
  fs::path study;
  int64_t trial = 0;
  Json document;
  fs::path weights;
};

Trained find_model(const Call& call, const std::string& word) {
  const StudyPlace place = find_study(word, studies_folder(call));
  const auto store = open_store(place.folder);
  std::optional<TrialRecord> trial;
  if (place.trial) {
    trial = store->trial(*place.trial);
    if (!trial) fail("E3003", fmt::format("'{}' has no trial {}", place.folder.string(), *place.trial));
  } else {
    trial = best_trial(store->trials(), objectives_of(*store).front().maximize);
    if (!trial) fail("E3003", fmt::format("no trial of '{}' is complete yet", place.folder.string()), "espalier resume continues it");
  }
  const auto model = model_of(*store, trial->number);
  if (!model)
    fail("E3004", fmt::format("trial {} of '{}' left no weights", trial->number, place.folder.string()),
         store->parts(trial->number).empty() ? "" : "it was trained in folds, and only the best trial is trained again on all of them");
  return {place.folder, trial->number, model->document, fs::absolute(place.folder) / model->weights};
}

Json ask(const Trained& model, const std::string& what, const Json& more, const fs::path& scratch) {
  return ask_trainer(what, model.document, model.weights.string(), more, scratch);
}

int evaluate(const Call& call) {
  const Trained model = find_model(call, call.words.empty() ? "latest" : call.words[0]);
  const std::string split = split_wanted(call);
  const TemporaryFolder scratch;
  const Json done = ask(model, "evaluate", {{"split", split}}, scratch.path());
  if (call.json()) {
    print_json({{"study", model.study.string()}, {"trial", model.trial}, {"split", split}, {"scores", done}});
    return 0;
  }
  fmt::print("trial {} of {} on the {} split, {} samples\n", model.trial, model.study.string(), split, done.value("rows", Json(0)).dump());
  Json scores = {{"test", done}};
  if (done.contains("baseline")) scores["baseline"] = done["baseline"];
  fmt::print("{}", render(score_table(scores), terminal_width(stdout)));
  print_details(done, model.document);
  return 0;
}

/// Class and probability, or the number, of every head in one record.
Json answers_of(const Json& record, const Json& document) {
  Json out = Json::object();
  const Json network = document.value("network", Json::object());
  const Json heads = record.value("heads", Json::object());  // outlives the loop
  for (const auto& [head, value] : heads.items()) {
    if (value.contains("number")) {
      out[head] = {{"number", value["number"]}};
      continue;
    }
    Json names = Json::array();
    for (const Json& output : network.value("outputs", Json::array()))
      if (output.value("head", "") == head) names = output.value("decode", Json::object()).value("names", Json::array());
    const auto probabilities = value.value("probabilities", std::vector<double>{});
    if (probabilities.empty()) continue;
    const auto best = static_cast<size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
    out[head] = {{"class", best < names.size() ? names[best] : Json(best)}, {"probability", probabilities[best]},
                 {"probabilities", probabilities}};
  }
  return out;
}

Json read_predictions(const Json& done) {
  std::ifstream in(done.value("file", ""));
  const Json document = Json::parse(in, nullptr, false);
  if (!document.is_object() || !document.contains("predictions")) fail("E4011", "the trainer wrote no predictions");
  return document["predictions"];
}

void print_predictions(const Json& all) {
  Table table{.headers = {"sample"}};
  if (!all.empty())
    for (const auto& [head, answer] : all.front()["answers"].items()) {
      table.headers.push_back(head);
      if (answer.contains("class")) table.headers.emplace_back("probability");
    }
  for (const Json& record : all) {
    std::vector<std::string> row = {format_value(record["sample"])};
    for (const auto& [head, answer] : record["answers"].items()) {
      row.push_back(format_value(answer.contains("class") ? answer["class"] : answer["number"]));
      if (answer.contains("class")) row.push_back(fmt::format("{:.3f}", answer["probability"].get<double>()));
    }
    table.rows.push_back(std::move(row));
  }
  fmt::print("{}", render(table, isatty(STDOUT_FILENO) != 0 ? terminal_width(stdout) : kUncut));
}

/// How many samples at most; nothing was asked: none of them is left out.
std::optional<size_t> rows_wanted(const Call& call) {
  if (!call.has("rows")) return std::nullopt;
  const std::string text = call.value("rows");
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
    fail("E0002", fmt::format("--rows takes a count, not '{}'", text));
  return std::stoull(text);
}

/// The first rows of a split that the model's document names.
std::vector<int64_t> rows_of(const Json& document, const std::string& split, size_t most) {
  const Splits splits = read_splits(document.at("data").at("splits").get<std::string>());
  std::vector<int64_t> rows = split == "train" ? splits.train : split == "validation" ? splits.validation : splits.test;
  rows.resize(std::min(most, rows.size()));
  return rows;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

void print_csv(const Json& all) {
  std::vector<std::string> heads;
  if (!all.empty())
    for (const auto& [head, answer] : all.front()["answers"].items()) heads.push_back(head);
  std::string line = "sample";
  for (const std::string& head : heads)
    line += "," + csv_cell(head) + (all.front()["answers"][head].contains("class") ? "," + csv_cell(head + " probability") : "");
  fmt::print("{}\n", line);
  for (const Json& record : all) {
    line = csv_cell(format_value(record["sample"]));
    for (const std::string& head : heads) {
      const Json& answer = record["answers"][head];
      line += "," + csv_cell(answer.contains("class") ? format_value(answer["class"]) : answer["number"].dump());
      if (answer.contains("class")) line += fmt::format(",{:.6g}", answer["probability"].get<double>());
    }
    fmt::print("{}\n", line);
  }
}

int predict(const Call& call) {
  std::vector<std::string> files = call.words;
  std::string study = call.value("study", "latest");
  std::error_code error;
  if (!call.has("study") && !files.empty() && !fs::is_regular_file(files[0], error)) {
    study = files[0];
    files.erase(files.begin());
  }
  const std::optional<size_t> wanted = rows_wanted(call);
  const Trained model = find_model(call, study);
  const TemporaryFolder scratch;
  Json more;
  if (files.empty()) {
    const std::string split = split_wanted(call);
    more["split"] = split;
    if (wanted) more["rows"] = rows_of(model.document, split, *wanted);
  } else {
    const Registry registry = scan_registry(call);
    more = {{"pictures", write_pictures(files, model.document.at("network"), registry, scratch.path())}};
  }
  const Json predictions = read_predictions(ask(model, "predict", more, scratch.path()));
  Json out = Json::array();
  for (size_t i = 0; i < std::min(wanted.value_or(predictions.size()), predictions.size()); ++i) {
    const Json& record = predictions[i];
    const Json name = files.empty() ? record.value("origin", record["row"]) : Json(files.at(i));
    out.push_back({{"sample", name}, {"row", record["row"]}, {"answers", answers_of(record, model.document)}});
  }
  if (call.json())
    print_json({{"study", model.study.string()}, {"trial", model.trial}, {"predictions", out}});
  else if (call.has("csv"))
    print_csv(out);
  else
    print_predictions(out);
  return 0;
}

}  // namespace

std::vector<Verb> predict_verbs() {
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  const Flag split{"split", "train, validation or test (test)", "SPLIT"};
  return {
      {"evaluate", "scores a trial's model on a split", "[STUDY | STUDY/TRIAL]", "espalier evaluate latest --split test",
       {studies, split}, evaluate},
      {"predict", "classes with probabilities, or numbers, of picture files or of a split", "[STUDY | STUDY/TRIAL] [FILE ...]",
       "espalier predict latest cat.jpg dog.png",
       {studies, split, {"study", "the study, where FILE could be taken for one (latest)", "STUDY"},
        {"rows", "at most as many samples", "COUNT"}, {"csv", "lines of comma-separated values"}}, predict},
  };
}

}  // namespace espalier::cli
