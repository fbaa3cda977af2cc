#include "espalier/cli/fields.h"

#include "espalier/pipeline/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace espalier::cli {

namespace {

using Kind = Field::Kind;

constexpr std::array<std::pair<const char*, Kind>, 10> kPlain{{{"trial", Kind::number},
                                                              {"state", Kind::state},
                                                              {"cause", Kind::cause},
                                                              {"reason", Kind::reason},
                                                              {"epochs", Kind::epochs},
                                                              {"seconds", Kind::seconds},
                                                              {"time", Kind::seconds},
                                                              {"attempts", Kind::attempts},
                                                              {"objective", Kind::objective},
                                                              {"number", Kind::number}}};

void collect(const Json& value, const std::string& path, std::map<std::string, Json>& out, bool may_choose = true) {
  if (!value.is_object()) {
    if (!value.is_null()) out[path] = value;
    return;
  }
  if (value.contains("same")) return;
  if (const auto tune = value.find("tune"); tune != value.end()) {
    // What is searched by name keeps the settings of each name below it.
    if (!tune->is_object() || tune->contains("from")) return;
    for (const auto& [name, below] : tune->items()) collect(below, path + "." + name, out);
    return;
  }
  // A choice is a map of one name: {sgd: {...}}. A node's block is no choice: `block` says which one it is.
  if (may_choose && value.size() == 1 && value.begin()->is_object() && !value.begin()->contains("tune")) out[path] = value.begin().key();
  for (const auto& [key, below] : value.items()) collect(below, path.empty() ? key : path + "." + key, out);
}

/// False if a part of the path is the name of something that this trial has not chosen.
bool is_chosen(const TrialRecord& trial, const std::string& path) {
  for (const auto& [axis, value] : trial.settings) {
    if (!value.is_string()) continue;
    std::string stem = axis;
    for (const char* kind : {".block", ".head"})
      if (stem.ends_with(kind)) stem.resize(stem.size() - std::char_traits<char>::length(kind));
    if (!path.starts_with(stem + ".")) continue;
    const std::string rest = path.substr(stem.size() + 1);
    const std::string next = rest.substr(0, rest.find('.'));
    // Beside the blocks of a node stand settings of the node itself, which have no dot behind them.
    if (next != value.get<std::string>() && next.size() < rest.size()) return false;
  }
  return true;
}

/// "trunk.depth" of "trunk.resnet.depth".
std::string without_block(const std::string& path) {
  const size_t first = path.find('.');
  const size_t second = first == std::string::npos ? first : path.find('.', first + 1);
  return second == std::string::npos ? "" : path.substr(0, first) + path.substr(second);
}

template <class Names, class Fits>
std::vector<std::string> picked(const Names& names, const Fits& fits) {
  std::vector<std::string> out;
  std::ranges::copy_if(names, std::back_inserter(out), fits);
  return out;
}

}  // namespace

std::map<std::string, Json> fixed_settings(const Json& resolved) {
  std::map<std::string, Json> out;
  if (!resolved.is_object()) return out;
  for (const auto& [section, value] : resolved.items()) {
    // Nodes are called without `graph.`; what `search` says below its tuner is no setting of a trial, but may differ.
    if (section != "graph") collect(value, section, out);
    else
      for (const auto& [node, parts] : value.items())
        for (const auto& [key, below] : parts.items()) collect(below, node + "." + key, out, false);
  }
  return out;
}

std::map<std::string, Json> fixed_settings(const Store& store) { return fixed_settings(store.info("identity").value_or(Json())); }

Json setting_of(const TrialRecord& trial, const std::map<std::string, Json>& fixed, const std::string& path) {
  if (const auto own = trial.settings.find(path); own != trial.settings.end()) return own->second;
  const auto found = fixed.find(path);
  return found != fixed.end() && is_chosen(trial, path) ? found->second : Json();
}

Fields::Fields(const Store& store, const std::vector<TrialRecord>& trials, const Objective& objective)
    : metric_(objective.metric), fixed_(fixed_settings(store)) {
  for (const TrialRecord& trial : trials) {
    for (const auto& [name, value] : trial.settings) searched_.insert(name);
    for (const auto& [name, value] : trial.scores) scores_.insert(name);
  }
  if (!metric_.empty()) scores_.insert(metric_);
}

std::optional<Field> Fields::find(const std::string& name) const {
  // A study that predicts the time of trainings means that by it, as its pipeline does; `seconds` are what they took.
  const bool is_measure = find_measure(name) != nullptr && scores_.contains(name);
  for (const auto& [word, kind] : kPlain)
    if (name == word && !is_measure) return Field{.kind = kind, .name = name};
  if (scores_.contains(name)) return Field{.kind = Kind::score, .name = name};
  if (searched_.contains(name) || fixed_.contains(name)) return Field{.kind = Kind::setting, .name = name, .paths = {name}};
  std::vector<std::string> all(searched_.begin(), searched_.end());
  for (const auto& [path, value] : fixed_) all.push_back(path);
  // Of the blocks that a node may have a trial has one, so all may stand for it.
  if (auto paths = picked(all, [&](const std::string& path) { return without_block(path) == name; }); !paths.empty())
    return Field{.kind = Kind::setting, .name = name, .paths = std::move(paths)};
  const auto ends_so = [&](const std::string& path) { return path.ends_with("." + name); };
  std::vector<std::string> paths = picked(searched_, ends_so);
  if (paths.empty()) paths = picked(all, ends_so);
  if (paths.size() > 1) fail("E0704", fmt::format("'{}' may stand for {}", name, join(paths, " or ")), "write it in full");
  if (paths.empty()) return std::nullopt;
  return Field{.kind = Kind::setting, .name = name, .paths = std::move(paths)};
}

Json Fields::value(const TrialRecord& trial, const Field& field) const {
  const auto text = [](const std::string& word) { return word.empty() ? Json() : Json(word); };
  switch (field.kind) {
    case Kind::number: return trial.number;
    case Kind::state: return to_string(trial.state);
    case Kind::cause: return text(trial.cause);
    case Kind::reason: return text(trial.reason);
    case Kind::epochs: return trial.epochs;
    case Kind::seconds: return trial.seconds;
    case Kind::attempts: return trial.attempts;
    case Kind::objective: return trial.objective ? Json(*trial.objective) : Json();
    case Kind::score: {
      if (const auto found = trial.scores.find(field.name); found != trial.scores.end()) return found->second;
      return field.name == metric_ && trial.objective ? Json(*trial.objective) : Json();
    }
    case Kind::setting: break;
  }
  for (const std::string& path : field.paths)
    if (Json found = setting_of(trial, fixed_, path); !found.is_null()) return found;
  return {};
}

std::vector<std::string> Fields::common() const {
  std::vector<std::string> out(searched_.begin(), searched_.end());
  out.insert(out.end(), scores_.begin(), scores_.end());
  for (const auto& [word, kind] : kPlain)
    if (std::string(word) != "number") out.emplace_back(word);
  return out;
}

std::string Fields::near(const std::string& word) const {
  std::vector<std::string> names = common();
  for (const std::string& path : searched_) names.push_back(path.substr(path.rfind('.') + 1));
  if (std::string found = nearest(word, names); !found.empty()) return found;
  names.clear();
  for (const auto& [path, value] : fixed_) names.push_back(path);
  return nearest(word, names);
}

}  // namespace espalier::cli
