#include "espalier/registry/declaration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace espalier {

namespace {

void put(Json& out, const char* name, const std::optional<double>& value) {
  if (value) out[name] = *value;
}

std::optional<double> get(const Json& document, const char* name) {
  const auto found = document.find(name);
  return found == document.end() ? std::nullopt : std::optional<double>(found->get<double>());
}

template <class T>
Json describe_common(const char* kind, const T& type) {
  return {{"kind", kind}, {"name", type.name}, {"doc", type.doc}, {"settings", to_json(type.declaration)}};
}

PluginKind kind_from(const std::string& name) {
  for (const PluginKind kind : {PluginKind::block, PluginKind::head, PluginKind::tuner, PluginKind::scheduler, PluginKind::reader})
    if (to_string(kind) == name) return kind;
  fail("E1007", fmt::format("unknown kind of plugin '{}'", name));
}

std::string list_of(const std::vector<Json>& values) {
  std::string out;
  for (const Json& value : values) out += (out.empty() ? "" : ", ") + value.dump();
  return out;
}

bool has_type(Type type, const Json& value) {
  switch (type) {
    case Type::integer: return value.is_number_integer();
    case Type::number: return value.is_number() && std::isfinite(value.get<double>());
    case Type::boolean: return value.is_boolean();
    case Type::word: return value.is_string();
    case Type::choice: return value.is_null() || (value.is_object() && value.size() == 1);
    case Type::list: return value.is_array();
  }
  return false;
}

const char* name_of(Type type) {
  switch (type) {
    case Type::integer: return "a whole number";
    case Type::number: return "a finite number";
    case Type::boolean: return "true or false";
    case Type::word: return "a word";
    case Type::choice: return "a name with settings";
    case Type::list: return "a list";
  }
  return "";
}

std::string why_outside(const Domain& domain, const Json& value) {
  if (value.is_number() && (domain.least || domain.most)) {
    const double number = value.get<double>();
    if (domain.least && number < *domain.least) return fmt::format("{} is below {}", value.dump(), *domain.least);
    if (domain.most && number > *domain.most) return fmt::format("{} is above {}", value.dump(), *domain.most);
    return "";
  }
  if (!domain.choices.empty() && std::ranges::find(domain.choices, value) == domain.choices.end())
    return fmt::format("{} is not among {}", value.dump(), list_of(domain.choices));
  if (value.is_number() && domain.from && domain.to) {
    const double number = value.get<double>();
    if (number < *domain.from || number > *domain.to)
      return fmt::format("{} is not in {} to {}", value.dump(), *domain.from, *domain.to);
  }
  return "";
}

bool is_snake_case(const std::string& name) {
  constexpr size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest && name[0] >= 'a' && name[0] <= 'z' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string why_bad_domain(const SettingType& setting) {
  const Domain& domain = setting.domain;
  for (const Json& choice : domain.choices)
    if (!has_type(setting.type, choice)) return fmt::format("the choice {} is not {}", choice.dump(), name_of(setting.type));
  if (domain.from.has_value() != domain.to.has_value()) return "a range needs both ends";
  if (domain.from && !(*domain.from <= *domain.to)) return fmt::format("the range {} to {} is empty", *domain.from, *domain.to);
  if (domain.log && domain.from.value_or(1.0) <= 0.0) return "a logarithmic range starts above 0";
  if (domain.step && *domain.step <= (domain.log ? 1.0 : 0.0)) return fmt::format("the step {} leads nowhere", *domain.step);
  return "";
}

std::string why_bad_setting(const SettingType& setting) {
  if (!is_snake_case(setting.name)) return fmt::format("'{}' is not a snake_case name", setting.name);
  const std::string at = fmt::format("setting '{}': ", setting.name);
  if (setting.doc.empty()) return at + "it has no doc";
  if (const std::string why = why_bad_domain(setting); !why.empty()) return at + why;
  for (const SettingType& item : setting.item)
    if (const std::string why = why_bad_domain(item); !why.empty()) return at + why;
  if (const std::string why = why_illegal(setting, setting.fallback); !why.empty()) return at + "the default " + why;
  return "";
}

}  // namespace

Json to_json(const Domain& domain) {
  Json out = Json::object();
  if (!domain.choices.empty()) out["choices"] = domain.choices;
  put(out, "from", domain.from);
  put(out, "to", domain.to);
  if (domain.log) out["log"] = true;
  put(out, "step", domain.step);
  put(out, "least", domain.least);
  put(out, "most", domain.most);
  return out;
}

Domain domain_from_json(const Json& document) {
  return {.choices = document.value("choices", std::vector<Json>{}), .from = get(document, "from"), .to = get(document, "to"),
          .log = document.value("log", false), .step = get(document, "step"), .least = get(document, "least"),
          .most = get(document, "most")};
}

Json to_json(const SettingType& setting) {
  Json out = {{"name", setting.name}, {"type", static_cast<int>(setting.type)}, {"default", setting.fallback},
              {"domain", to_json(setting.domain)}, {"doc", setting.doc}};
  if (!setting.options.empty()) out["options"] = setting.options;
  if (!setting.kind.empty()) out["kind"] = setting.kind;
  if (!setting.item.empty()) out["item"] = to_json(Declaration(setting.item));
  return out;
}

SettingType setting_from_json(const Json& document) {
  SettingType out{.name = document.at("name"), .type = static_cast<Type>(document.at("type").get<int>()),
                  .fallback = document.at("default"), .domain = domain_from_json(document.at("domain")),
                  .doc = document.at("doc")};
  out.options = document.value("options", std::vector<std::string>{});
  out.kind = document.value("kind", "");
  if (const auto item = document.find("item"); item != document.end()) out.item = declaration_from_json(*item);
  return out;
}

Json to_json(const Declaration& declaration) {
  Json out = Json::array();
  for (const SettingType& setting : declaration) out.push_back(to_json(setting));
  return out;
}

Declaration declaration_from_json(const Json& document) {
  Declaration out;
  for (const Json& setting : document) out.push_back(setting_from_json(setting));
  return out;
}

Json describe(const Plugin& plugin) {
  Json out = Json::array();
  for (const BlockType& block : plugin.blocks) {
    out.push_back(describe_common("block", block));
    out.back()["inputs"] = {block.inputs_min, block.inputs_max};
  }
  for (const HeadType& head : plugin.heads) {
    out.push_back(describe_common("head", head));
    for (const ColumnKind kind : head.accepts) out.back()["accepts"].push_back(static_cast<int>(kind));
  }
  for (const TunerType& tuner : plugin.tuners) out.push_back(describe_common("tuner", tuner));
  for (const SchedulerType& scheduler : plugin.schedulers) out.push_back(describe_common("scheduler", scheduler));
  for (const ReaderType& reader : plugin.readers) {
    out.push_back(describe_common("reader", reader));
    out.back()["version"] = reader.version;
  }
  return out;
}

std::vector<Provided> provided_from_json(const Json& described) {
  std::vector<Provided> out;
  for (const Json& one : described) {
    Provided provided{.kind = kind_from(one.at("kind")), .name = one.at("name"), .doc = one.at("doc"),
                      .declaration = declaration_from_json(one.at("settings")), .library = {}, .library_sha256 = {}};
    if (const auto inputs = one.find("inputs"); inputs != one.end()) {
      provided.inputs_min = inputs->at(0);
      provided.inputs_max = inputs->at(1);
    }
    for (const int kind : one.value("accepts", std::vector<int>{})) provided.accepts.push_back(static_cast<ColumnKind>(kind));
    provided.version = one.value("version", int64_t{1});
    out.push_back(std::move(provided));
  }
  return out;
}

std::string why_illegal(const SettingType& setting, const Json& value) {
  if (!has_type(setting.type, value)) return fmt::format("{} is not {}", value.dump(), name_of(setting.type));
  if (setting.type == Type::choice) {
    if (value.is_null() || setting.options.empty()) return "";
    const std::string& name = value.begin().key();
    return std::ranges::find(setting.options, name) != setting.options.end()
               ? ""
               : fmt::format("'{}' is not among {}", name, join(setting.options));
  }
  if (setting.type == Type::list) {
    if (setting.item.empty()) return "";
    for (const Json& item : value)
      if (const std::string why = why_illegal(setting.item[0], item); !why.empty()) return "holds an item that is wrong: " + why;
    return "";
  }
  return why_outside(setting.domain, value);
}

std::string why_badly_declared(const std::vector<Provided>& provided) {
  if (provided.empty()) return "it registers nothing";
  std::set<std::pair<PluginKind, std::string>> seen;
  for (const Provided& one : provided) {
    const std::string at = fmt::format("{} '{}': ", to_string(one.kind), one.name);
    if (!is_snake_case(one.name)) return at + "the name is not snake_case";
    if (!seen.insert({one.kind, one.name}).second) return at + "it is registered twice";
    if (one.doc.empty()) return at + "it has no doc";
    if (one.kind == PluginKind::head && one.accepts.empty()) return at + "it accepts no kind of column";
    std::set<std::string> names;
    for (const SettingType& setting : one.declaration) {
      if (const std::string why = why_bad_setting(setting); !why.empty()) return at + why;
      if (!names.insert(setting.name).second) return at + fmt::format("setting '{}' is declared twice", setting.name);
    }
  }
  return "";
}

}  // namespace espalier
