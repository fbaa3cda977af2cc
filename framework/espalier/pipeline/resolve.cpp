#include "espalier/pipeline/resolve.h"

#include "espalier/pipeline/layer.h"
#include "espalier/pipeline/scalars.h"
#include "espalier/pipeline/sections.h"
#include "espalier/spec/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

const Leaf* Resolver::use(const std::string& path) {
  used_.insert(path);
  const Leaf* leaf = assignments_.find(path);
  pipeline_.origins[path] = {leaf == nullptr ? "default" : leaf->origin};
  return leaf;
}

/// A setting that nobody wrote, but a `tune: all` above it freed, comes from there.
void Resolver::note_freed(const std::string& path) {
  if (assignments_.find(path) != nullptr) return;
  for (size_t dot = path.rfind('.'); dot != std::string::npos; dot = dot == 0 ? std::string::npos : path.rfind('.', dot - 1))
    if (const Leaf* leaf = assignments_.find(path.substr(0, dot) + ".tune")) return pipeline_.origins[path].source = leaf->origin, void();
  const bool in_train = path.rfind("train.", 0) == 0;
  if (const Leaf* leaf = assignments_.find(in_train ? "train.tune" : "graph.tune")) pipeline_.origins[path].source = leaf->origin;
}

bool Resolver::is_free(const std::string& scope, bool free) {
  const Leaf* leaf = assignments_.find(scope + ".tune");
  used_.insert(scope + ".tune");
  return leaf == nullptr ? free : leaf->value.text == "all";
}

void Resolver::run() {
  const bool graph_free = is_free("graph", false);
  for (const std::string& name : assignments_.nodes()) pipeline_.resolved["graph"][name] = node(name, graph_free);
  pipeline_.resolved["train"] = settings(train_declaration(), "train", is_free("train", false), {}, Json::object());
  if (const Json all = groups(); !all.empty()) pipeline_.resolved["train"]["groups"] = all;
  check_ties();
}

/// A group has an optimizer of its own only where one is written.
Json Resolver::groups() {
  Json out = Json::object();
  for (const std::string& name : assignments_.children("train.groups")) {
    const std::string path = "train.groups." + name;
    Declaration declared = group_declaration();
    if (assignments_.find(path + ".optimizer") == nullptr) std::erase_if(declared, [](const SettingType& type) { return type.name == "optimizer"; });
    out[name] = settings(declared, path, false, {}, Json::object());
    out[name]["scale"] = settings(scale_declaration(), path + ".scale", false, {}, Json::object());
  }
  return out;
}

Json Resolver::node(const std::string& name, bool free) {
  use(name);
  const bool is_block = assignments_.find(name + ".block") != nullptr;
  const std::string kind = is_block ? "block" : "head";
  if (assignments_.find(name + "." + kind) == nullptr) return Json::object();
  const bool inner = is_free(name, free);
  const SettingType type{.name = kind, .type = Type::choice, .fallback = {}, .domain = {}, .doc = {}, .options = {}, .kind = kind};
  const Json picked = choice(type, name + "." + kind, name + ".", inner, {});
  if (is_block) find_weights(name);
  Json out = settings(is_block ? common_block_settings() : common_head_settings(), name, inner, {}, Json::object());
  if (is_block && assignments_.any_below(name + ".freeze"))
    out["freeze"] = settings(freeze_declaration(), name + ".freeze", false, {}, Json::object());
  if (!picked.is_object() || picked.empty() || picked.contains("same")) return out;
  if (const auto tune = picked.find("tune"); tune != picked.end()) {
    // The order of the file, which a JSON object does not keep.
    Json names = Json::array();
    for (const Axis& axis : pipeline_.space.axes)
      if (axis.name == name + "." + kind) names = axis.choices;
    out[kind] = {{"tune", names}};
    for (const auto& [option, below] : tune->items()) out[option] = below;
  } else {
    out[kind] = picked.begin().key();
    out[picked.begin().key()] = picked.begin().value();
  }
  return out;
}

/// Paths are relative to the file that holds them; from here on, to the pipeline's folder.
void Resolver::find_weights(const std::string& name) {
  Leaf* leaf = assignments_.edit(name + ".weights");
  if (leaf == nullptr) return;
  const std::filesystem::path folder = (std::filesystem::current_path() / pipeline_.data.pipeline_folder / "").lexically_normal();
  const auto rebase = [&](Tree& tree) {
    if (!tree.is_scalar() || tree.text.empty() || tree.text == "none" || std::filesystem::path(tree.text).is_absolute()) return;
    tree.text = path_at(tree.text, tree.place).lexically_relative(folder).string();
  };
  rebase(leaf->value);
  for (Member& member : leaf->value.members)
    if (member.key == "tune")
      for (Tree& item : member.value.items) rebase(item);
}

Json Resolver::settings(const Declaration& declaration, const std::string& prefix, bool free, const Gate& gate, const Json& defaults) {
  Json out = Json::object();
  const bool inner = is_free(prefix, free);
  use(prefix);
  pipeline_.origins.erase(prefix);
  for (SettingType type : declaration) {
    if (defaults.is_object() && defaults.contains(type.name)) type.fallback = defaults[type.name];
    const std::string path = prefix + "." + type.name;
    Json resolved = value(type, path, path + ".", inner, gate);
    if (!resolved.is_null()) out[type.name] = std::move(resolved);
  }
  return out;
}

Json Resolver::value(const SettingType& type, const std::string& path, const std::string& prefix, bool free, const Gate& gate) {
  constexpr int kDeepest = 24;
  if (++depth_ > kDeepest) fail("E0209", fmt::format("{} is nested too deeply: a block holds itself", path));
  known_[path] = {type.type, gate.chain};
  Json out;
  if (type.type == Type::list) out = list(type, path, free, gate);
  else if (type.type == Type::choice && type.kind != "epochs") out = choice(type, path, prefix, free, gate);
  else if (type.type == Type::choice) {
    const Leaf* leaf = assignments_.find(path);
    const bool number = leaf != nullptr && !(leaf->value.is_scalar() && leaf->value.text == "auto") &&
                        !(leaf->value.is_map() && leaf->value.find("auto") != nullptr);
    const SettingType count{.name = type.name, .type = Type::number, .fallback = 1.0, .domain = legal(1e-6, 1e6), .doc = type.doc};
    out = number ? scalar(count, path, false, gate) : choice(type, path, prefix, free, gate);
  } else out = scalar(type, path, free, gate);
  --depth_;
  return out;
}

Json Resolver::choice(const SettingType& type, const std::string& path, const std::string& prefix, bool free, const Gate& gate) {
  const Leaf* leaf = use(path);
  Selection selection = leaf != nullptr ? selection_of(leaf->value) : Selection{};
  if (leaf != nullptr && !selection.same.empty()) {
    ties_[path] = {selection.same, leaf->value.place};
    return {{"same", selection.same}};
  }
  if (leaf == nullptr && free && type.options.size() > 1) selection.freed = true;
  if (selection.freed) note_freed(path);
  if (selection.freed) {
    if (type.options.empty()) problems_.add("E0405", fmt::format("{} has no declared domain; list names: {{tune: [NAME, NAME]}}", path),
                                            leaf != nullptr ? leaf->value.place : Place{});
    for (const std::string& option : type.options)
      if (catalogue_.find(type.kind, option) != nullptr) selection.names.emplace_back(option, Place{});
  }
  if (selection.names.empty()) {
    if (type.fallback.is_object() && !type.fallback.empty()) selection.names.emplace_back(type.fallback.begin().key(), Place{});
    else if (!type.options.empty()) selection.names.emplace_back(type.options.front(), Place{});
    else return problems_.add("E0305", fmt::format("{} needs a name of a {}", path, type.kind), {}), Json();
  }
  if (selection.names.size() == 1) {
    const std::string& name = selection.names[0].first;
    return {{name, chosen(type, name, prefix, free, gate)}};
  }
  Axis axis{.name = path};
  for (const auto& [name, place] : selection.names) {
    if (std::ranges::find(axis.choices, Json(name)) != axis.choices.end())
      problems_.add("E0403", fmt::format("{} lists '{}' twice", path, name), place);
    axis.choices.emplace_back(name);
  }
  SettingType named = type;
  named.fallback = type.fallback.is_object() && !type.fallback.empty() && (leaf == nullptr || selection.freed)
                       ? Json(type.fallback.begin().key()) : Json();
  add_axis(axis, named, gate);
  Json out = Json::object();
  for (const auto& [name, place] : selection.names)
    out[name] = chosen(type, name, prefix, free, {path, {Json(name)}, gate.chain + ";" + path + "=" + name});
  return {{"tune", out}};
}

Json Resolver::chosen(const SettingType& type, const std::string& name, const std::string& prefix, bool free, const Gate& gate) {
  const Declaration* declaration = catalogue_.find(type.kind, name);
  if (declaration == nullptr) return Json::object();
  const bool is_default = type.fallback.is_object() && type.fallback.contains(name);
  return settings(*declaration, prefix + name, free, gate, is_default ? type.fallback[name] : Json::object());
}

Json Resolver::list(const SettingType& type, const std::string& path, bool free, const Gate& gate) {
  const Leaf* leaf = use(path);
  const Assignments& assigned = assignments_;
  if (assigned.find(path + ".repeat") != nullptr && (leaf == nullptr || leaf->value.is_map())) return repeated(type, path, free, gate);
  if (leaf != nullptr && leaf->value.is_map()) {
    if (leaf->value.find("tune") != nullptr || leaf->value.find("same") != nullptr) return tuned(type, path, leaf->value, gate);
    problems_.add("E0202", fmt::format("{} takes a list, not a map", path), leaf->value.place);
    return type.fallback;
  }
  const bool inherited = leaf == nullptr && type.fallback.is_array();
  size_t count = leaf == nullptr ? (inherited ? type.fallback.size() : 0) : leaf->value.is_list() ? leaf->value.items.size() : 1;
  const auto item_path = [&](size_t i) { return fmt::format("{}.{}", path, i); };
  while (assigned.find(item_path(count)) != nullptr || assigned.any_below(item_path(count))) ++count;
  Json out = Json::array();
  for (size_t i = 0; i < count; ++i) {
    SettingType item = type.item.at(0);
    if (inherited && i < type.fallback.size()) item.fallback = type.fallback[i];
    out.push_back(value(item, item_path(i), item_path(i) + ".", free, gate));
  }
  return out;
}

Json Resolver::repeated(const SettingType& type, const std::string& path, bool free, const Gate& gate) {
  constexpr double kMost = 256;
  const SettingType repeat{.name = "repeat", .type = Type::integer, .fallback = 1, .domain = legal(0, kMost), .doc = "number of items"};
  const Json times = value(repeat, path + ".repeat", "", false, gate);
  int64_t most = times.is_number_integer() ? times.get<int64_t>() : 0;
  std::vector<Json> counts;
  for (const Axis& axis : pipeline_.space.axes)
    if (axis.name == path + ".repeat") counts = values(axis);
  for (const Json& n : counts) most = std::max(most, n.get<int64_t>());
  Json items = Json::array();
  for (int64_t i = 0; i < most; ++i) {
    const std::string item = fmt::format("{}.{}", path, i);
    assignments_.fill(path + ".of", item);
    Gate inner = gate;
    if (!counts.empty()) {
      inner = {path + ".repeat", {}, fmt::format("{};{}>{}", gate.chain, path, i)};
      for (const Json& n : counts)
        if (n.get<int64_t>() > i) inner.values.push_back(n);
    }
    items.push_back(value(type.item.at(0), item, item + ".", free, inner));
  }
  for (const auto& [name, leaf] : assignments_.all())
    if (name.rfind(path + ".of", 0) == 0) used_.insert(name);
  return counts.empty() ? items : Json{{"repeat", times}, {"of", items}};
}

Json Resolver::scalar(const SettingType& type, const std::string& path, bool free, const Gate& gate) {
  const Leaf* leaf = use(path);
  if (leaf == nullptr) {
    if (free && type.domain.searchable()) return freed(type, path, gate);
    return type.fallback;
  }
  const Tree& tree = leaf->value;
  if (tree.is_map() && (tree.find("tune") != nullptr || tree.find("same") != nullptr)) {
    if (path == "train.score" || path == "train.device" || path == "train.precision" || path == "train.threads" ||
        path == "train.sample_weight")
      return problems_.add("E0401", fmt::format("{} cannot be searched", path), tree.place), type.fallback;
    return tuned(type, path, tree, gate);
  }
  if (path == "train.threads" && tree.is_scalar() && tree.text != "auto") {
    const std::optional<Json> threads = read_scalar(Type::integer, path, tree, problems_);
    constexpr int64_t kMostThreads = 4096;
    if (threads && (threads->get<int64_t>() < 1 || threads->get<int64_t>() > kMostThreads))
      problems_.add("E0207", fmt::format("{} is {}; its bounds are 1 to {}", path, threads->dump(), kMostThreads), tree.place);
    return threads.value_or(Json("auto"));
  }
  const std::optional<Json> written = read_scalar(type.type, path, tree, problems_);
  if (!written || !is_legal(type, *written, path, tree.place, problems_)) return type.fallback;
  return *written;
}

}  // namespace espalier
