#include "espalier/pipeline/build.h"
#include "espalier/pipeline/measures.h"
#include "espalier/pipeline/pretrained.h"
#include "espalier/spec/expression.h"

#include <fmt/format.h>

#include <cmath>

namespace espalier {

namespace {

/// {"sgd": {...}} becomes {"name": "sgd", ...}.
Json named(const Json& choice) {
  if (!choice.is_object() || choice.empty()) return choice;
  Json out = choice.begin().value();
  out["name"] = choice.begin().key();
  return out;
}

/// `train` as the trainer reads it.
Json trainer_settings(const Json& train) {
  Json out = train;
  const Json& epochs = train.at("epochs");
  out["epochs"] = epochs.is_number() ? Json{{"count", epochs}} : epochs.begin().value();
  out["optimizer"] = named(train.at("optimizer"));
  out["schedule"] = named(train.at("schedule"));
  // A pipeline gives lengths as fractions of the training, the trainer counts epochs.
  const double length = epochs.is_number() ? epochs.get<double>() : epochs.begin().value().at("max").get<double>();
  if (out["schedule"].contains("every")) out["schedule"]["every"] = out["schedule"]["every"].get<double>() * length;
  // 0: as many threads as there are processors.
  if (!train.at("threads").is_number()) out["threads"] = 0;
  const Json groups = train.value("groups", Json::object());
  out["groups"] = Json::array();
  for (const auto& [name, group] : groups.items()) {
    out["groups"].push_back(group);
    if (group.contains("optimizer")) out["groups"].back()["optimizer"] = named(group["optimizer"]);
  }
  for (const char* key : {"average", "mix"}) {
    const Json chosen = named(train.at(key));
    out[key] = chosen.at("name") == "none" ? Json("none") : chosen;
  }
  return out;
}

/// What a training is scored by: the metric that decides, and the others that the search looks at.
Json aims(const Search& search) {
  Json out = {{"metric", search.objective().metric}, {"maximize", search.objective().maximize}};
  for (size_t i = 1; i < search.objectives.size(); ++i)
    if (find_measure(search.objectives[i].metric) == nullptr) out["others"].push_back(search.objectives[i].metric);
  return out;
}

/// True if the tuner asks what trials will take.
bool weighs_seconds(const Search& search) { return search.tuner_settings.value("per_second", false); }

/// A setting's value under these settings, or null: what constraints see.
Json value_of(const Pipeline& pipeline, const Settings& settings, const std::string& name) {
  if (const auto found = settings.find(name); found != settings.end()) return found->second;
  for (const Axis& axis : pipeline.space.axes)
    if (axis.name == name) return {};  // searched, but not chosen here
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return {};
  const std::string top = name.substr(0, dot);
  const Json* node = nullptr;
  if (top == "train" || top == "search" || top == "data") node = &pipeline.resolved.at(top);
  else if (pipeline.resolved.at("graph").contains(top)) node = &pipeline.resolved.at("graph").at(top);
  else return {};
  Json at = settled(pipeline, *node, top, settings);
  if (top != "train" && top != "search" && top != "data") {
    const std::string chosen = chosen_name(pipeline, top, settings);
    const std::string key = name.substr(dot + 1, name.find('.', dot + 1) - dot - 1);
    if (key == "block" || key == "head") return name.find('.', dot + 1) == std::string::npos ? Json(chosen) : Json();
    // Settings of a block that is not chosen are unknown; `trunk.depth` is the chosen block's.
    if (key == chosen) return value_of(pipeline, settings, top + name.substr(dot + 1 + key.size()));
    if (at.at(chosen).contains(key)) at = at.at(chosen);
    else if (pipeline.resolved.at("graph").at(top).contains(key) && at.at(key).is_object()) return {};
  }
  for (size_t start = dot + 1; start < name.size();) {
    const size_t end = std::min(name.find('.', start), name.size());
    const std::string key = name.substr(start, end - start);
    start = end + 1;
    if (at.is_array() && key.find_first_not_of("0123456789") == std::string::npos && std::stoul(key) < at.size()) at = Json(at[std::stoul(key)]);
    else if (at.is_object() && at.contains(key)) at = Json(at.at(key));
    else return {};
  }
  return at.is_object() && !at.empty() ? Json(at.begin().key()) : at;
}

/// True where a choice of the training is left out.
bool is_none(const Json& train, const char* name) {
  const Json chosen = train.value(name, Json("none"));
  return chosen == "none" || (chosen.is_object() && chosen.value("name", std::string("none")) == "none");
}

}  // namespace

Json train_settings(const Pipeline& pipeline, const Settings& settings) {
  return settled(pipeline, pipeline.resolved.at("train"), "train", settings);
}

Json trial_document(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Preparation& data,
                    const std::string& study, int64_t number) {
  const Network network = build_network(pipeline, settings, registry);
  Json inputs = Json::object();
  Json targets = Json::object();
  for (const Layer& layer : network.layers())
    if (layer.op == "input") inputs[layer.set.at("name").get<std::string>()] = layer.set.at("name");
  for (const Output& output : network.outputs()) targets[output.head] = output.target;
  Json seeds = Json::object();
  const uint64_t seed = derive_seed(derive_seed(pipeline.seed, "trial"), static_cast<uint64_t>(number));
  for (const char* stream : {"init", "order", "augment", "dropout"}) seeds[stream] = std::to_string(derive_seed(seed, stream));
  Json columns = {{"cache", data.folder.string()}, {"key", data.key}, {"splits", data.splits.string()}, {"inputs", inputs}, {"targets", targets}};
  Json train = trainer_settings(train_settings(pipeline, settings));
  // The trainer takes it from where the other columns stand.
  const std::string weight = train.value("sample_weight", std::string("none"));
  train.erase("sample_weight");
  if (weight != "none") columns["sample_weight"] = weight;
  // What views or mixing change is not the same in every epoch.
  if (pipeline.features != "never" && is_none(train, "test_views") && is_none(train, "mix"))
    columns["features"] = {
        {"folder", (data.folder.parent_path() / "features").string()}, {"quota", pipeline.feature_quota}, {"always", pipeline.features == "always"}};
  Json document = {{"format", 1},
          {"study", study},
          {"number", number},
          {"settings", Json(settings)},
          {"network", network.to_json()},
          {"data", columns},
          {"train", train},
          {"objective", aims(pipeline.search)},
          {"seeds", seeds}};
  if (const std::vector<Pretrained> pretrained = find_pretrained(pipeline, settings, network); !pretrained.empty())
    document["pretrained"] = to_document(pretrained);
  return document;
}

bool needs_prediction(const Pipeline& pipeline) {
  const auto is_predicted = [](const std::string& name) {
    const Measure* measure = find_measure(name);
    return measure != nullptr && measure->predicted != nullptr;
  };
  return weighs_seconds(pipeline.search) || std::ranges::any_of(pipeline.search.objectives, is_predicted, &Objective::metric) ||
         std::ranges::any_of(pipeline.search.constraints, [&](const std::string& text) {
           return std::ranges::any_of(names(parse_expression(text)), is_predicted);
         });
}

double predicted_seconds(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Predict& predict) {
  return predict(build_network(pipeline, settings, registry), trainer_settings(train_settings(pipeline, settings))).time;
}

bool is_feasible(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Predict& predict) {
  if (pipeline.search.constraints.empty() && pipeline.search.limit_bytes <= 0.0) return true;
  std::optional<Network> network;
  const auto measured = [&]() -> const Network& {
    if (!network) network.emplace(build_network(pipeline, settings, registry));
    return *network;
  };
  std::optional<Predicted> predicted;
  const auto batch = [&] { return train_settings(pipeline, settings).at("batch").get<int64_t>(); };
  const Lookup lookup = [&](const std::string& name) -> Json {
    const Measure* measure = find_measure(name);
    if (measure == nullptr) return value_of(pipeline, settings, name);
    if (measure->predicted == nullptr) return measure->value(measured(), batch());
    if (!predict) return {};
    if (!predicted) predicted = predict(measured(), trainer_settings(train_settings(pipeline, settings)));
    return *predicted.*measure->predicted;
  };
  try {
    if (pipeline.search.limit_bytes > 0.0 && training_memory(measured(), batch()) > pipeline.search.limit_bytes) return false;
    for (const std::string& text : pipeline.search.constraints)
      if (holds(parse_expression(text), lookup) == std::optional<bool>(false)) return false;
  } catch (const Error& error) {
    // Settings whose shapes clash cannot be trained: they are redrawn as well.
    if (error.problems().front().code == "E0320") return false;
    throw;
  }
  return true;
}

}  // namespace espalier
