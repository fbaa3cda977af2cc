#include "espalier/pipeline/layer.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

constexpr size_t kMostNodes = 1000;

std::string plural(const std::string& kind) { return kind + (kind.ends_with("s") || kind.ends_with("x") ? "es" : "s"); }

std::string article(const std::string& noun) { return (std::string("aeiou").find(noun[0]) != std::string::npos ? "an " : "a ") + noun; }

std::vector<std::string> setting_names(const Declaration& declaration) {
  std::vector<std::string> out;
  for (const SettingType& type : declaration) out.push_back(type.name);
  std::ranges::sort(out);
  return out;
}

const SettingType* find_setting(const Declaration& declaration, const std::string& name) {
  for (const SettingType& type : declaration)
    if (type.name == name) return &type;
  return nullptr;
}

bool is_scope_word(const Tree& tree) { return tree.is_scalar() && (tree.text == "all" || tree.text == "none"); }

}  // namespace

bool is_note(const std::string& key) { return key.rfind("x-", 0) == 0; }

bool is_reserved(const std::string& name) {
  static const std::vector<std::string> kReserved = {
      "data", "graph", "train", "search", "include", "variants", "run", "seed", "tune", "same", "repeat", "of", "all", "none", "auto",
      "and", "or", "not", "in", "missing", "true", "false", "null", "yes", "no", "on", "off"};
  return std::ranges::find(kReserved, name) != kReserved.end();
}

bool is_name(const std::string& text) {
  constexpr size_t kLongest = 64;
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= kLongest && text[0] >= 'a' && text[0] <= 'z' && std::ranges::all_of(text, fits);
}

Selection selection_of(const Tree& tree) {
  if (tree.is_scalar()) return {.names = {{tree.text, tree.place}}};
  Selection out;
  if (!tree.is_map() || tree.members.empty()) return out;
  if (const Tree* same = tree.find("same"); same != nullptr && same->is_scalar()) return {.names = {}, .same = same->text};
  const Tree* tune = tree.find("tune");
  if (tune == nullptr) return {.names = {{tree.members[0].key, tree.members[0].place}}};
  if (tune->is_scalar() && tune->text == "all") return {.names = {}, .searched = true, .freed = true};
  for (const Tree& item : tune->items) {
    const Selection one = selection_of(item);
    out.names.insert(out.names.end(), one.names.begin(), one.names.end());
  }
  for (const Member& member : tune->members) out.names.emplace_back(member.key, member.place);
  out.searched = out.names.size() > 1;
  return out;
}

std::string LayerReader::origin_of(const Tree& tree) const {
  if (!tree.place.source || tree.place.line == 0 || origin_.rfind("file", 0) != 0) return origin_;
  return fmt::format("{}:{}:{}", tree.place.source->name, tree.place.line, tree.place.column);
}

void LayerReader::store(const std::string& path, const Tree& tree, bool whole) {
  if (whole) assignments_.replace(path, tree, origin_of(tree));
  else assignments_.assign(path, tree, origin_of(tree));
}

bool LayerReader::take_away(const std::string& path, const Tree& tree) {
  if (!tree.is_nothing()) return false;
  if (!tree.missing && !assignments_.remove(path))
    problems_.add("E0603", fmt::format("nothing to remove at {}: no lower layer sets it", path), tree.place);
  return true;
}

void LayerReader::unknown(const std::string& code, const std::string& what, const Member& member, std::vector<std::string> names,
                          const std::string& owner) {
  const std::string near = nearest(member.key, names);
  problems_.add(code, what, member.place, near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                {names.empty() ? fmt::format("{} takes no settings", owner) : fmt::format("{} takes: {}", owner, join(names))});
}

void LayerReader::read(const Tree& tree, const std::string& origin) {
  origin_ = origin;
  if (!tree.is_map()) {
    problems_.add("E0201", "a pipeline is a map with 'data' and 'graph'", tree.place);
    return;
  }
  for (const Member& member : tree.members) {
    const std::string& key = member.key;
    if (is_note(key) || key == "include" || key == "variants") continue;
    if (key == "graph") {
      if (!take_away("graph", member.value)) graph(member.value);
    } else if (key == "train") {
      if (!take_away("train", member.value)) settings(train_declaration(), "train", member.value, "train");
    } else if (key == "data" || key == "search" || key == "run") {
      section_value(key, member);
    } else if (key == "seed") {
      if (!take_away("seed", member.value)) store("seed", member.value, true);
    } else {
      unknown("E0203", fmt::format("unknown key '{}'", key), member,
              {"data", "graph", "include", "run", "search", "seed", "train", "variants"}, "a pipeline");
    }
  }
}

void LayerReader::graph(const Tree& tree) {
  if (!tree.is_map()) return store("graph", tree, true), problems_.add("E0201", "graph is a map from names to nodes", tree.place);
  for (const Member& member : tree.members) {
    if (is_note(member.key)) continue;
    if (member.key == "tune") {
      if (!is_scope_word(member.value)) problems_.add("E0202", "graph.tune takes all or none", member.value.place);
      else store("graph.tune", member.value, true);
    } else if (!is_name(member.key) || is_reserved(member.key)) {
      problems_.add("E0204", fmt::format("'{}' cannot be the name of a node: {}", member.key,
                                         is_reserved(member.key) ? "it has a meaning of its own"
                                                                 : "a name is a to z, 0 to 9 and _, at most 64, and begins with a letter"),
                    member.place);
    } else if (!take_away(member.key, member.value)) {
      node(member.key, member);
    }
  }
}

void LayerReader::node(const std::string& name, const Member& member) {
  const Tree& tree = member.value;
  const std::string shape = "write {block: NAME, from: INPUT} or {head: NAME, from: INPUT}";
  if (!tree.is_map()) return problems_.add("E0201", fmt::format("node '{}' is a map", name), tree.place, shape);
  const bool exists = assignments_.find(name) != nullptr;
  if (tree.as_path && !exists && tree.find("block") == nullptr && tree.find("head") == nullptr) {
    std::vector<std::string> known = assignments_.nodes();
    known.insert(known.end(), {"data", "train", "search", "run", "seed"});
    const std::string near = nearest(name, known);
    return problems_.add("E0602", fmt::format("'{}' is neither a node nor a section", name), member.place,
                         near.empty() ? "" : fmt::format("did you mean '{}'?", near), {"there are: " + join(known)});
  }
  Tree marker{.is = Tree::Is::scalar, .text = name, .place = member.place};
  marker.place.length = static_cast<int>(name.size());
  if (!exists && assignments_.nodes().size() == kMostNodes) {
    problems_.add("E0102", fmt::format("a graph has at most {} nodes", kMostNodes), member.place);
    problems_.raise();
  }
  assignments_.add_node(name, marker, origin_of(tree));
  for (const std::string kind : {"block", "head"}) {
    const Tree* value = tree.find(kind);
    if (value != nullptr && value->missing) return;
    if (value != nullptr && !take_away(name + "." + kind, *value)) choice(kind, name + "." + kind, name + ".", *value);
  }
  const bool is_block = assignments_.find(name + ".block") != nullptr;
  const bool is_head = assignments_.find(name + ".head") != nullptr;
  if (is_block == is_head)
    return problems_.add(is_block ? "E0302" : "E0301",
                         fmt::format("node '{}' has {}", name, is_block ? "both a block and a head" : "neither a block nor a head"),
                         member.place, shape);
  for (const Member& part : tree.members)
    if (!is_note(part.key) && part.key != "block" && part.key != "head") node_setting(name, is_block ? "block" : "head", part);
}

void LayerReader::node_setting(const std::string& name, const std::string& kind, const Member& member) {
  const std::string path = name + "." + member.key;
  if (member.key == "from") {
    if (!take_away(path, member.value)) store(path, member.value, true);
    return;
  }
  if (member.key == "tune") {
    if (!is_scope_word(member.value)) problems_.add("E0202", fmt::format("{} takes all or none", path), member.value.place);
    else store(path, member.value, true);
    return;
  }
  const bool plain = !member.value.is_map() || member.value.find("tune") != nullptr || member.value.find("same") != nullptr;
  if (kind == "block" && member.key == "freeze" && !plain) return freeze(path, member.value);
  const Declaration& common = kind == "block" ? common_block_settings() : common_head_settings();
  if (const SettingType* type = find_setting(common, member.key)) return setting(*type, path, path + ".", member.value);
  const Selection selection = selection_of(assignments_.find(name + "." + kind)->value);
  const bool fixed = selection.names.size() == 1;
  const Declaration* own = fixed ? catalogue_.find(kind, selection.names[0].first) : nullptr;
  if (fixed && own == nullptr) return;  // the unknown block has been told
  if (own != nullptr) {
    if (const SettingType* type = find_setting(*own, member.key)) {
      const std::string full = name + "." + selection.names[0].first + "." + member.key;
      return setting(*type, full, full + ".", member.value);
    }
  }
  if (catalogue_.find(kind, member.key) != nullptr && !(fixed && !member.value.is_map())) return chosen(kind, member, name + ".");
  if (!fixed) {
    std::vector<std::string> written;
    for (const auto& [option, place] : selection.names) written.push_back(option + ": {}");
    if (!written.empty()) written.back() = fmt::format("{}: {{{}: ...}}", selection.names.back().first, member.key);
    return problems_.add("E0206", fmt::format("the {} of '{}' is searched, so '{}' has no owner; write {{tune: {{{}}}}}", kind, name,
                                              member.key, join(written)), member.place);
  }
  std::vector<std::string> all = setting_names(*own);
  for (const SettingType& type : common) all.push_back(type.name);
  std::ranges::sort(all);
  unknown("E0203", fmt::format("unknown setting '{}' of {} '{}'", member.key, kind, selection.names[0].first), member, all,
          selection.names[0].first);
}

void LayerReader::settings(const Declaration& declaration, const std::string& prefix, const Tree& tree, const std::string& owner) {
  if (!tree.is_map()) return problems_.add("E0201", fmt::format("{} takes a map of settings", prefix), tree.place);
  for (const Member& member : tree.members) {
    if (is_note(member.key)) continue;
    const std::string path = prefix + "." + member.key;
    if (member.key == "tune" && is_scope_word(member.value)) {
      store(path, member.value, true);
    } else if (path == "train.groups") {
      groups(member.value);
    } else if (const SettingType* type = find_setting(declaration, member.key)) {
      setting(*type, path, path + ".", member.value);
    } else {
      unknown("E0203", prefix == "train" ? fmt::format("unknown key '{}' of train", member.key)
                                         : fmt::format("unknown setting '{}' of {}", member.key, owner),
              member, setting_names(declaration), prefix.substr(prefix.rfind('.') + 1));
    }
  }
}

/// A map of a file replaces what was there; a word of the command line sets one of its keys.
void LayerReader::freeze(const std::string& path, const Tree& tree) {
  if (!tree.as_path || assignments_.find(path) != nullptr) assignments_.remove(path);
  settings(freeze_declaration(), path, tree, "freeze");
}

void LayerReader::groups(const Tree& tree) {
  if (take_away("train.groups", tree)) return;
  if (!tree.is_map()) return problems_.add("E0201", "train.groups is a map from names to groups of weights", tree.place);
  for (const Member& member : tree.members) {
    if (is_note(member.key)) continue;
    const std::string path = "train.groups." + member.key;
    if (!is_name(member.key)) {
      problems_.add("E0204", fmt::format("'{}' cannot be the name of a group: a name is a to z, 0 to 9 and _, and begins with a letter",
                                         member.key), member.place);
    } else if (!take_away(path, member.value)) {
      Tree own = member.value;
      std::erase_if(own.members, [](const Member& of) { return of.key == "scale"; });
      settings(group_declaration(), path, own, fmt::format("group '{}'", member.key));
      if (const Tree* scale = member.value.find("scale")) settings(scale_declaration(), path + ".scale", *scale, "scale");
    }
  }
}

void LayerReader::setting(const SettingType& type, const std::string& path, const std::string& prefix, const Tree& tree) {
  if (take_away(path, tree)) return;
  if (type.type == Type::list) return list(type, path, tree);
  if (type.type != Type::choice) return store(path, tree, true);
  // `epochs` is a number or a choice.
  const bool number = type.kind == "epochs" && ((tree.is_scalar() && tree.text != "auto") ||
                                                (tree.is_map() && (tree.find("tune") != nullptr || tree.find("same") != nullptr)));
  if (number) return store(path, tree, true);
  choice(type.kind, path, prefix, tree);
}

void LayerReader::choice(const std::string& kind, const std::string& path, const std::string& prefix, const Tree& tree) {
  if (tree.is_map() && tree.as_path && tree.find("tune") == nullptr && tree.find("same") == nullptr) {
    for (const Member& member : tree.members) chosen(kind, member, prefix);
    return;
  }
  const Selection selection = selection_of(tree);
  if (tree.is_list() || tree.members.size() > 1 || (selection.names.empty() && !selection.freed && selection.same.empty()))
    return problems_.add("E0205", fmt::format("{} takes one name of {}, or {{tune: [NAME, NAME]}}", path, article(kind)), tree.place, "",
                         {fmt::format("{}: {}", plural(kind), join(catalogue_.names(kind)))});
  store(path, tree, false);
  const Tree* tune = tree.find("tune");
  for (const auto& [name, place] : selection.names) {
    if (catalogue_.find(kind, name) != nullptr) continue;
    const std::vector<std::string> known = catalogue_.names(kind);
    const std::string near = nearest(name, known);
    Place at = place;
    at.length = static_cast<int>(name.size());
    problems_.add("E0304", fmt::format("there is no {} '{}'", kind, name), at, near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                  {fmt::format("{}: {}", plural(kind), known.empty() ? "none is installed" : join(known))});
  }
  if (tune == nullptr && tree.is_map() && selection.same.empty()) chosen(kind, tree.members[0], prefix);
  if (tune == nullptr) return;
  for (const Tree& item : tune->items)
    if (item.is_map() && item.members.size() == 1) chosen(kind, item.members[0], prefix);
  for (const Member& member : tune->members) chosen(kind, member, prefix);
}

void LayerReader::chosen(const std::string& kind, const Member& member, const std::string& prefix) {
  const Declaration* declaration = catalogue_.find(kind, member.key);
  if (declaration == nullptr) {
    if (member.value.as_path) {
      const std::vector<std::string> known = catalogue_.names(kind);
      const std::string near = nearest(member.key, known);
      problems_.add("E0304", fmt::format("there is no {} '{}'", kind, member.key), member.place,
                    near.empty() ? "" : fmt::format("did you mean '{}'?", near), {fmt::format("{}: {}", plural(kind), join(known))});
    }
    return;
  }
  if (take_away(prefix + member.key, member.value)) return;
  settings(*declaration, prefix + member.key, member.value, fmt::format("{} '{}'", kind, member.key));
}

void LayerReader::list(const SettingType& type, const std::string& path, const Tree& tree) {
  const SettingType& item = type.item.at(0);
  if (tree.is_map() && tree.as_path) {
    for (const Member& member : tree.members) {
      const std::string below = path + "." + member.key;
      if (member.key == "repeat") store(below, member.value, true);
      else setting(item, below, below + ".", member.value);
    }
    return;
  }
  store(path, tree, true);
  if (tree.is_map() && tree.find("repeat") != nullptr) {
    const Tree* of = tree.find("of");
    if (of == nullptr) return problems_.add("E0205", fmt::format("{} repeats nothing: write {{repeat: 3, of: VALUE}}", path), tree.place);
    store(path + ".repeat", *tree.find("repeat"), true);
    return setting(item, path + ".of", path + ".of.", *of);
  }
  if (tree.is_map()) return;  // chosen whole
  if (!tree.is_list()) return setting(item, path + ".0", path + ".0.", tree);
  for (size_t i = 0; i < tree.items.size(); ++i) {
    const std::string below = fmt::format("{}.{}", path, i);
    setting(item, below, below + ".", tree.items[i]);
  }
}

std::string LayerReader::full_path(const std::string& path) const {
  const std::string plain = path.rfind("graph.", 0) == 0 && path != "graph.tune" ? path.substr(6) : path;
  const size_t dot = plain.find('.');
  if (dot == std::string::npos) return plain;
  const std::string node = plain.substr(0, dot);
  const std::string key = plain.substr(dot + 1, plain.find('.', dot + 1) - dot - 1);
  for (const std::string kind : {"block", "head"}) {
    const Leaf* leaf = assignments_.find(node + "." + kind);
    if (leaf == nullptr) continue;
    const Selection selection = selection_of(leaf->value);
    if (selection.names.size() != 1) continue;
    const Declaration* declaration = catalogue_.find(kind, selection.names[0].first);
    if (declaration != nullptr && find_setting(*declaration, key) != nullptr)
      return node + "." + selection.names[0].first + plain.substr(dot);
  }
  return plain;
}

}  // namespace espalier
