#include "espalier/pipeline/pipeline.h"
#include "espalier/pipeline/scalars.h"
#include "espalier/pipeline/train_schema.h"

#include <algorithm>

namespace espalier {

namespace {

Json reference(const std::string& name) { return {{"$ref", "#/$defs/" + name}}; }

std::string definition_name(const std::string& kind, const std::string& name) {
  std::string out = kind + "." + name;
  std::ranges::replace(out, ' ', '_');
  return out;
}

Json plain_schema(const SettingType& type) {
  Json out = {{"description", type.doc}};
  if (!type.fallback.is_null()) out["default"] = type.fallback;
  if (type.type == Type::boolean) out["type"] = "boolean";
  if (type.type == Type::integer || type.type == Type::number) {
    out["type"] = type.type == Type::integer ? "integer" : "number";
    if (const auto least = least_of(type.domain)) out["minimum"] = *least;
    if (const auto most = most_of(type.domain)) out["maximum"] = *most;
  }
  if (type.type == Type::word) {
    out["type"] = Json::array({"string", "number"});
    if (!type.domain.choices.empty()) out["enum"] = type.domain.choices;
  }
  return out;
}

/// One of a kind: its name, `{NAME: {SETTINGS}}`, or a search among several.
Json choice_schema(const Catalogue& catalogue, const std::string& kind) {
  Json options = Json::object();
  for (const std::string& name : catalogue.names(kind)) options[name] = reference(definition_name(kind, name));
  const Json by_name = {{"enum", catalogue.names(kind)}};
  const Json with_settings = {{"type", "object"}, {"properties", options}, {"additionalProperties", false}};
  const Json one = {{"anyOf", Json::array({by_name, with_settings})}};
  const Json tune = {{"anyOf", Json::array({Json{{"const", "all"}}, Json{{"type", "array"}, {"items", one}}, with_settings})}};
  return {{"anyOf", Json::array({by_name, with_settings,
                                 Json{{"type", "object"}, {"properties", {{"tune", tune}}}, {"required", Json::array({"tune"})}},
                                 reference("tied")})}};
}

/// A setting in its six ways (section 2).
Json setting_schema(const SettingType& type) {
  if (type.type == Type::choice) {
    Json choice = reference(definition_name("any", type.kind));
    if (type.kind != "epochs") return choice;
    return {{"anyOf", Json::array({Json{{"type", "number"}, {"exclusiveMinimum", 0}}, choice, reference("searched")})}};
  }
  if (type.type == Type::list)
    return {{"description", type.doc},
            {"anyOf", Json::array({Json{{"type", "array"}, {"items", setting_schema(type.item.at(0))}}, Json{{"type", "object"}},
                                   plain_schema(type.item.at(0))})}};
  Json plain = plain_schema(type);
  return {{"description", type.doc}, {"anyOf", Json::array({plain, reference("searched"), reference("tied"), Json{{"type", "null"}}})}};
}

Json settings_schema(const Declaration& declaration) {
  Json properties = {{"tune", {{"enum", Json::array({"all", "none"})}}}};
  for (const SettingType& type : declaration) properties[type.name] = setting_schema(type);
  return {{"type", "object"}, {"properties", properties}, {"patternProperties", {{"^x-", true}}}, {"additionalProperties", false}};
}

/// A node whose block is one fixed name has that block's settings beside it.
Json node_schema(const Catalogue& catalogue) {
  Json cases = Json::array();
  const Json from = {{"anyOf", Json::array({Json{{"type", "string"}}, Json{{"type", "array"}, {"items", {{"type", "string"}}}}})}};
  for (const std::string kind : {"block", "head"}) {
    Json names = Json::object();
    for (const std::string& name : catalogue.names(kind)) names[name] = reference(definition_name(kind, name));
    for (const std::string& name : catalogue.names(kind)) {
      Declaration all = kind == "block" ? common_block_settings() : common_head_settings();
      const Declaration& own = *catalogue.find(kind, name);
      all.insert(all.end(), own.begin(), own.end());
      Json node = settings_schema(all);
      if (kind == "block") node["properties"]["freeze"]["anyOf"].push_back(settings_schema(freeze_declaration()));
      for (const auto& [other, schema] : names.items())
        if (!node["properties"].contains(other)) node["properties"][other] = schema;
      node["properties"][kind] = {{"const", name}};
      node["properties"]["from"] = from;
      node["required"] = Json::array({kind, "from"});
      cases.push_back(node);
    }
    Json searched = settings_schema(kind == "block" ? common_block_settings() : common_head_settings());
    if (kind == "block") searched["properties"]["freeze"]["anyOf"].push_back(settings_schema(freeze_declaration()));
    for (const auto& [other, schema] : names.items()) searched["properties"][other] = schema;
    searched["properties"][kind] = {{"allOf", Json::array({Json{{"type", "object"}}, reference("any." + kind)})}};
    searched["properties"]["from"] = from;
    cases.push_back(searched);
  }
  cases.push_back({{"type", "null"}});
  return {{"anyOf", cases}};
}

Json object_of(Json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}, {"patternProperties", {{"^x-", true}}}, {"additionalProperties", false}};
}

Json data_schema(const std::vector<std::string>& datasets) {
  Json dataset = {{"type", "string"}, {"description", "name or path of a description"}};
  if (!datasets.empty()) dataset["examples"] = datasets;
  const Json count = {{"type", "integer"}, {"minimum", 1}};
  const Json fraction = {{"type", "number"}, {"exclusiveMinimum", 0}, {"exclusiveMaximum", 1}};
  const Json share = {{"anyOf", Json::array({Json{{"const", "all"}}, count, fraction})}};
  const auto only = [](const char* key, const Json& value) {
    return Json{{"type", "object"}, {"properties", {{key, value}}}, {"required", Json::array({key})}, {"additionalProperties", false}};
  };
  Json sides = Json::array({Json{{"enum", Json::array({"given", "none"})}}, count, fraction, only("where", {{"type", "string"}})});
  const Json test = {{"anyOf", sides}};
  sides.push_back(only("folds", {{"type", "integer"}, {"minimum", 2}}));
  const Json validation = {{"anyOf", sides}};
  return object_of(
      {{"dataset", dataset},
       {"reader", reference("any.reader")},
       {"columns", {{"type", "object"}}},
       {"where", {{"type", Json::array({"array", "string"})}, {"items", {{"type", "string"}}}}},
       {"split", object_of({{"test", test}, {"validation", validation}, {"stratify", {{"type", "string"}}}, {"group", {{"type", "string"}}}})},
       {"take", object_of({{"train", share}, {"test", share}})},
       {"prepare", {{"type", "array"}, {"items", reference("any.prepare_step")}}},
       {"strict", {{"type", "boolean"}}},
       {"seed", {{"type", "integer"}, {"minimum", 0}}}});
}

Json search_schema() {
  const Json count = {{"type", "integer"}, {"minimum", 1}};
  const Json text = {{"type", "string"}};
  const Json time = {{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$"}};
  const Json size = {{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"}};
  const Json objective = object_of({{"maximize", text}, {"minimize", text}});
  const Json several = {{"type", "array"}, {"items", objective}, {"minItems", 1}};
  return object_of({{"tuner", reference("any.tuner")},
                    {"scheduler", reference("any.scheduler")},
                    {"objective", {{"anyOf", Json::array({objective, several})}}},
                    {"constraints", {{"type", Json::array({"array", "string"})}, {"items", text}}},
                    {"limits", object_of({{"time", time}, {"memory", size}})},
                    {"budget", object_of({{"trials", count}, {"time", time}, {"epochs", {{"type", "number"}}}})},
                    {"first", {{"type", "array"}, {"items", {{"type", "object"}}}}},
                    {"replicates", count},
                    {"refit",
                     {{"anyOf", Json::array({Json{{"type", "boolean"}}, object_of({{"epochs", {{"type", "number"}}}}),
                                             object_of({{"share", {{"type", "number"}}}})})}}},
                    {"ensemble", {{"type", "integer"}}},
                    {"order", reference("any.order")}});
}

}  // namespace

Json json_schema(const Registry& registry, const std::vector<std::string>& datasets) {
  const Catalogue catalogue(registry);
  const Json number = {{"type", "number"}};
  const Json range = {{"type", "object"}, {"properties", {{"from", number}, {"to", number}, {"step", number}, {"log", {{"type", "boolean"}}}}},
                      {"required", Json::array({"from", "to"})}, {"additionalProperties", false}};
  const Json tune = {{"anyOf", Json::array({Json{{"const", "all"}}, Json{{"type", "array"}, {"minItems", 1}}, range})}};
  Json definitions = {
      {"searched", {{"type", "object"}, {"properties", {{"tune", tune}}},
                    {"required", Json::array({"tune"})}, {"additionalProperties", false}}},
      {"tied", {{"type", "object"}, {"properties", {{"same", {{"type", "string"}}}}}, {"required", Json::array({"same"})},
                {"additionalProperties", false}}}};
  for (const std::string& kind : catalogue.kinds()) {
    definitions[definition_name("any", kind)] = choice_schema(catalogue, kind);
    for (const std::string& name : catalogue.names(kind))
      definitions[definition_name(kind, name)] = settings_schema(*catalogue.find(kind, name));
  }
  // Losses and others whose names no plugin declares.
  const Json words = {{"type", Json::array({"string", "object"})}};
  for (const Provided& provided : registry.provided())
    for (const SettingType& type : provided.declaration)
      for (const std::string& kind : {type.kind, type.item.empty() ? std::string() : type.item[0].kind})
        if (!kind.empty() && !definitions.contains(definition_name("any", kind))) definitions[definition_name("any", kind)] = words;
  const Json paths = {{"type", Json::array({"string", "array"})}, {"items", {{"type", "string"}}}};
  Json group = settings_schema(group_declaration());
  group["properties"]["scale"] = settings_schema(scale_declaration());
  Json train = settings_schema(train_declaration());
  train["properties"]["groups"] = {{"type", "object"}, {"additionalProperties", group}};
  Json out = object_of({{"data", data_schema(datasets)},
                        {"graph", {{"type", "object"}, {"properties", {{"tune", {{"enum", Json::array({"all", "none"})}}}}},
                                   {"additionalProperties", node_schema(catalogue)}}},
                        {"train", train}, {"search", search_schema()}, {"include", paths},
                        {"variants", {{"type", "object"}}}, {"run", {{"type", "object"}}}, {"seed", {{"type", "integer"}, {"minimum", 0}}}});
  out["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  out["title"] = "espalier pipeline";
  out["$defs"] = std::move(definitions);
  return out;
}

}  // namespace espalier
