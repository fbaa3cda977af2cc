#include "espalier/cli/declarations.h"

#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

namespace espalier::cli {

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

}  // namespace

std::vector<std::string> wrapped(const std::string& text, int width) {
  std::vector<std::string> out = {""};
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!out.back().empty() && display_width(out.back()) + 1 + display_width(word) > width) out.emplace_back();
    out.back() += (out.back().empty() ? "" : " ") + word;
  }
  return out;
}

Json settings_json(const Declaration& declaration) {
  Json out = Json::array();
  for (const SettingType& s : declaration) {
    Json domain = {{"choices", s.domain.choices}, {"log", s.domain.log}};
    const auto put = [&](const char* name, const std::optional<double>& value) {
      if (value) domain[name] = *value;
    };
    put("from", s.domain.from), put("to", s.domain.to), put("step", s.domain.step);
    put("least", s.domain.least), put("most", s.domain.most);
    out.push_back({{"name", s.name}, {"type", type_name(s.type)}, {"default", s.fallback}, {"domain", domain},
                   {"doc", s.doc}, {"options", s.options}, {"kind", s.kind}, {"item", settings_json(s.item)}});
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

void print_options(const SettingType& setting, const Catalogue& catalogue) {
  if (setting.type != Type::choice || setting.kind == "block") return;
  for (const std::string& name : catalogue.names(setting.kind)) {
    const Declaration& declaration = *catalogue.find(setting.kind, name);
    if (declaration.empty()) continue;
    fmt::print("\n{} {}:", setting.kind, name);
    print_settings(declaration);
  }
}

}  // namespace espalier::cli
