// The sections data, search and run of a layer: their keys are fixed, and nothing in them is searched.
#include "espalier/pipeline/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace espalier {

namespace {

/// The keys of every map in `data`, `search` and `run` whose keys are fixed.
const std::map<std::string, std::vector<std::string>>& section_keys() {
  static const std::map<std::string, std::vector<std::string>> kKeys = {
      {"data", {"columns", "dataset", "prepare", "reader", "seed", "split", "strict", "take", "where"}},
      {"data.split", {"group", "stratify", "test", "validation"}},
      {"data.take", {"test", "train"}},
      {"search", {"budget", "constraints", "ensemble", "first", "limits", "objective", "order", "refit", "replicates", "scheduler",
                  "tuner"}},
      {"search.budget", {"epochs", "time", "trials"}},
      {"search.limits", {"memory", "time"}},
      {"run", {"cache", "cluster", "folder", "keep", "store", "workers"}},
      {"run.cache", {"features", "folder", "quota"}},
      {"run.keep", {"checkpoints", "quota"}},
  };
  return kKeys;
}

/// Places in the sections that hold a choice, and of what.
std::string choice_kind(const std::string& path) {
  if (path == "data.reader") return "reader";
  if (path == "search.tuner") return "tuner";
  if (path == "search.scheduler") return "scheduler";
  if (path == "search.order") return "order";
  if (path.rfind("data.columns.", 0) == 0 && path.find('.', 13) == std::string::npos) return "column kind";
  return "";
}

}  // namespace

void LayerReader::section(const std::string& path, const Tree& tree) {
  const auto keys = section_keys().find(path);
  for (const Member& member : tree.members) {
    if (is_note(member.key)) continue;
    if (keys != section_keys().end() && std::ranges::find(keys->second, member.key) == keys->second.end() && member.key != "tune")
      unknown("E0203", fmt::format("unknown key '{}' of {}", member.key, path), member, keys->second, path);
    else
      section_value(path + "." + member.key, member);
  }
}

void LayerReader::section_value(const std::string& path, const Member& member) {
  const Tree& tree = member.value;
  if (take_away(path, tree)) return;
  if (member.key == "tune" || (tree.is_map() && tree.find("tune") != nullptr)) {
    const std::string what = member.key == "tune" ? path.substr(0, path.rfind('.')) : path;
    return problems_.add("E0401", fmt::format("{} cannot be searched: only settings in 'graph' and 'train' can", what), tree.place);
  }
  if (const std::string kind = choice_kind(path); !kind.empty()) return choice(kind, path, path + ".", tree);
  if (section_keys().contains(path)) {
    if (tree.is_map()) return section(path, tree);
    store(path, tree, true);  // so that it is there, if wrong
    return problems_.add("E0201", fmt::format("{} is a map", path), tree.place);
  }
  if (tree.is_map() && tree.as_path && !tree.members.empty() && assignments_.find(path) != nullptr) return list_by_index(path, tree);
  if (tree.is_map() && (path == "data.columns" || path.rfind("run.", 0) == 0)) return section(path, tree);
  store(path, tree, true);
}

void LayerReader::list_by_index(const std::string& path, const Tree& tree) {
  Leaf& leaf = *assignments_.edit(path);
  if (!leaf.value.is_list()) return store(path, tree, true);
  for (const Member& member : tree.members) {
    const bool digits = !member.key.empty() && std::ranges::all_of(member.key, [](char c) { return c >= '0' && c <= '9'; });
    const size_t index = digits && member.key.size() < 6 ? std::stoul(member.key) : SIZE_MAX;
    if (index > leaf.value.items.size())
      problems_.add("E0604", fmt::format("{} has no item {}: it has {}, so the next is {}", path, member.key, leaf.value.items.size(),
                                         leaf.value.items.size()), member.place);
    else if (member.value.is_nothing() && index < leaf.value.items.size())
      leaf.value.items.erase(leaf.value.items.begin() + static_cast<std::ptrdiff_t>(index));
    else if (index == leaf.value.items.size()) leaf.value.items.push_back(member.value);
    else leaf.value.items[index] = member.value;
    leaf.origin = origin_;
  }
}

}  // namespace espalier
