#include "espalier/report/samples.h"

#include "espalier/report/gather.h"

#include <algorithm>

namespace espalier::report {

namespace fs = std::filesystem;

namespace {

constexpr size_t kSamples = 36;

/// How a head's output is read: {"kind", "names", ...}.
Json decode_of(const Json& trial_document, const std::string& head) {
  const Json network = trial_document.value("network", Json::object());
  for (const Json& output : network.value("outputs", Json::array()))
    if (output.value("head", "") == head) return output.value("decode", Json::object());
  return Json::object();
}

std::string column_of(const Json& trial_document, const std::string& head) {
  const Json data = trial_document.value("data", Json::object());
  const Json targets = data.value("targets", Json::object());
  return targets.contains(head) && targets[head].is_string() ? targets[head].get<std::string>() : head;
}

Json truth_of(const CacheOfTrial& cache, const std::string& column, int64_t row) {
  if (!cache.prepared || row < 0 || row >= cache.prepared->rows()) return nullptr;
  for (const ColumnView& view : cache.prepared->columns()) {
    if (view.name != column || view.values == nullptr) continue;
    if (view.kind == ColumnKind::class_label && view.type == "int64") {
      const int64_t label = view.as<int64_t>()[row];
      return label >= 0 && label < static_cast<int64_t>(view.names.size()) ? Json(view.names[static_cast<size_t>(label)]) : Json();
    }
    if (view.kind == ColumnKind::number && view.type == "float32") return view.as<float>()[row];
  }
  return nullptr;
}

/// {"head", "predicted", "probability", "true", "right"} of one head for one row.
Json answer_of(const Json& trial_document, const CacheOfTrial& cache, const std::string& head, const Json& value, int64_t row) {
  Json out = {{"head", head}, {"true", truth_of(cache, column_of(trial_document, head), row)}};
  if (value.contains("number")) {
    out["predicted"] = value["number"];
    return out;
  }
  const Json probabilities = value.value("probabilities", Json::array());
  if (probabilities.empty()) return out;
  const auto best =
      std::max_element(probabilities.begin(), probabilities.end(), [](const Json& a, const Json& b) { return a.get<double>() < b.get<double>(); });
  const auto index = static_cast<size_t>(best - probabilities.begin());
  const Json names = decode_of(trial_document, head).value("names", Json::array());
  out["predicted"] = index < names.size() ? names[index] : Json(index);
  out["probability"] = *best;
  if (!out["true"].is_null()) out["right"] = out["predicted"] == out["true"];
  return out;
}

const ColumnView* image_of(const CacheOfTrial& cache) {
  if (!cache.prepared) return nullptr;
  for (const ColumnView& view : cache.prepared->columns())
    if (view.kind == ColumnKind::image && view.values != nullptr && view.shape.size() == 3) return &view;
  return nullptr;
}

}  // namespace

Json samples_of(const fs::path& best, const Json& trial_document) {
  Json answer = read_json(best / "samples.json");
  if (!answer.is_object() || !answer.contains("predictions")) answer = read_json(best / "predict" / "predictions.json");
  if (!answer.is_object() || !answer.contains("predictions") || !trial_document.is_object()) return Json::array();
  const Json& all = answer["predictions"];
  const CacheOfTrial cache = open_cache(trial_document);
  const ColumnView* image = image_of(cache);
  Json out = Json::array();
  const size_t count = std::min(kSamples, all.size());
  for (size_t i = 0; i < count; ++i) {
    // Spread evenly over what was predicted: the same samples in every report, and none chosen for its looks.
    const Json& record = all[i * all.size() / count];
    const int64_t row = record.value("row", int64_t{-1});
    Json sample = {{"row", row}, {"origin", record.value("origin", "")}, {"answers", Json::array()}};
    if (image != nullptr && row >= 0 && row < cache.prepared->rows()) sample["picture"] = picture_of(*image, row);
    const Json heads = record.value("heads", Json::object());
    for (const auto& [head, value] : heads.items())
      sample["answers"].push_back(answer_of(trial_document, cache, head, value, row));
    out.push_back(std::move(sample));
  }
  return out;
}

Json features_of(const fs::path& best, const Json& trial_document) {
  Json answer = read_json(best / "features.json");
  if (!answer.is_object() || !answer.contains("filters")) answer = read_json(best / "features" / "features.json");
  if (!answer.is_object() || !trial_document.is_object()) return nullptr;
  const CacheOfTrial cache = open_cache(trial_document);
  const ColumnView* image = image_of(cache);
  const int64_t row = answer.value("row", int64_t{-1});
  if (image != nullptr && row >= 0 && row < cache.prepared->rows()) answer["picture"] = picture_of(*image, row);
  return answer;
}

}  // namespace espalier::report
