#include "espalier/study/ensemble.h"

#include "espalier/data/prepared.h"
#include "espalier/error.h"
#include "espalier/store/best.h"
#include "espalier/study/asking.h"
#include "espalier/study/files.h"
#include "espalier/study/winner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr double kLeastProbability = 1e-12;
/// Candidates for each member wanted: what is far from the best never helps.
constexpr size_t kCandidates = 3;

double log_loss(double probability) { return -std::log(std::max(probability, kLeastProbability)); }

double row_loss(ColumnKind kind, const double* truth, const double* predicted, int64_t width) {
  if (kind == ColumnKind::class_label) {
    if (width == 1) return log_loss(*truth > 0.5 ? predicted[0] : 1.0 - predicted[0]);
    return log_loss(predicted[std::llround(*truth)]);
  }
  double sum = 0.0;
  for (int64_t i = 0; i < width; ++i)
    sum += kind == ColumnKind::class_labels ? log_loss(truth[i] > 0.5 ? predicted[i] : 1.0 - predicted[i]) : std::pow(truth[i] - predicted[i], 2);
  return sum / static_cast<double>(width);
}

/// What is true of rows, from the cache.
RowValues truth_of(const ColumnView& column, const std::vector<int64_t>& rows) {
  RowValues out{.width = std::max<int64_t>(1, elements(column.shape)), .values = {}};
  for (const int64_t row : rows)
    for (int64_t i = 0; i < out.width; ++i) {
      const int64_t at = row * out.width + i;
      out.values.push_back(column.type == "int64"    ? static_cast<double>(column.as<int64_t>()[at])
                           : column.type == "uint8" ? static_cast<double>(column.as<uint8_t>()[at])
                                                    : static_cast<double>(column.as<float>()[at]));
    }
  return out;
}

/// What a model says of a split, in the order of its rows.
std::optional<RowValues> predictions(const Asked& model, const std::string& split) {
  const Json done = ask(model, "predict", {{"split", split}, {"rows", split}});
  if (!done.is_object()) return std::nullopt;
  std::ifstream in(done.value("file", ""));
  const Json document = Json::parse(in, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  RowValues out{.width = 0, .values = {}};
  for (const Json& record : document.at("predictions")) {
    const Json& answer = record.at("heads").begin().value();
    const Json values = answer.contains("probabilities") ? answer["probabilities"]
                        : answer["number"].is_array()    ? answer["number"]
                                                         : Json::array({answer["number"]});
    out.width = std::ssize(values);
    for (const Json& value : values) out.values.push_back(value.get<double>());
  }
  return out;
}

double accuracy(const RowValues& truth, const RowValues& predicted) {
  int64_t right = 0;
  for (int64_t row = 0; row < truth.rows(); ++row) {
    const auto from = predicted.values.begin() + row * predicted.width;
    const int64_t said = predicted.width == 1 ? static_cast<int64_t>(*from > 0.5) : std::max_element(from, from + predicted.width) - from;
    right += said == std::llround(truth.values[static_cast<size_t>(row)]) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(truth.rows());
}

Json scores_of(ColumnKind kind, const std::string& prefix, const RowValues& truth, const RowValues& predicted) {
  const double loss = mean_loss(kind, truth, predicted);
  if (kind == ColumnKind::class_label) return {{prefix + "accuracy", accuracy(truth, predicted)}, {prefix + "log_loss", loss}};
  if (kind == ColumnKind::class_labels) return {{prefix + "log_loss", loss}};
  double absolute = 0.0;
  for (size_t i = 0; i < truth.values.size(); ++i) absolute += std::abs(truth.values[i] - predicted.values[i]);
  return {{prefix + "mse", loss}, {prefix + "mae", absolute / static_cast<double>(truth.values.size())}};
}

/// One trial's model, and what it says.
struct Candidate {
  TrialRecord trial;
  Model model;
  RowValues said;
};

/// Why there can be no ensemble, or "".
std::string why_none(const Pipeline& pipeline, const Json& document, const Splits& splits) {
  if (document.at("data").value("targets", Json::object()).size() != 1) return "the network has several heads";
  if (pipeline.folds > 0) return "a trial of folds has several models";
  if (splits.validation.empty()) return "no rows are held out to choose by";
  return "";
}

class Maker {
 public:
  Maker(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, const Store& store, Observer& observer)
      : pipeline_(pipeline), options_(options), store_(store), observer_(observer), splits_(read_splits(data.splits)),
        prepared_(Prepared::open(data.folder)) {}

  Json make() {
    std::vector<TrialRecord> trials = best_first();
    if (trials.empty()) return nullptr;
    const Json document = store_.document(trials.front().number);
    if (const std::string why = why_none(pipeline_, document, splits_); !why.empty()) {
      observer_.on_note("no ensemble: " + why);
      return nullptr;
    }
    const ColumnView& column = prepared_.column(document.at("data").at("targets").begin()->get<std::string>());
    const RowValues truth = truth_of(column, splits_.validation);
    for (const TrialRecord& trial : trials) add(trial);
    if (candidates_.empty()) return nullptr;
    const std::vector<RowValues> said = all_said();
    const std::vector<int64_t> taken = choose_ensemble(column.kind, truth, said, pipeline_.search.ensemble);
    Json scores = scores_of(column.kind, "val_", truth, mean_prediction(said, taken));
    if (!splits_.test.empty()) scores.update(test_scores(column, taken));
    write(taken, scores);
    return scores;
  }

 private:
  std::vector<TrialRecord> best_first() const {
    std::vector<TrialRecord> trials = store_.trials();
    std::erase_if(trials, [](const TrialRecord& trial) { return !trial.objective || trial.state == TrialState::failed; });
    sort_best_first(trials, pipeline_.search.objective().maximize);
    trials.resize(std::min(trials.size(), kCandidates * static_cast<size_t>(pipeline_.search.ensemble)));
    return trials;
  }

  Asked asked(const Candidate& candidate) const {
    const fs::path study = fs::absolute(options_.folder);
    return {.options = options_, .document = candidate.model.document, .weights = study / candidate.model.weights,
            .folder = study / "best" / "ensemble" / std::to_string(candidate.trial.number), .observer = observer_,
            .name = fmt::format("the model of trial {}", candidate.trial.number)};
  }

  void add(const TrialRecord& trial) {
    std::optional<Model> model = model_of(store_, trial.number);
    if (!model || !fs::exists(options_.folder / model->weights)) return;
    Candidate candidate{.trial = trial, .model = std::move(*model), .said = {}};
    std::optional<RowValues> said = predictions(asked(candidate), "validation");
    if (!said || said->rows() != std::ssize(splits_.validation)) return;
    candidate.said = std::move(*said);
    candidates_.push_back(std::move(candidate));
  }

  std::vector<RowValues> all_said() const {
    std::vector<RowValues> out;
    for (const Candidate& candidate : candidates_) out.push_back(candidate.said);
    return out;
  }

  Json test_scores(const ColumnView& column, const std::vector<int64_t>& taken) const {
    std::vector<RowValues> said;
    std::vector<int64_t> counts;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (taken[i] == 0) continue;
      const auto one = predictions(asked(candidates_[i]), "test");
      if (!one) return Json::object();
      said.push_back(*one);
      counts.push_back(taken[i]);
    }
    return scores_of(column.kind, "test_", truth_of(column, splits_.test), mean_prediction(said, counts));
  }

  void write(const std::vector<int64_t>& taken, const Json& scores) const {
    Json members = Json::array();
    for (size_t i = 0; i < taken.size(); ++i)
      if (taken[i] > 0)
        members.push_back({{"trial", candidates_[i].trial.number}, {"taken", taken[i]}, {"weights", candidates_[i].model.weights}});
    write_file(options_.folder / "best" / "ensemble.json", Json{{"members", members}, {"scores", scores}}.dump(1));
    std::error_code error;
    fs::remove_all(options_.folder / "best" / "ensemble", error);
  }

  const Pipeline& pipeline_;
  const StudyOptions& options_;
  const Store& store_;
  Observer& observer_;
  Splits splits_;
  Prepared prepared_;
  std::vector<Candidate> candidates_;
};

}  // namespace

double mean_loss(ColumnKind kind, const RowValues& truth, const RowValues& predicted) {
  double sum = 0.0;
  for (int64_t row = 0; row < truth.rows(); ++row)
    sum += row_loss(kind, truth.values.data() + row * truth.width, predicted.values.data() + row * predicted.width, predicted.width);
  return sum / static_cast<double>(std::max<int64_t>(1, truth.rows()));
}

RowValues mean_prediction(const std::vector<RowValues>& models, const std::vector<int64_t>& taken) {
  RowValues out{.width = models.front().width, .values = std::vector<double>(models.front().values.size(), 0.0)};
  const auto total = static_cast<double>(std::accumulate(taken.begin(), taken.end(), int64_t{0}));
  for (size_t m = 0; m < models.size(); ++m)
    for (size_t i = 0; i < out.values.size(); ++i) out.values[i] += static_cast<double>(taken[m]) / total * models[m].values[i];
  return out;
}

std::vector<int64_t> choose_ensemble(ColumnKind kind, const RowValues& truth, const std::vector<RowValues>& models, int64_t size) {
  std::vector<int64_t> taken(models.size(), 0), best_taken;
  double best = INFINITY;
  for (int64_t step = 0; step < size; ++step) {
    size_t next = 0;
    double least = INFINITY;
    for (size_t m = 0; m < models.size(); ++m) {
      ++taken[m];
      const double loss = mean_loss(kind, truth, mean_prediction(models, taken));
      --taken[m];
      if (loss < least) least = loss, next = m;
    }
    ++taken[next];
    if (least < best) best = least, best_taken = taken;
  }
  return best_taken;
}

Json write_ensemble(const Pipeline& pipeline, const StudyOptions& options, const Preparation& data, Store& store, Observer& observer) {
  if (pipeline.search.ensemble == 0) return nullptr;
  try {
    return Maker(pipeline, options, data, store, observer).make();
  } catch (const Error& error) {
    observer.on_note("no ensemble: " + error.problems().front().message);
    return nullptr;
  }
}

}  // namespace espalier
