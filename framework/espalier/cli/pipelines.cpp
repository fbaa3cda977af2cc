#include "espalier/cli/outline.h"
#include "espalier/cli/ask.h"
#include "espalier/cli/places.h"
#include "espalier/cli/profile.h"
#include "espalier/cli/studies.h"
#include "espalier/cli/terminal.h"
#include "espalier/data/files.h"
#include "espalier/network/analysis.h"
#include "espalier/pipeline/build.h"
#include "espalier/pipeline/names.h"
#include "espalier/pipeline/pretrained.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <optional>

namespace espalier::cli {

namespace {

void print_notes(const Pipeline& pipeline) {
  for (const std::string& note : pipeline.notes) fmt::print(stderr, "note: {}\n", note);
}

int check(const Call& call) {
  const Registry registry = scan_registry(call);
  const Pipeline pipeline = load(call, registry);
  if (call.json()) {
    print_json({{"errors", Json::array()}, {"pipeline", pipeline.name}, {"notes", pipeline.notes},
                {"searched", pipeline.space.axes.size()}});
    return 0;
  }
  print_notes(pipeline);
  fmt::print("{}: no mistakes; {}, {}\n", pipeline.file.string(), counted(pipeline.order.size(), "node"),
             counted(pipeline.space.axes.size(), "searched setting"));
  return 0;
}

/// "1,536", "about 2.1e+14", "infinitely many".
std::string count_in_full(double size) {
  constexpr double kReadable = 1e12;
  if (!std::isfinite(size)) return "infinitely many";
  if (size >= kReadable) return fmt::format("about {:.2g}", size);
  std::string out = fmt::format("{:.0f}", size);
  for (auto i = static_cast<int64_t>(out.size()) - 3; i > 0; i -= 3) out.insert(static_cast<size_t>(i), ",");
  return out;
}

Json size_of(double size) { return std::isfinite(size) ? Json(size) : Json("infinite"); }

/// Trials that the budget allows, from the seconds that finished trials of the same study took; nothing without history.
std::optional<double> allowed_trials(const Pipeline& pipeline, const std::filesystem::path& studies) {
  const std::vector<TrialRecord> trials = trials_if_any(study_folder(pipeline, studies));
  double seconds = 0.0;
  double finished = 0.0;
  for (const TrialRecord& trial : trials)
    if (trial.state == TrialState::complete) seconds += trial.seconds, finished += 1.0;
  if (finished == 0.0 || seconds <= 0.0 || pipeline.search.trial_seconds() <= 0.0) return std::nullopt;
  const double by_time = std::floor(pipeline.search.trial_seconds() / (seconds / finished));
  const auto by_count = static_cast<double>(pipeline.search.budget_trials);
  return by_count > 0.0 ? std::min(by_time, by_count) : by_time;
}

Json reports_of(const std::vector<Pretrained>& all) {
  Json out = Json::array();
  for (const Pretrained& one : all)
    out.push_back({{"node", one.node}, {"file", one.file.string()}, {"sha256", one.sha256}, {"loaded", one.loaded.size()}, {"report", one.report}});
  return out;
}

/// How long a training of the first settings takes here, if that was measured or is to be (`--time`).
Json time_of_training(const Call& call, const Pipeline& pipeline, const Settings& first, const Registry& registry,
                      const std::optional<Preparation>& explained) {
  const bool measures = call.has("time");
  if (!measures && (!explained || explained->built)) return {};
  const Preparation data = measures ? prepare_data(pipeline.data, readers_of(registry)) : *explained;
  const Json rows = read_json_file(std::filesystem::path(data.splits).replace_extension(".json"));
  if (!rows.is_object()) return {};
  const Json trial = trial_document(pipeline, first, registry, data, "", 0);
  const auto pace = measures ? measure_pace(pacing(), trial) : known_pace(pacing(), trial);
  if (!pace) return {};
  const Json& count = rows.at("rows");
  const Duration length = duration_of(trial.at("train"), *pace, count.value("train", int64_t{0}), count.value("validation", int64_t{0}));
  return {{"step", pace->step}, {"steps", length.steps}, {"epoch", length.epoch}, {"epochs", length.epochs}, {"training", length.all()},
          {"memory", pace->memory}};
}

int plan(const Call& call) {
  const Registry registry = scan_registry(call);
  const Pipeline pipeline = load(call, registry);
  const Settings first = first_settings(pipeline.space);
  const Network network = build_network(pipeline, first, registry);
  const std::vector<Pretrained> pretrained = find_pretrained(pipeline, first, network);
  const Cost total = cost(network);
  const double bytes = training_memory(network, train_settings(pipeline, first).at("batch").get<int64_t>());
  const auto trials = allowed_trials(pipeline, studies_folder(call, pipeline));
  // A plan without the data at hand is still a plan: what is missing is said in its place.
  Json cache = {{"known", false}};
  std::optional<Preparation> preparation;
  try {
    preparation = explain_data(pipeline.data, readers_of(registry));
    cache = {{"known", true}, {"key", preparation->key}, {"ready", !preparation->built}, {"why", preparation->reason},
             {"folder", preparation->folder.string()}};
  } catch (const Error& error) {
    cache["why"] = error.problems().front().message;
    cache["hint"] = error.problems().front().hint;
  }
  const Json time = time_of_training(call, pipeline, first, registry, preparation);
  if (call.json()) {
    Json axes = Json::array();
    for (const Axis& axis : pipeline.space.axes)
      axes.push_back({{"name", axis.name}, {"values", describe_axis(axis)}, {"parent", axis.parent}, {"parent_values", axis.parent_values}});
    print_json({{"pipeline", pipeline.name}, {"space", {{"size", size_of(pipeline.space.size())}, {"settings", axes}}},
                {"network", network.to_json()}, {"parameters", total.parameters}, {"buffers", total.buffers},
                {"macs", total.macs}, {"memory", bytes}, {"time", time}, {"cache", cache}, {"weights", reports_of(pretrained)},
                {"allowed_trials", trials ? Json(*trials) : Json()}});
    return 0;
  }
  print_notes(pipeline);
  const int width = terminal_width(stdout);
  const double size = pipeline.space.size();
  const size_t count = pipeline.space.axes.size();
  if (count == 0) fmt::print("space: nothing is searched\n");
  else fmt::print("space: {} configurations of {}\n", count_in_full(size), counted(count, "searched setting"));
  if (!pipeline.space.axes.empty()) fmt::print("{}", space_outline(pipeline.space, width));
  fmt::print("\nnetwork of the first configuration\n{}\n", summary(network, width));
  fmt::print("parameters: {} ({} more are kept, not trained)\n", total.parameters, total.buffers);
  fmt::print("multiply-adds of one sample: {}\n", format_count(static_cast<double>(total.macs)));
  fmt::print("memory of training: about {}\n", format_bytes(bytes));
  if (!time.is_null())
    fmt::print("time of training: {} epochs of {} make {}; {} steps of {:.1f} ms; {} of memory were used\n",
               format_number(time["epochs"].get<double>()), format_seconds(time["epoch"].get<double>()),
               format_seconds(time["training"].get<double>()), time["steps"].get<int64_t>(), time["step"].get<double>() * 1e3,
               format_bytes(time["memory"].get<double>()));
  else
    fmt::print("time of training: not known; --time measures some steps\n");
  for (const Pretrained& one : pretrained) {
    fmt::print("weights of {}: {} (SHA-256 {})\n", one.node, one.file.string(), one.sha256);
    for (const std::string& line : one.report) fmt::print("  {}\n", line);
  }
  if (cache["known"].get<bool>())
    fmt::print("cache: {} {}{}\n", cache["ready"].get<bool>() ? "ready," : "will be built,", cache["key"].get<std::string>(),
               cache["why"].get<std::string>().empty() ? "" : ": " + cache["why"].get<std::string>());
  else
    fmt::print("cache: {}\n", cache["why"].get<std::string>());
  if (trials) fmt::print("budget: about {} trials, from the seconds that finished trials took\n", format_number(*trials));
  return 0;
}

/// Flattens a resolved document to paths with plain values; {"tune"} counts as a value.
void flatten(const Json& value, const std::string& path, std::map<std::string, Json>& out) {
  if (value.is_object() && !value.empty() && !value.contains("tune") && !value.contains("same")) {
    for (const auto& [key, child] : value.items()) flatten(child, path.empty() ? key : path + "." + key, out);
    return;
  }
  out[path] = value;
}

int show(const Call& call) {
  const Registry registry = scan_registry(call);
  // The second word is a path where it is no override.
  Call rest = call;
  std::string wanted;
  if (rest.words.size() > 1 && rest.words[1].find('=') == std::string::npos && rest.words[1].rfind('~', 0) != 0) {
    wanted = rest.words[1];
    rest.words.erase(rest.words.begin() + 1);
  }
  const Pipeline pipeline = load(rest, registry);
  std::map<std::string, Json> all;
  flatten(pipeline.resolved, "", all);
  std::map<std::string, Json> chosen;
  std::vector<std::string> names;
  for (const auto& [path, value] : all) {
    const std::string shown = path.rfind("graph.", 0) == 0 ? path.substr(6) : path;
    names.push_back(shown.substr(0, shown.find('.')));
    const auto below = [&](const std::string& name) { return name == wanted || name.rfind(wanted + ".", 0) == 0; };
    if (wanted.empty() || below(shown) || below(path)) chosen[path] = value;
  }
  if (chosen.empty()) {
    const std::string near = nearest(wanted, names);
    fail("E0008", fmt::format("nothing is called '{}' here", wanted), did_you_mean(near));
  }
  if (call.json()) {
    Json out = Json::object();
    for (const auto& [path, value] : chosen) out[path] = {{"value", value}, {"origin", origin_of(pipeline, path)}};
    print_json({{"pipeline", pipeline.name}, {"values", out}, {"notes", pipeline.notes}});
    return 0;
  }
  print_notes(pipeline);
  const int width = terminal_width(stdout);
  std::string text = pipeline_outline(pipeline, wanted, width);
  // `trunk.depth` is trunk.vanilla.depth.
  if (text.empty())
    for (const auto& [path, value] : chosen) text += pipeline_outline(pipeline, path, width);
  fmt::print("{}", text);
  return 0;
}

void write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  require(!out.fail(), "E0009", fmt::format("'{}' cannot be written", file));
}

int graph(const Call& call) {
  const std::string format = call.value("format", "svg");
  require(format == "dot" || format == "svg", "E0002", fmt::format("--format takes dot or svg, not '{}'", format));
  const Registry registry = scan_registry(call);
  const Pipeline pipeline = load(call, registry);
  const std::string source = dot(build_network(pipeline, first_settings(pipeline.space), registry));
  const std::string picture = format == "dot" ? source : svg(source);
  const std::string file = call.value("output");
  if (!file.empty()) write_text(file, picture);
  if (call.json())
    print_json({{"pipeline", pipeline.name}, {"format", format}, {"file", file}, {"picture", file.empty() ? picture : ""}});
  else if (file.empty())
    fmt::print("{}", picture);
  else
    fmt::print("{}\n", file);
  return 0;
}

int schema(const Call& call) {
  const Registry registry = scan_registry(call);
  std::vector<std::string> datasets;
  std::error_code error;
  for (const auto& folder : dataset_paths())
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") datasets.push_back(entry.path().stem().string());
  std::sort(datasets.begin(), datasets.end());
  datasets.erase(std::unique(datasets.begin(), datasets.end()), datasets.end());
  print_json(json_schema(registry, datasets));
  return 0;
}

}  // namespace

std::vector<Verb> pipeline_verbs() {
  const std::string arguments = "PIPELINE [PATH=VALUE | ~PATH ...]";
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  return {
      {"check", "says every mistake of a pipeline, or that there is none", arguments,
       "espalier check pipelines/cifar10_classifier.yaml", {}, check},
      {"plan", "size of the space, network, cost, memory and what the cache will do", arguments,
       "espalier plan fashion_mnist_quick trunk.depth=3", {studies, {"time", "measures some steps: how long a training takes here"}}, plan},
      {"show", "every resolved value and where it came from", "PIPELINE [PATH] [PATH=VALUE | ~PATH ...]",
       "espalier show fashion_mnist_quick trunk", {}, show},
      {"graph", "picture of the network with its shapes", arguments,
       "espalier graph fashion_mnist_quick -o network.svg",
       {{"format", "dot or svg (svg)", "FORMAT"}, {"output", "writes to a file", "FILE", 'o'}}, graph},
      {"profile", "where the time of a training step goes, layer by layer", arguments, "espalier profile cifar10_fast --steps 40",
       {{"steps", "steps that are measured (20)", "N"}}, profile},
      {"schema", "JSON Schema of pipelines, made from the installed plugins", "", "espalier schema > pipeline.schema.json", {},
       schema},
  };
}

}  // namespace espalier::cli
