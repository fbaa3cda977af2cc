#include "espalier/cli/declarations.h"
#include "espalier/cli/places.h"
#include "espalier/cli/terminal.h"
#include "espalier/network/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

Json to_json(const Provided& provided) {
  Json out = {{"kind", to_string(provided.kind)}, {"name", provided.name}, {"doc", provided.doc},
              {"library", provided.library.string()}, {"sha256", provided.library_sha256},
              {"settings", settings_json(provided.declaration)}};
  if (provided.kind == PluginKind::reader) out["version"] = provided.version;
  if (provided.kind == PluginKind::head) {
    out["accepts"] = Json::array();
    for (const ColumnKind kind : provided.accepts) out["accepts"].push_back(to_string(kind));
  }
  return out;
}

void print_provided(const Provided& provided, const Catalogue& catalogue) {
  fmt::print("{} {}: {}\n", to_string(provided.kind), provided.name, provided.doc);
  if (provided.kind == PluginKind::block)
    fmt::print("inputs: {}\n", provided.inputs_max == 1 ? "one" : fmt::format("{} or more", provided.inputs_min));
  if (provided.kind == PluginKind::head) {
    std::vector<std::string> kinds;
    for (const ColumnKind kind : provided.accepts) kinds.push_back(to_string(kind));
    fmt::print("for columns of kind: {}\n", join(kinds));
  }
  fmt::print("library: {}\n", provided.library.string());
  print_settings(provided.declaration);
  for (const SettingType& setting : provided.declaration) print_options(setting, catalogue);
}

void print_refused(const Registry& registry) {
  for (const Refused& refused : registry.refused())
    fmt::print(stderr, "not usable: {}\n{}", refused.library.string(), espalier::render(refused.problem, wants_colour(stderr)));
}

/// What no plugin gives: optimizers, schedules, losses, ..., by their names, and what sections of a pipeline take.
struct BuiltIn {
  std::string kind;
  std::string name;
  const Declaration* declaration;
};

std::vector<BuiltIn> built_in(const Catalogue& catalogue) {
  std::vector<BuiltIn> all = {{"section", "block", &common_block_settings()}, {"section", "freeze", &freeze_declaration()},
                              {"section", "groups", &group_declaration()},   {"section", "head", &common_head_settings()},
                              {"section", "scale", &scale_declaration()},    {"section", "train", &train_declaration()}};
  for (const std::string& kind : catalogue.kinds()) {
    for (const std::string& name : catalogue.names(kind)) {
      const auto is_it = [&](const Provided& provided) { return to_string(provided.kind) == kind && provided.name == name; };
      if (std::ranges::none_of(catalogue.registry().provided(), is_it)) all.push_back({kind, name, catalogue.find(kind, name)});
    }
  }
  return all;
}

Json to_json(const BuiltIn& entry) { return {{"kind", entry.kind}, {"name", entry.name}, {"settings", settings_json(*entry.declaration)}}; }

std::string settings_of(const BuiltIn& entry) {
  std::vector<std::string> names;
  for (const SettingType& setting : *entry.declaration) names.push_back(setting.name);
  return names.empty() ? "takes nothing" : "takes " + join(names);
}

struct Listed {
  std::string kind;
  std::string name;
  std::string text;
};

/// A line each; a kind is told once, and texts wrap.
void print_listed(const std::vector<Listed>& lines) {
  const auto widest = [&](std::string Listed::* part) {
    int width = 0;
    for (const Listed& line : lines) width = std::max(width, display_width(line.*part));
    return width;
  };
  const int width = terminal_width(stdout);
  const int room = width - widest(&Listed::kind) - widest(&Listed::name) - 4;
  Table table{.headers = {"kind", "name", "what it is"}};
  std::string heading;
  for (const Listed& line : lines) {
    std::string kind = line.kind == heading ? "" : line.kind;
    std::string name = line.name;
    heading = line.kind;
    for (const std::string& part : wrapped(line.text, room)) {
      table.rows.push_back({kind, name, part});
      kind.clear(), name.clear();
    }
  }
  fmt::print("{}", render(table, width));
}

Json to_json(const Metric& metric) {
  return {{"kind", "metric"}, {"name", metric.name}, {"doc", metric.doc}, {"maximize", metric.maximize}, {"answers", metric.kinds}};
}

/// Of which answers it is, after what it is.
std::string text_of(const Metric& metric) {
  static const std::map<std::string, std::string> kAnswers = {{"class", "classes"}, {"classes", "several labels"}, {"number", "numbers"}};
  std::vector<std::string> kinds;
  for (const std::string& kind : metric.kinds) kinds.push_back(kAnswers.at(kind));
  return fmt::format("{} (of {}; {} is better)", metric.doc, join(kinds), metric.maximize ? "more" : "less");
}

int list_all(const Call& call, const Catalogue& catalogue) {
  const Registry& registry = catalogue.registry();
  Json plugins = Json::array();
  Json own = Json::array();
  std::vector<Listed> lines;
  for (const Provided& provided : registry.provided()) {
    plugins.push_back({{"kind", to_string(provided.kind)}, {"name", provided.name}, {"doc", provided.doc}});
    lines.push_back({to_string(provided.kind), provided.name, provided.doc});
  }
  for (const BuiltIn& entry : built_in(catalogue)) {
    own.push_back(to_json(entry));
    lines.push_back({entry.kind, entry.name, settings_of(entry)});
  }
  for (const Metric& metric : metrics()) {
    own.push_back(to_json(metric));
    lines.push_back({"metric", metric.name, text_of(metric)});
  }
  if (call.json()) print_json({{"plugins", plugins}, {"built_in", own}});
  else print_listed(lines);
  print_refused(registry);
  return 0;
}

int inspect(const Call& call) {
  const Registry registry = scan_registry(call);
  const Catalogue catalogue(registry);
  if (call.words.empty()) return list_all(call, catalogue);
  const std::string& asked = call.words[0];
  const auto is_meant = [&](const std::string& kind, const std::string& name) {
    return asked == name || asked == kind + "." + name;
  };
  Json plugins = Json::array();
  Json own = Json::array();
  std::set<std::string> names;
  const auto print = [&](const auto& what) {
    if (call.json()) return;
    if (plugins.size() + own.size() > 0) fmt::print("\n");
    what();
  };
  for (const Provided& provided : registry.provided()) {
    names.insert(provided.name);
    if (!is_meant(to_string(provided.kind), provided.name)) continue;
    print([&] { print_provided(provided, catalogue); });
    plugins.push_back(to_json(provided));
  }
  for (const BuiltIn& entry : built_in(catalogue)) {
    names.insert(entry.name);
    if (!is_meant(entry.kind, entry.name) && asked != entry.kind) continue;
    print([&] {
      fmt::print("{} {}\n", entry.kind, entry.name);
      print_settings(*entry.declaration);
    });
    own.push_back(to_json(entry));
  }
  for (const Metric& metric : metrics()) {
    names.insert(metric.name);
    if (!is_meant("metric", metric.name) && asked != "metric" && find_metric(asked) != &metric) continue;
    print([&] {
      const std::string text = fmt::format("metric {}: {}", metric.name, text_of(metric));
      for (const std::string& line : wrapped(text, terminal_width(stdout))) fmt::print("{}\n", line);
    });
    own.push_back(to_json(metric));
  }
  if (plugins.empty() && own.empty()) {
    const std::vector<std::string> known(names.begin(), names.end());
    throw Error(Problem{.code = "E0304", .message = fmt::format("nothing is called '{}'", asked),
                        .hint = did_you_mean(nearest(asked, known)), .notes = {"`espalier inspect` lists all names"}});
  }
  if (call.json()) print_json({{"plugins", plugins}, {"built_in", own}});
  return 0;
}

int plugin_ls(const Call& call) {
  const Registry registry = scan_registry(call);
  std::map<std::string, std::vector<std::string>> libraries;
  Json out = Json::array();
  for (const Provided& provided : registry.provided())
    libraries[provided.library.string()].push_back(to_string(provided.kind) + " " + provided.name);
  for (const auto& [library, names] : libraries) out.push_back({{"library", library}, {"provides", names}});
  Json refused = Json::array();
  for (const Refused& entry : registry.refused())
    refused.push_back({{"library", entry.library.string()}, {"code", entry.problem.code}, {"message", entry.problem.message}});
  if (call.json()) {
    print_json({{"libraries", out}, {"refused", refused}});
    return 0;
  }
  Table table{.headers = {"library", "provides"}};
  for (const auto& [library, names] : libraries) table.rows.push_back({fs::path(library).filename().string(), join(names)});
  fmt::print("{}", render(table, terminal_width(stdout)));
  print_refused(registry);
  return 0;
}

int plugin_check(const Call& call) {
  const fs::path file = call.word(0, "the plugin's file");
  std::error_code error;
  if (!fs::is_regular_file(file, error)) fail("E1001", fmt::format("there is no file '{}'", file.string()));
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const Registry registry = Registry::scan({folder});
  const auto same = [&](const fs::path& library) { return fs::equivalent(library, file, error); };
  std::vector<Problem> problems;
  for (const Refused& refused : registry.refused())
    if (same(refused.library)) problems.push_back(refused.problem);
  if (!problems.empty()) throw Error(problems);
  Json provided = Json::array();
  for (const Provided& entry : registry.provided()) {
    if (!same(entry.library)) continue;
    provided.push_back(to_json(entry));
    if (!call.json()) fmt::print("{} {}: {} settings\n", to_string(entry.kind), entry.name, entry.declaration.size());
  }
  if (provided.empty()) fail("E1001", fmt::format("'{}' is no plugin: it provides nothing", file.string()));
  if (call.json()) print_json({{"library", file.string()}, {"provides", provided}, {"errors", Json::array()}});
  return 0;
}

}  // namespace

std::vector<Verb> plugin_verbs() {
  return {
      {"inspect", "all that a pipeline can name; by name its settings, defaults and bounds", "[NAME]", "espalier inspect resnet", {}, inspect},
      {"plugin ls", "plugin libraries, what they provide, and what is not usable", "", "espalier plugin ls", {}, plugin_ls},
      {"plugin check", "says whether a library is a sound plugin", "FILE", "espalier plugin check build/lib/mine.so", {}, plugin_check},
  };
}

}  // namespace espalier::cli
