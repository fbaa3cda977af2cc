#include "espalier/pipeline/layer.h"
#include "espalier/pipeline/scalars.h"
#include "espalier/pipeline/sections.h"
#include "espalier/spec/expression.h"
#include "espalier/spec/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

/// Paths are relative to the folder of the file that holds them, on the command line to the current one; the readers know
/// only the pipeline's folder. Readers declare paths as words, so it counts what is there.
std::string rebased(const std::string& text, const Place& place, const std::filesystem::path& pipeline_folder) {
  namespace fs = std::filesystem;
  if (text.empty() || !place.source || fs::path(text).is_absolute()) return text;
  const fs::path file = place.source->name;
  std::error_code error;
  const auto whole = [](const fs::path& folder) { return (fs::current_path() / folder / "").lexically_normal(); };
  const fs::path base = whole(file.parent_path());
  const fs::path here = whole(pipeline_folder);
  if (base == here || !fs::exists(base / text, error)) return text;
  return (base / text).lexically_normal().lexically_relative(here).string();
}

Json rebased(const Json& value, const Tree& tree, const std::filesystem::path& pipeline_folder) {
  if (value.is_string()) return rebased(value.get<std::string>(), tree.place, pipeline_folder);
  if (!value.is_array() || value.size() != tree.items.size()) return value;
  Json out = Json::array();
  for (size_t i = 0; i < value.size(); ++i) out.push_back(rebased(value[i], tree.items[i], pipeline_folder));
  return out;
}

}  // namespace

std::filesystem::path path_at(const std::string& text, const Place& place) {
  const std::filesystem::path file = place.source ? place.source->name : "";
  return std::filesystem::absolute(file.parent_path() / text).lexically_normal();
}

Json plain_json(const Tree& tree) {
  if (tree.is_scalar()) return tree.text;
  Json out = tree.is_list() ? Json::array() : Json::object();
  for (const Tree& item : tree.items) out.push_back(plain_json(item));
  for (const Member& member : tree.members) out[member.key] = plain_json(member.value);
  return out;
}

const Leaf* SectionReader::use(const std::string& path) {
  const Leaf* leaf = assignments_.find(path);
  pipeline_.origins[path] = {leaf == nullptr ? "default" : leaf->origin};
  return leaf;
}

Json SectionReader::plain(const SettingType& type, const std::string& path, const Tree& tree) {
  if (type.type == Type::list) {
    Json out = Json::array();
    if (tree.is_list())
      for (size_t i = 0; i < tree.items.size(); ++i) out.push_back(plain(type.item.at(0), fmt::format("{}.{}", path, i), tree.items[i]));
    else
      out.push_back(plain(type.item.at(0), path, tree));
    return out;
  }
  const std::optional<Json> value = read_scalar(type.type, path, tree, problems_);
  return value && is_legal(type, *value, path, tree.place, problems_) ? *value : type.fallback;
}

Json SectionReader::settings(const std::string& kind, const std::string& name, const std::string& path, const Tree* inlined) {
  Json out = Json::object();
  const Declaration* declaration = catalogue_.find(kind, name);
  if (declaration == nullptr) return out;
  std::vector<std::string> known;
  for (const SettingType& type : *declaration) {
    known.push_back(type.name);
    const Tree* tree = inlined != nullptr ? inlined->find(type.name) : nullptr;
    if (inlined == nullptr)
      if (const Leaf* leaf = use(path + "." + type.name)) tree = &leaf->value;
    Json value = tree != nullptr ? plain(type, path + "." + type.name, *tree) : type.fallback;
    if (kind == "reader" && tree != nullptr) value = rebased(value, *tree, pipeline_.data.pipeline_folder);
    if (!value.is_null()) out[type.name] = std::move(value);
  }
  if (inlined == nullptr) return out;
  for (const Member& member : inlined->members) {
    if (std::ranges::find(known, member.key) != known.end()) continue;
    const std::string near = nearest(member.key, known);
    problems_.add("E0203", fmt::format("unknown setting '{}' of {} '{}'", member.key, kind, name), member.place,
                  near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                  {known.empty() ? fmt::format("{} takes no settings", name) : fmt::format("{} takes: {}", name, join(known))});
  }
  return out;
}

/// `inlined` choices stand in lists, where settings have no path of their own.
Json SectionReader::choice(const std::string& kind, const std::string& path, const Tree& tree) {
  const Selection selection = selection_of(tree);
  if (selection.names.size() != 1 || tree.members.size() > 1) {
    problems_.add("E0205", fmt::format("{} takes one name or {{NAME: {{SETTING: VALUE}}}}", path), tree.place);
    return {};
  }
  const std::string& name = selection.names[0].first;
  const std::vector<std::string> known = catalogue_.names(kind);
  if (catalogue_.find(kind, name) == nullptr) {
    const std::string near = nearest(name, known);
    problems_.add("E0304", fmt::format("there is no {} '{}'", kind, name), selection.names[0].second,
                  near.empty() ? "" : fmt::format("did you mean '{}'?", near), {fmt::format("there are: {}", join(known))});
    return {};
  }
  const Tree none{.is = Tree::Is::map};
  return {{name, settings(kind, name, path + "." + name, tree.is_map() ? &tree.members[0].value : &none)}};
}

bool SectionReader::check_expression(const std::string& path, const Tree& tree) {
  if (!tree.is_scalar()) {
    problems_.add("E0202", fmt::format("{} takes an expression such as 'age >= 18'", path), tree.place);
    return false;
  }
  try {
    parse_expression(tree.text);
    return true;
  } catch (const Error& error) {
    for (Problem problem : error.problems()) {
      Place at = tree.place;
      at.column += std::max(problem.where.column - 1, 0) + (tree.quoted ? 1 : 0);
      at.length = 1;
      problems_.add(problem.code, problem.message, at, problem.hint);
    }
    return false;
  }
}

Json SectionReader::expressions(const std::string& path, const Tree& tree) {
  Json out = Json::array();
  if (tree.is_scalar()) {
    if (check_expression(path, tree)) out.push_back(tree.text);
    return out;
  }
  if (!tree.is_list()) problems_.add("E0202", fmt::format("{} takes a list of expressions", path), tree.place);
  for (size_t i = 0; i < tree.items.size(); ++i)
    if (check_expression(fmt::format("{}.{}", path, i), tree.items[i])) out.push_back(tree.items[i].text);
  return out;
}

Json SectionReader::split(const std::string& path, const Tree& tree, bool folds) {
  if (tree.is_scalar() && (tree.text == "given" || tree.text == "none")) return tree.text;
  if (const auto share = read_share(tree); share && *share != "all") return *share;
  const Member* where = tree.member("where");
  if (where != nullptr && tree.members.size() == 1 && check_expression(path + ".where", where->value))
    return {{"where", where->value.text}};
  const Member* fold = tree.member("folds");
  if (folds && fold != nullptr && tree.members.size() == 1) {
    const SettingType type{.name = "folds", .type = Type::integer, .fallback = 5, .domain = legal(2, 1000), .doc = ""};
    const size_t before = problems_.size();
    const Json count = plain(type, path + ".folds", fold->value);
    if (problems_.size() == before) pipeline_.folds = count.get<int64_t>();
    return {{"folds", count}};
  }
  if (where == nullptr || tree.members.size() != 1)
    problems_.add("E0202", fmt::format("{} takes a count (5000), a fraction between 0 and 1 (0.2), 'given', 'none'{} {{where: EXPRESSION}}, "
                                       "not '{}'", path, folds ? ", {folds: N} or" : " or", tree.is_scalar() ? tree.text : "this"),
                  tree.place);
  return folds ? Json(0.2) : Json("none");  // so that no further mistake follows from it
}

void SectionReader::data() {
  Json& out = pipeline_.resolved["data"];
  out = {{"prepare", Json::array()}, {"split", Json::object()}, {"strict", false},
         {"take", {{"test", "all"}, {"train", "all"}}}, {"where", Json::array()}};
  const Leaf* dataset = assignments_.find("data.dataset");
  const Leaf* reader = assignments_.find("data.reader");
  if ((dataset == nullptr) == (reader == nullptr) && assignments_.any_below("data")) {
    const Leaf& at = dataset != nullptr ? *dataset : assignments_.all().lower_bound("data.")->second;
    problems_.add("E0210", "data has exactly one of 'dataset' and 'reader'", at.value.place);
  }
  if (dataset != nullptr) {
    use("data.dataset");
    const Json name = read_scalar(Type::word, "data.dataset", dataset->value, problems_).value_or(Json(""));
    const bool path = name.get<std::string>().find('/') != std::string::npos || name.get<std::string>().ends_with(".yaml");
    out["dataset"] = path ? rebased(name, dataset->value, pipeline_.data.pipeline_folder) : name;
  } else if (reader != nullptr) {
    use("data.reader");
    const Selection selection = selection_of(reader->value);
    if (selection.names.size() == 1)
      out["reader"] = {{selection.names[0].first,
                        settings("reader", selection.names[0].first, "data.reader." + selection.names[0].first, nullptr)}};
  }
  for (const std::string& name : assignments_.children("data.columns")) {
    const std::string path = "data.columns." + name;
    const Leaf* leaf = use(path);
    const Selection selection = leaf != nullptr ? selection_of(leaf->value) : Selection{};
    if (selection.names.size() != 1) continue;
    if (!is_name(name) || is_reserved(name)) problems_.add("E0204", fmt::format("'{}' cannot be the name of a column", name), leaf->value.place);
    const std::string& kind = selection.names[0].first;
    Json column = settings("column kind", kind, path + "." + kind, nullptr);
    if (assignments_.find(path + "." + kind + ".missing") == nullptr) column.erase("missing");
    if (column.contains("fields") && column["fields"].empty()) column.erase("fields");
    out["columns"][name] = {{kind, column}};
  }
  if (const Leaf* where = use("data.where")) out["where"] = expressions("data.where", where->value);
  for (const std::string part : {"test", "validation"})
    if (const Leaf* leaf = use("data.split." + part)) out["split"][part] = split("data.split." + part, leaf->value, part == "validation");
  for (const std::string part : {"stratify", "group"})
    if (const Leaf* leaf = use("data.split." + part))
      out["split"][part] = read_scalar(Type::word, "data.split." + part, leaf->value, problems_).value_or(Json());
  for (const std::string part : {"train", "test"}) {
    const Leaf* leaf = use("data.take." + part);
    if (leaf == nullptr) continue;
    const auto share = read_share(leaf->value);
    if (!share) problems_.add("E0202", fmt::format("data.take.{} takes a count (5000), a fraction between 0 and 1 (0.2) or 'all', not '{}'", part,
                                                   leaf->value.text), leaf->value.place);
    else out["take"][part] = *share;
  }
  if (const Leaf* prepare = use("data.prepare")) {
    const Tree one{.is = Tree::Is::list, .text = {}, .quoted = false, .as_path = false, .place = prepare->value.place, .items = {prepare->value}};
    const Tree& steps = prepare->value.is_list() ? prepare->value : one;
    for (size_t i = 0; i < steps.items.size(); ++i)
      if (Json step = choice("prepare step", fmt::format("data.prepare.{}", i), steps.items[i]); !step.is_null()) out["prepare"].push_back(step);
  }
  if (const Leaf* strict = use("data.strict"))
    out["strict"] = read_scalar(Type::boolean, "data.strict", strict->value, problems_).value_or(Json(false));
  const int64_t seed = count("seed", 0).value_or(0);
  pipeline_.seed = static_cast<uint64_t>(seed);
  pipeline_.resolved["seed"] = seed;
  const std::optional<int64_t> own = count("data.seed", 0);
  out["seed"] = own.value_or(seed);
  pipeline_.data.data = out;
  pipeline_.data.seed = static_cast<uint64_t>(own.value_or(seed));
}

std::optional<int64_t> SectionReader::count(const std::string& path, int64_t least) {
  const Leaf* leaf = use(path);
  if (leaf == nullptr) return std::nullopt;
  const std::optional<Json> value = read_scalar(Type::integer, path, leaf->value, problems_);
  if (!value) return std::nullopt;
  if (value->get<int64_t>() >= least) return value->get<int64_t>();
  problems_.add("E0207", fmt::format("{} is {}; it is at least {}", path, value->dump(), least), leaf->value.place);
  return std::nullopt;
}

}  // namespace espalier
