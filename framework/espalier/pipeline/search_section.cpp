#include "espalier/network/metrics.h"
#include "espalier/pipeline/layer.h"
#include "espalier/pipeline/names.h"
#include "espalier/pipeline/objective.h"
#include "espalier/pipeline/scalars.h"
#include "espalier/pipeline/sections.h"
#include "espalier/spec/expression.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

/// The axis of that name; `trunk.depth` is read as `trunk.resnet.depth` where one axis fits.
const Axis* find_axis(const Space& space, const std::string& name) {
  for (const Axis& axis : space.axes)
    if (axis.name == name) return &axis;
  const size_t dot = name.find('.');
  const Axis* found = nullptr;
  if (dot == std::string::npos) return nullptr;
  for (const Axis& axis : space.axes) {
    const size_t second = axis.name.find('.', dot + 1);
    if (second == std::string::npos || axis.name.substr(0, dot) + axis.name.substr(second) != name) continue;
    if (found != nullptr) return nullptr;
    found = &axis;
  }
  return found;
}

/// `run.workers`: 1 to 1024, or auto, which is 0.
int64_t worker_count(const Tree& tree, Problems& problems) {
  constexpr int64_t kMost = 1024;
  if (tree.is_scalar() && tree.text == "auto") return 0;
  const auto count = read_scalar(Type::integer, "run.workers", tree, problems).value_or(Json(1)).get<int64_t>();
  if (count < 1 || count > kMost) problems.add("E0207", fmt::format("run.workers is {}; its bounds are 1 to {}", count, kMost), tree.place);
  return count;
}

}  // namespace

void SectionReader::search(const std::function<std::string()>& default_metric) {
  Search& search = pipeline_.search;
  Json& out = pipeline_.resolved["search"];
  out = Json::object();
  const auto named = [&](const std::string& kind, const std::string& path, std::string& name, Json& own) {
    if (const Leaf* leaf = use(path))
      if (const Selection selection = selection_of(leaf->value); selection.names.size() == 1) name = selection.names[0].first;
    const bool installed = catalogue_.registry().find(kind == "tuner" ? PluginKind::tuner : PluginKind::scheduler, name) != nullptr;
    if (name == "auto" && !installed) name = kind == "tuner" ? (catalogue_.find("tuner", "greedy") != nullptr ? "greedy" : "random") : "none";
    own = settings(kind, name, path + "." + name, nullptr);
    out[kind] = {{name, own}};
  };
  search.tuner = search.scheduler = "auto";
  named("tuner", "search.tuner", search.tuner, search.tuner_settings);
  named("scheduler", "search.scheduler", search.scheduler, search.scheduler_settings);
  if (const Leaf* leaf = use("search.objective")) search.objectives = read_objectives(leaf->value, assignments_.nodes(), problems_);
  else search.objectives.clear();
  if (search.objectives.empty()) {
    const std::string metric = default_metric();
    search.objectives = {{metric, is_maximized(metric)}};
  }
  out["objective"] = written(search.objectives);
  if (const Leaf* leaf = use("search.constraints"))
    for (const Json& text : expressions("search.constraints", leaf->value)) search.constraints.push_back(text.get<std::string>());
  out["constraints"] = search.constraints;
  if (const Leaf* leaf = use("search.limits.time"))
    search.limit_seconds = read_time_at("search.limits.time", leaf->value, problems_).value_or(0.0);
  if (const Leaf* leaf = use("search.limits.memory"))
    search.limit_bytes = read_size_at("search.limits.memory", leaf->value, problems_).value_or(0.0);
  out["limits"] = Json::object();
  if (search.limit_bytes > 0) out["limits"]["memory"] = fmt::format("{:.0f}B", search.limit_bytes);
  if (search.limit_seconds > 0) out["limits"]["time"] = fmt::format("{:g}s", search.limit_seconds);
  if (const Leaf* leaf = use("search.first")) first(leaf->value);
  out["first"] = Json::array();
  for (const Settings& settings : search.first) out["first"].push_back(Json(settings));
  search.replicates = count("search.replicates", 1).value_or(1);
  out["replicates"] = search.replicates;
  out["refit"] = false;
  if (const Leaf* leaf = use("search.refit")) refit(leaf->value);
  search.ensemble = count("search.ensemble", 0).value_or(0);
  if (search.ensemble > 0) out["ensemble"] = search.ensemble;
  std::string order = "fast";
  if (const Leaf* leaf = use("search.order"))
    if (const Selection selection = selection_of(leaf->value); selection.names.size() == 1) order = selection.names[0].first;
  search.reproducible = order == "reproducible";
  out["order"] = {{order, settings("order", order, "search.order." + order, nullptr)}};
  if (search.reproducible) search.lag = out["order"][order].value("lag", search.lag);
  check_validation();
  budget();
}

/// Folds need a refit, since none of their models is the winner; without validation nothing can be compared.
void SectionReader::check_validation() {
  const auto place = [&](const char* path) {
    const Leaf* leaf = assignments_.find(path);
    if (leaf == nullptr) leaf = assignments_.find("data.split.validation");
    return leaf != nullptr ? leaf->value.place : Place{};
  };
  if (pipeline_.folds > 0 && !pipeline_.search.refit.is_wanted)
    problems_.add("E0408", fmt::format("a trial of {} folds leaves {} models, so the winner is trained again; write search: {{refit: true}}",
                                       pipeline_.folds, pipeline_.folds), place("search.refit"));
  if (pipeline_.resolved["data"]["split"].value("validation", Json()) != "none") return;
  if (!pipeline_.space.axes.empty())
    problems_.add(
        "E0409", fmt::format("without validation nothing can be searched; the pipeline searches {}", counted(pipeline_.space.axes.size(), "setting")),
        place("data.split.validation"), "give data.split.validation a share such as 0.2");
  if (!pipeline_.resolved["train"].value("epochs", Json()).is_number())
    problems_.add("E0409", "without validation 'epochs: auto' has no score to stop by; give a number of epochs", place("train.epochs"));
  if (assignments_.find("train.score") == nullptr) pipeline_.resolved["train"]["score"] = "last";
  else if (pipeline_.resolved["train"].value("score", Json()) == "best")
    problems_.add("E0409", "without validation no epoch is the best one; write train: {score: last}", place("train.score"));
}

/// true, false, {epochs: N} or {share: F}.
void SectionReader::refit(const Tree& tree) {
  Refit& refit = pipeline_.search.refit;
  Json& out = pipeline_.resolved["search"]["refit"];
  if (tree.is_scalar() && (tree.text == "true" || tree.text == "false")) {
    refit.is_wanted = tree.text == "true";
    out = refit.is_wanted;
    return;
  }
  refit.is_wanted = true;  // so that no further mistake follows
  const bool is_single = tree.is_map() && tree.members.size() == 1;
  const std::string key = is_single ? tree.members[0].key : "";
  if (key != "epochs" && key != "share") {
    problems_.add(
        "E0202", fmt::format("search.refit takes true, false, {{epochs: N}} or {{share: FRACTION}}, not '{}'", tree.is_scalar() ? tree.text : "this"),
        tree.place);
    return;
  }
  const bool by_share = key == "share";
  const SettingType type{
      .name = key, .type = Type::number, .fallback = by_share ? 0.5 : 1.0, .domain = by_share ? legal(0.01, 0.99) : legal(1e-6, 1e6), .doc = ""};
  const Json value = plain(type, "search.refit." + key, tree.members[0].value);
  (by_share ? refit.share : refit.epochs) = value.get<double>();
  out = {{key, value}};
}

void SectionReader::first(const Tree& tree) {
  if (!tree.is_list()) return problems_.add("E0205", "search.first takes a list of maps NAME: VALUE", tree.place);
  std::vector<std::string> names;
  for (const Axis& axis : pipeline_.space.axes) names.push_back(axis.name);
  for (const Tree& item : tree.items) {
    if (!item.is_map()) {
      problems_.add("E0205", "search.first takes a list of maps NAME: VALUE", item.place);
      continue;
    }
    Settings settings;
    for (const Member& member : item.members) {
      const Axis* axis = find_axis(pipeline_.space, member.key);
      if (axis == nullptr) {
        const std::string near = nearest(member.key, names);
        problems_.add("E0212", fmt::format("'{}' is not searched", member.key), member.place,
                      near.empty() ? "" : fmt::format("did you mean '{}'?", near), {"searched are: " + join(names)});
        continue;
      }
      const Json& sample = axis->choices.empty() ? axis->first : axis->choices.front();
      const Type type = sample.is_boolean() ? Type::boolean : sample.is_number_integer() ? Type::integer
                        : sample.is_number() ? Type::number : Type::word;
      const std::optional<Json> value = read_scalar(type, axis->name, member.value, problems_);
      if (!value) continue;
      if (!holds(*axis, *value))
        problems_.add("E0212", fmt::format("{} is {}, which is not among what is searched", axis->name, show_value(*value)), member.value.place);
      else settings[axis->name] = *value;
    }
    pipeline_.search.first.push_back(complete(pipeline_.space, settings, [](const Axis& axis) { return axis.first; }));
  }
}

void SectionReader::budget() {
  Search& search = pipeline_.search;
  search.budget_trials = count("search.budget.trials", 1).value_or(0);
  if (const Leaf* leaf = use("search.budget.time"))
    search.budget_seconds = read_time_at("search.budget.time", leaf->value, problems_).value_or(0.0);
  if (const Leaf* leaf = use("search.budget.epochs")) {
    const SettingType type{.name = "epochs", .type = Type::number, .fallback = 0.0, .domain = legal(1e-6, 1e12), .doc = ""};
    search.budget_epochs = plain(type, "search.budget.epochs", leaf->value).get<double>();
  }
  Json& out = pipeline_.resolved["search"]["budget"];
  out = Json::object();
  if (search.budget_trials > 0) out["trials"] = search.budget_trials;
  if (search.budget_seconds > 0) out["time"] = fmt::format("{:g}s", search.budget_seconds);
  if (search.budget_epochs > 0) out["epochs"] = search.budget_epochs;
  if (search.refit.share > 0 && search.budget_seconds <= 0)
    problems_.add("E0425", "search.refit.share is a share of search.budget.time, which is not given", assignments_.find("search.refit")->value.place,
                  "write search: {budget: {time: 10m}}, or refit: {epochs: 10}");
  if (pipeline_.space.axes.empty() || assignments_.any_below("search.budget")) return;
  const Leaf* at = assignments_.find(pipeline_.space.axes.front().name);
  problems_.add("E0406",
                fmt::format("{} searched, but there is no budget; write search: {{budget: {{trials: 20}}}} or {{time: 10m}}",
                            counted(pipeline_.space.axes.size(), "setting") + (pipeline_.space.axes.size() == 1 ? " is" : " are")),
                at != nullptr ? at->value.place : Place{});
}

void SectionReader::run() {
  Json& out = pipeline_.resolved["run"];
  out = Json::object();
  for (const auto& [path, leaf] : assignments_.all()) {
    if (path.rfind("run.", 0) != 0) continue;
    use(path);
    Json* at = &out;
    for (size_t start = 4; start != std::string::npos;) {
      const size_t dot = path.find('.', start);
      at = &(*at)[path.substr(start, dot == std::string::npos ? dot : dot - start)];
      start = dot == std::string::npos ? dot : dot + 1;
    }
    *at = path == "run.folder" || path == "run.cache.folder" ? Json(path_at(leaf.value.text, leaf.value.place).string()) : plain_json(leaf.value);
  }
  if (const Leaf* cache = assignments_.find("run.cache.folder")) pipeline_.data.cache = path_at(cache->value.text, cache->value.place);
  if (const Leaf* workers = assignments_.find("run.workers")) pipeline_.workers = worker_count(workers->value, problems_);
  const auto one_of = [&](const char* path, const std::vector<std::string>& words, std::string& value) {
    const Leaf* leaf = assignments_.find(path);
    if (leaf == nullptr) return;
    value = leaf->value.text;
    if (std::ranges::find(words, value) != words.end()) return;
    const std::string near = nearest(value, words);
    problems_.add("E0202", fmt::format("{} takes {}, not '{}'", path, join(words), value), leaf->value.place,
                  near.empty() ? "" : fmt::format("did you mean '{}'?", near));
  };
  const auto bytes = [&](const char* path, double& value) {
    if (const Leaf* leaf = assignments_.find(path)) value = read_size_at(path, leaf->value, problems_).value_or(value);
  };
  one_of("run.cache.features", {"auto", "always", "never"}, pipeline_.features);
  bytes("run.cache.quota", pipeline_.feature_quota);
  one_of("run.keep.checkpoints", {"all", "best", "best_and_last"}, pipeline_.keep.checkpoints);
  bytes("run.keep.quota", pipeline_.keep.quota);
  if (const std::string store = out.value("store", "sqlite"); store != "sqlite") pipeline_.store = store;
  // It is written into the study's folder, where others read it.
  const size_t scheme = pipeline_.store.find("://"), at = pipeline_.store.find('@');
  const bool in_url =
      scheme != std::string::npos && at != std::string::npos && pipeline_.store.substr(scheme + 3, at - scheme - 3).find(':') != std::string::npos;
  if (in_url || pipeline_.store.find("password") != std::string::npos)
    problems_.add("E0202", "run.store holds a password, which a study would give away", assignments_.find("run.store")->value.place,
                  "leave it out and put it into ~/.pgpass or PGPASSWORD");
  if (out.empty()) pipeline_.resolved.erase("run");
}

}  // namespace espalier
