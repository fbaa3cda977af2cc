#include "espalier/data/source.h"

#include "espalier/error.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

namespace espalier {
namespace fs = std::filesystem;
namespace {

Json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    Json out = Json::object();
    for (const auto& item : node) out[item.first.Scalar()] = to_json(item.second);
    return out;
  }
  if (node.IsSequence()) {
    Json out = Json::array();
    for (const auto& item : node) out.push_back(to_json(item));
    return out;
  }
  if (!node.IsScalar()) return {};
  // "!" is the tag of quoted scalars: text whatever it looks like.
  if (node.Tag() != "!") {
    const Json value = Json::parse(node.Scalar(), nullptr, false);
    if (value.is_number() || value.is_boolean()) return value;
  }
  return node.Scalar();
}

std::vector<fs::path> description_files(const std::vector<fs::path>& paths) {
  std::vector<fs::path> out;
  for (const fs::path& folder : paths) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
      if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

ColumnKind kind_of(const std::string& column, const std::string& word) {
  static const std::map<std::string, ColumnKind> kinds = {
      {"image", ColumnKind::image},       {"number", ColumnKind::number},        {"numbers", ColumnKind::numbers},
      {"class", ColumnKind::class_label}, {"classes", ColumnKind::class_labels}, {"id", ColumnKind::id}};
  const auto it = kinds.find(word);
  if (it != kinds.end()) return it->second;
  const std::string near = nearest(word, {"image", "number", "numbers", "class", "classes", "id"});
  fail("E0412", "column '" + column + "' is one of image, number, numbers, class, classes, id, not '" + word + "'",
       near.empty() ? "" : "did you mean '" + near + "'?");
}

ColumnRule rule_of(const std::string& name, const Json& choice) {
  ColumnRule rule{.name = name};
  const bool word = choice.is_string();
  require(word || (choice.is_object() && choice.size() == 1), "E0412",
          "column '" + name + "' takes a kind such as 'number' or {image: {field: NAME}}, not '" + choice.dump() + "'");
  rule.kind = kind_of(name, word ? choice.get<std::string>() : choice.begin().key());
  const Json settings = word || !choice.begin()->is_object() ? Json::object() : choice.begin().value();
  const Json fields = settings.value("fields", settings.value("field", Json(name)));
  for (const Json& field : fields.is_array() ? fields : Json::array({fields})) rule.fields.push_back(field.get<std::string>());
  rule.names = settings.value("classes", std::vector<std::string>());
  rule.shape = settings.value("shape", Shape());
  rule.missing = settings.value("missing", Json());
  return rule;
}

void add_rules(std::vector<ColumnRule>& rules, const Json& columns) {
  if (!columns.is_object()) return;
  for (const auto& [name, choice] : columns.items()) {
    ColumnRule rule = rule_of(name, choice);
    const auto old = std::find_if(rules.begin(), rules.end(), [&](const ColumnRule& r) { return r.name == rule.name; });
    if (old == rules.end()) rules.push_back(std::move(rule));
    else *old = std::move(rule);
  }
}

fs::path home() {
  const char* folder = std::getenv("HOME");
  return folder == nullptr ? fs::path("/") : fs::path(folder);
}

std::vector<std::string> missing_files(const fs::path& folder, const Json& description) {
  std::vector<std::string> out;
  for (const Json& file : description.value("files", Json::array())) {
    const std::string name = file.is_string() ? file.get<std::string>() : file.at("name").get<std::string>();
    if (!fs::exists(folder / name)) out.push_back(name);
  }
  return out;
}

const Column& field_of(const std::vector<Column>& columns, const std::string& field, const std::string& column) {
  std::vector<std::string> all;
  for (const Column& c : columns) {
    if (c.name == field) return c;
    all.push_back(c.name);
  }
  const std::string near = nearest(field, all);
  fail("E0412", "column '" + column + "' reads field '" + field + "', which the reader does not give; it gives " + join(all),
       near.empty() ? "" : "did you mean '" + near + "'?");
}

void make_classes(Column& out, const Column& from, const std::vector<std::string>& given) {
  if (from.kind == ColumnKind::class_label) {
    if (!given.empty()) {
      require(given.size() == from.names.size() || from.names.empty(), "E0412",
              "column '" + out.name + "' lists " + std::to_string(given.size()) + " classes, the files have " +
                  std::to_string(from.names.size()));
      out.names = given;
    }
    return;
  }
  std::vector<std::string> texts = from.ids;
  for (const double v : from.kind == ColumnKind::number ? from.numbers : std::vector<double>())
    texts.push_back(std::isnan(v) ? "" : Json(v) == std::floor(v) ? std::to_string(static_cast<int64_t>(v)) : Json(v).dump());
  out.names = given;
  if (given.empty()) {
    out.names = texts;
    std::sort(out.names.begin(), out.names.end());
    out.names.erase(std::unique(out.names.begin(), out.names.end()), out.names.end());
    std::erase(out.names, "");
  }
  out.labels.clear();
  for (const std::string& text : texts) {
    const auto it = std::find(out.names.begin(), out.names.end(), text);
    out.labels.push_back(it == out.names.end() ? -1 : it - out.names.begin());
  }
  out.ids.clear();
  out.numbers.clear();
}

Column join_numbers(const std::vector<Column>& columns, const ColumnRule& rule) {
  Column out{.name = rule.name, .kind = rule.kind, .names = rule.fields};
  std::vector<const Column*> parts;
  for (const std::string& field : rule.fields) {
    const Column& part = field_of(columns, field, rule.name);
    if (rule.fields.size() == 1 && (part.kind == ColumnKind::numbers || part.kind == ColumnKind::class_labels)) {
      out = part;
      out.name = rule.name;
      out.kind = rule.kind;
      return out;
    }
    require(part.kind == ColumnKind::number, "E0412",
            "column '" + rule.name + "' joins numbers; field '" + field + "' holds " + to_string(part.kind));
    parts.push_back(&part);
  }
  const size_t rows = parts.empty() ? 0 : parts[0]->numbers.size();
  for (size_t i = 0; i < rows; ++i)
    for (const Column* part : parts) out.numbers.push_back(part->numbers.at(i));
  return out;
}

Column make_column(const std::vector<Column>& columns, const ColumnRule& rule) {
  if (rule.kind == ColumnKind::numbers || rule.kind == ColumnKind::class_labels) return join_numbers(columns, rule);
  Column out = field_of(columns, rule.fields.at(0), rule.name);
  const Column from = out;
  out.name = rule.name;
  out.kind = rule.kind;
  const bool fits = from.kind == rule.kind || rule.kind == ColumnKind::id ||
                    (rule.kind == ColumnKind::class_label && from.kind != ColumnKind::image);
  require(fits, "E0412", "column '" + rule.name + "' cannot be " + to_string(rule.kind) + ": field '" + from.name + "' holds " +
                             to_string(from.kind));
  if (rule.kind == ColumnKind::class_label) make_classes(out, from, rule.names);
  if (rule.kind == ColumnKind::id && from.kind == ColumnKind::number) {
    out.ids.clear();
    for (const double v : from.numbers) out.ids.push_back(std::isnan(v) ? "" : Json(v).dump());
    out.numbers.clear();
  }
  if (rule.kind == ColumnKind::id && from.kind == ColumnKind::class_label) {
    out.ids.clear();
    for (const int64_t v : from.labels) out.ids.push_back(v < 0 ? "" : from.names.at(static_cast<size_t>(v)));
    out.labels.clear();
    out.names.clear();
  }
  if (!rule.shape.empty()) out.shape = rule.shape;
  return out;
}

}  // namespace

fs::path data_folder() {
  const char* folder = std::getenv("ESPALIER_DATA");
  return folder != nullptr && *folder != '\0' ? fs::path(folder) : home() / ".local/share/espalier/data";
}

Json read_description(const std::string& dataset, const std::vector<fs::path>& paths, const fs::path& folder) {
  fs::path file;
  if (dataset.ends_with(".yaml")) file = folder / dataset;
  std::vector<std::string> names;
  for (const fs::path& f : description_files(paths)) {
    names.push_back(f.stem());
    if (file.empty() && f.stem() == dataset) file = f;
  }
  if (file.empty() || !fs::exists(file)) {
    const std::string near = nearest(dataset, names);
    fail("E0411", "there is no dataset '" + dataset + "'; " + (names.empty() ? "no folder of datasets describes any" : "there are " + join(names)),
         near.empty() ? "" : "did you mean '" + near + "'?");
  }
  try {
    Json out = to_json(YAML::LoadFile(file));
    require(out.is_object() && out.contains("reader"), "E0411", "'" + file.string() + "' describes no dataset: it has no 'reader'");
    out["file"] = file.string();
    out["name"] = file.stem().string();
    return out;
  } catch (const YAML::Exception& e) {
    fail("E0411", file.string() + ":" + std::to_string(e.mark.line + 1) + " is not YAML: " + e.msg);
  }
}

Source find_source(const DataRequest& request) {
  const Json& data = request.data;
  const Json dataset = data.value("dataset", Json());
  Json reader = data.value("reader", Json());
  require(dataset.is_string() != !reader.is_null(), "E0410", "data takes exactly one of 'dataset' and 'reader'");
  Source out;
  if (dataset.is_string()) {
    out.description = read_description(dataset.get<std::string>(), request.dataset_paths, request.pipeline_folder);
    out.dataset = out.description.at("name").get<std::string>();
    reader = out.description.at("reader");
    add_rules(out.rules, out.description.value("columns", Json()));
  }
  require(reader.is_string() || (reader.is_object() && reader.size() == 1), "E0410",
          "'reader' takes a name or {NAME: {SETTING: VALUE}}, not '" + reader.dump() + "'");
  out.reader = reader.is_string() ? reader.get<std::string>() : reader.begin().key();
  if (reader.is_object() && reader.begin()->is_object()) out.settings = reader.begin().value();
  add_rules(out.rules, data.value("columns", Json()));
  out.steps = prepare_steps(data.value("prepare", Json()));
  out.strict = data.value("strict", Json(false)) == Json(true);
  return out;
}

fs::path locate(const std::string& dataset, const Json& description) {
  std::vector<fs::path> candidates = {data_folder() / dataset};
  for (const Json& folder : description.value("local", Json::array())) candidates.emplace_back(folder.get<std::string>());
  for (const fs::path& folder : candidates)
    if (fs::is_directory(folder) && missing_files(folder, description).empty()) return folder;
  return {};
}

fs::path input_folder(const Source& source, const DataRequest& request) {
  if (source.dataset.empty()) return request.pipeline_folder;
  fs::path folder = locate(source.dataset, source.description);
  if (!folder.empty()) return folder;
  const fs::path usual = data_folder() / source.dataset;
  std::vector<std::string> missing = missing_files(usual, source.description);
  const std::string count = missing.size() > 3 ? ", ... (" + std::to_string(missing.size()) + " files)" : "";
  missing.resize(std::min<size_t>(missing.size(), 3));
  fail("E2101", "dataset '" + source.dataset + "' is not here: '" + usual.string() + "' lacks " + join(missing) + count,
       "get it with: espalier data fetch " + source.dataset);
}

std::vector<Column> apply_rules(std::vector<Column> columns, const std::vector<ColumnRule>& rules, std::vector<std::string>* images) {
  std::vector<Column> out;
  std::vector<std::string> fields;
  std::vector<std::string> used;
  for (const ColumnRule& rule : rules) {
    Column column = make_column(columns, rule);
    if (rule.missing.is_number())
      for (double& v : column.numbers)
        if (std::isnan(v)) v = rule.missing.get<double>();
    if (column.kind == ColumnKind::image) fields.push_back(rule.fields.at(0));
    used.push_back(rule.name);
    used.insert(used.end(), rule.fields.begin(), rule.fields.end());
    out.push_back(std::move(column));
  }
  for (Column& column : columns) {
    if (std::find(used.begin(), used.end(), column.name) != used.end()) continue;
    if (column.kind == ColumnKind::image) fields.push_back(column.name);
    out.push_back(std::move(column));
  }
  if (images != nullptr) *images = fields;
  return out;
}

}  // namespace espalier
