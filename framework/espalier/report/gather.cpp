#include "espalier/report/gather.h"

#include "espalier/data/processor.h"
#include "espalier/error.h"
#include "espalier/importance/from_store.h"
#include "espalier/network/analysis.h"
#include "espalier/report/samples.h"
#include "espalier/store/best.h"
#include "espalier/store/front.h"

#include <fmt/format.h>

#include <sys/utsname.h>

#include <fstream>
#include <optional>
#include <thread>

namespace espalier::report {

namespace fs = std::filesystem;

namespace {

Json curve_of(const Store& store, int64_t trial, const std::string& part) {
  Json curve = Json::array();
  for (const EpochRecord& epoch : store.epochs(trial, part)) curve.push_back({{"epoch", epoch.epoch}, {"metrics", epoch.metrics}});
  return curve;
}

Json trial_of(const Store& store, const TrialRecord& trial) {
  Json curve = curve_of(store, trial.number, "");
  Json parts = Json::array();
  for (const TrialRecord& part : store.parts(trial.number))
    parts.push_back({{"part", part.part}, {"state", to_string(part.state)}, {"objective", part.objective ? Json(*part.objective) : Json()},
                     {"epochs", part.epochs}, {"seconds", part.seconds}, {"attempts", part.attempts}});
  // A trial of several trainings is drawn by its first one.
  if (curve.empty() && !parts.empty()) curve = curve_of(store, trial.number, parts.front()["part"].get<std::string>());
  return {{"number", trial.number}, {"settings", trial.settings}, {"reason", trial.reason}, {"state", to_string(trial.state)},
          {"cause", trial.cause}, {"message", trial.message}, {"scores", trial.scores},
          {"objective", trial.objective ? Json(*trial.objective) : Json()}, {"epochs", trial.epochs},
          {"seconds", trial.seconds}, {"started", trial.started}, {"ended", trial.ended}, {"attempts", trial.attempts},
          {"curve", std::move(curve)}, {"parts", std::move(parts)}};
}

/// Who ran what when.
Json attempts_of(const Store& store) {
  Json out = Json::array();
  for (const AttemptRecord& one : store.attempts())
    out.push_back({{"trial", one.trial}, {"part", one.part}, {"owner", one.owner}, {"started", one.started}, {"ended", one.ended},
                   {"outcome", one.outcome}});
  return out;
}

/// What the scheduler decided, and what came of it.
Json decisions_of(const Store& store) {
  Json out = Json::array();
  for (const Decision& one : store.decisions())
    out.push_back({{"trial", one.trial}, {"until", one.until}, {"reason", one.reason}, {"ended", one.ended >= 0}, {"state", to_string(one.state)},
                   {"epochs", one.epochs}, {"objective", one.objective ? Json(*one.objective) : Json()}});
  return out;
}

/// {"metric", "maximize"} of the first objective, with the rest as "others", as the study keeps it, else from a trial document.
Json objective_of(const Store& store, const Json& document) {
  if (const auto kept = store.info("objective"); kept && kept->is_object()) return *kept;
  const Json said = document.is_object() ? document.value("objective", Json::object()) : Json::object();
  for (const char* key : {"maximize", "minimize"})
    if (said.contains(key)) return {{"metric", said[key]}, {"maximize", std::string(key) == "maximize"}};
  return {{"metric", ""}, {"maximize", true}};
}

/// Numbers of the trials on the Pareto front of several objectives; none where there is one.
Json front_of_several(const std::vector<TrialRecord>& trials, const Json& objective) {
  if (!objective.contains("others")) return Json::array();
  std::map<std::string, bool> maximize = {{objective.value("metric", ""), objective.value("maximize", true)}};
  for (const Json& other : objective["others"]) maximize[other.value("metric", "")] = other.value("maximize", true);
  return front_of(trials, maximize);
}

/// Numbers of all trials, the best first.
Json ranking_of(std::vector<TrialRecord> trials, bool maximize) {
  sort_best_first(trials, maximize);
  Json out = Json::array();
  for (const TrialRecord& trial : trials) out.push_back(trial.number);
  return out;
}

Json where_it_ran(const Json& document, const Json& lock) {
  utsname system = {};
  uname(&system);
  Json out = {{"processor", processor_name()}, {"processors", std::thread::hardware_concurrency()},
              {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)}};
  if (lock.is_object())
    for (const auto& [name, value] : lock.items())
      if (!value.is_structured()) out["lock: " + name] = value;
  if (lock.is_object() && lock.contains("machine"))
    for (const auto& [name, value] : lock["machine"].items()) out["trained with: " + name] = value;
  if (document.is_object()) {
    if (document.contains("seeds") && document["seeds"].is_object())
      for (const auto& [name, value] : document["seeds"].items()) out["seed of " + name] = value;
    if (document.contains("train") && document["train"].is_object())
      for (const char* name : {"device", "precision", "threads", "batch", "epochs"})
        if (document["train"].contains(name)) out[name] = document["train"][name];
  }
  return out;
}

Json network_of(const Json& document) {
  if (!document.is_object() || document.empty()) return nullptr;
  Json out = {{"summary", ""}, {"svg", ""}};
  try {
    const Network net = Network::from_json(document);
    const Cost total = cost(net);
    constexpr int kWidth = 96;
    out["summary"] = summary(net, kWidth);
    out["parameters"] = total.parameters;
    out["macs"] = total.macs;
    out["svg"] = svg(dot(net));
  } catch (const Error&) {
    // Without graphviz the summary stands alone; an unreadable network leaves the section out.
    if (out["summary"].get<std::string>().empty()) return nullptr;
  }
  return out;
}

/// The first lines of a pipeline that are comments.
std::string opening_comment(const std::string& text) {
  std::string out;
  size_t at = 0;
  while (at < text.size() && text[at] == '#' && out.size() < 400) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at + 1, end - at - 1);
    if (line.rfind(" Run:", 0) == 0) break;
    out += (out.empty() && !line.empty() ? line.substr(1) : line);
    at = end + 1;
  }
  return out;
}

/// Name of the data set in a resolved pipeline written as YAML: the value after "dataset:".
std::string dataset_name(const std::string& resolved) {
  const size_t at = resolved.find("dataset:");
  if (at == std::string::npos) return "";
  const std::string rest = resolved.substr(at + 8, resolved.find_first_of("\n#,}", at) - at - 8);
  const size_t begin = rest.find_first_not_of(" \"");
  return begin == std::string::npos ? "" : rest.substr(begin, rest.find_last_not_of(" \"") - begin + 1);
}

Json seed_of(const std::string& resolved) {
  const size_t at = resolved.rfind("\nseed:");
  return at == std::string::npos ? Json() : Json(std::strtoll(resolved.c_str() + at + 6, nullptr, 10));
}

}  // namespace

Json gather(const fs::path& study) {
  std::error_code error;
  if (!has_study(study)) fail("E3031", fmt::format("'{}' holds no study", study.string()));
  const auto store = open_store(study);
  const std::vector<TrialRecord> trials = store->trials();
  const Json first = trials.empty() ? Json::object() : store->document(trials.front().number);
  const Json objective = objective_of(*store, first);
  const auto best = best_trial(trials, objective.value("maximize", true));
  const Json document = best ? store->document(best->number) : first;
  const Json lock = read_json(study / "lock.json");
  const std::string pipeline = read_text(study / "pipeline.yaml");
  const std::string resolved = read_text(study / "resolved.yaml");
  const auto name = store->info("name");

  Json out = {{"name", name && name->is_string() ? *name : Json(study.filename().string())},
              {"folder", study.filename().string()}, {"about", opening_comment(pipeline)},
              {"dataset_name", dataset_name(resolved.empty() ? pipeline : resolved)},
              {"seed", seed_of("\n" + resolved)}, {"objective", objective}, {"pipeline", pipeline}, {"resolved", resolved},
              {"lock", lock}, {"where", where_it_ran(document, lock)}, {"trials", Json::array()}};
  for (const TrialRecord& trial : trials) out["trials"].push_back(trial_of(*store, trial));
  out["attempts"] = attempts_of(*store);
  out["decisions"] = decisions_of(*store);
  out["best"] = best ? Json(best->number) : Json();
  out["ranking"] = ranking_of(trials, objective.value("maximize", true));
  out["front"] = front_of_several(trials, objective);
  out["importance"] = to_json(importance(trials, objective.value("maximize", true)));
  Json network = read_json(study / "best" / "network.json");
  if (network.is_null() && document.contains("network")) network = document["network"];
  out["network"] = network_of(network);
  const Json scores = read_json(study / "best" / "scores.json");
  out["scores"] = scores;
  out["data"] = gather_data(document);
  out["features"] = features_of(study / "best", document);
  out["samples"] = samples_of(study / "best", document);
  out["confusions"] = confusions_of(scores, document);
  out["residuals"] = residuals_of(scores, document);
  for (const char* table : {"by_class", "reliability", "by_range"}) out[table] = tables_of(scores, table, document);
  return out;
}

}  // namespace espalier::report
