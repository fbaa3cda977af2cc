#include "espalier/cli/places.h"
#include "espalier/cli/terminal.h"
#include "espalier/pipeline/train_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

std::string type_name(Type type) {
  switch (type) {
    case Type::integer: return "integer";
    case Type::number: return "number";
    case Type::boolean: return "boolean";
    case Type::word: return "word";
    case Type::choice: return "choice";
    case Type::list: return "list";
  }
  return "value";
}

std::string describe_domain(const SettingType& setting) {
  const Domain& domain = setting.domain;
  std::vector<std::string> words;
  if (setting.type == Type::choice) return setting.options.empty() ? "any " + setting.kind : join(setting.options);
  if (setting.type == Type::list && !setting.item.empty()) return "items: " + describe_domain(setting.item.front());
  for (const Json& choice : domain.choices) words.push_back(format_value(choice));
  if (!words.empty()) return join(words);
  if (!domain.from || !domain.to) return "-";
  return fmt::format("{} to {}{}{}", format_number(*domain.from), format_number(*domain.to), domain.log ? ", log" : "",
                     domain.step ? ", step " + format_number(*domain.step) : "");
}

/// What is legal: declared bounds, else as far as the domain reaches.
std::string describe_bounds(const SettingType& setting) {
  if (setting.type == Type::list && !setting.item.empty()) return describe_bounds(setting.item.front());
  std::optional<double> least = setting.domain.from;
  std::optional<double> most = setting.domain.to;
  for (const Json& choice : setting.domain.choices) {
    if (!choice.is_number()) return "-";
    least = std::min(least.value_or(choice.get<double>()), choice.get<double>());
    most = std::max(most.value_or(choice.get<double>()), choice.get<double>());
  }
  if (setting.domain.least) least = setting.domain.least;
  if (setting.domain.most) most = setting.domain.most;
  if (!least && !most) return "-";
  return fmt::format("{} to {}", least ? format_number(*least) : "-", most ? format_number(*most) : "-");
}

std::string describe_fallback(const SettingType& setting) {
  if (setting.fallback.is_null()) return "-";
  // {"resnet": {}} is said as resnet.
  if (setting.fallback.is_object() && setting.fallback.size() == 1 && setting.fallback.begin().value().empty())
    return setting.fallback.begin().key();
  return format_value(setting.fallback);
}

Json to_json(const Declaration& declaration) {
  Json out = Json::array();
  for (const SettingType& s : declaration) {
    Json domain = {{"choices", s.domain.choices}, {"log", s.domain.log}};
    const auto put = [&](const char* name, const std::optional<double>& value) {
      if (value) domain[name] = *value;
    };
    put("from", s.domain.from), put("to", s.domain.to), put("step", s.domain.step);
    put("least", s.domain.least), put("most", s.domain.most);
    out.push_back({{"name", s.name}, {"type", type_name(s.type)}, {"default", s.fallback}, {"domain", domain},
                   {"doc", s.doc}, {"options", s.options}, {"kind", s.kind}, {"item", to_json(s.item)}});
  }
  return out;
}

Json to_json(const Provided& provided) {
  Json out = {{"kind", to_string(provided.kind)}, {"name", provided.name}, {"doc", provided.doc},
              {"library", provided.library.string()}, {"sha256", provided.library_sha256},
              {"settings", to_json(provided.declaration)}};
  if (provided.kind == PluginKind::reader) out["version"] = provided.version;
  if (provided.kind == PluginKind::head) {
    out["accepts"] = Json::array();
    for (const ColumnKind kind : provided.accepts) out["accepts"].push_back(to_string(kind));
  }
  return out;
}

/// Cuts text into lines of at most `width` columns, at spaces.
std::vector<std::string> wrapped(const std::string& text, int width) {
  std::vector<std::string> out = {""};
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!out.back().empty() && display_width(out.back()) + 1 + display_width(word) > width) out.emplace_back();
    out.back() += (out.back().empty() ? "" : " ") + word;
  }
  return out;
}

void print_settings(const Declaration& declaration) {
  if (declaration.empty()) {
    fmt::print("\nit has no settings\n");
    return;
  }
  Table table{.headers = {"setting", "type", "default", "searched", "bounds"}};
  for (const SettingType& s : declaration)
    table.rows.push_back({s.name, type_name(s.type), describe_fallback(s), describe_domain(s), describe_bounds(s)});
  const int width = terminal_width(stdout);
  std::istringstream lines(render(table, width));
  std::string line;
  std::getline(lines, line);
  fmt::print("\n{}\n", line);
  for (const SettingType& s : declaration) {
    if (std::getline(lines, line)) fmt::print("{}\n", line);
    for (const std::string& part : wrapped(s.doc, width - 4)) fmt::print("    {}\n", part);
  }
}

/// What each name of a choice declares; blocks are inspected by themselves.
void print_options(const SettingType& setting, const Catalogue& catalogue) {
  if (setting.type != Type::choice || setting.kind == "block") return;
  for (const std::string& name : catalogue.names(setting.kind)) {
    const Declaration& declaration = *catalogue.find(setting.kind, name);
    if (declaration.empty()) continue;
    fmt::print("\n{} {}:", setting.kind, name);
    print_settings(declaration);
  }
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

int inspect(const Call& call) {
  const Registry registry = scan_registry(call);
  if (call.words.empty()) {
    Json all = Json::array();
    std::string heading;
    constexpr int kKindWidth = 9;  // of "scheduler"
    int names = 0;
    Table table{.headers = {"kind", "name", "what it is"}};
    for (const Provided& provided : registry.provided()) {
      all.push_back({{"kind", to_string(provided.kind)}, {"name", provided.name}, {"doc", provided.doc}});
      names = std::max(names, display_width(provided.name));
    }
    const int room = terminal_width(stdout) - kKindWidth - names - 4;
    for (const Provided& provided : registry.provided()) {
      std::string kind = to_string(provided.kind);
      std::string name = provided.name;
      if (kind == heading) kind.clear();
      else heading = kind;
      for (const std::string& part : wrapped(provided.doc, room)) {
        table.rows.push_back({kind, name, part});
        kind.clear(), name.clear();
      }
    }
    if (call.json())
      print_json({{"plugins", all}});
    else
      fmt::print("{}", render(table, terminal_width(stdout)));
    print_refused(registry);
    return 0;
  }
  const std::string& name = call.words[0];
  const Catalogue catalogue(registry);
  Json found = Json::array();
  std::vector<std::string> names;
  for (const Provided& provided : registry.provided()) {
    names.push_back(provided.name);
    if (provided.name != name && to_string(provided.kind) + "." + provided.name != name) continue;
    if (!call.json()) {
      if (!found.empty()) fmt::print("\n");
      print_provided(provided, catalogue);
    }
    found.push_back(to_json(provided));
  }
  if (found.empty()) {
    const std::string near = nearest(name, names);
    throw Error(Problem{.code = "E0304", .message = fmt::format("nothing installed is called '{}'", name),
                        .hint = did_you_mean(near),
                        .notes = {"installed: " + join(names)}});
  }
  if (call.json()) print_json({{"plugins", found}});
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
      {"inspect", "what is installed; by name its settings, defaults and bounds", "[NAME]", "espalier inspect resnet", {}, inspect},
      {"plugin ls", "plugin libraries, what they provide, and what is not usable", "", "espalier plugin ls", {}, plugin_ls},
      {"plugin check", "says whether a library is a sound plugin", "FILE", "espalier plugin check build/lib/mine.so", {}, plugin_check},
  };
}

}  // namespace espalier::cli
