// What is searched: from {tune: ...} to the axes of the space.
#include "espalier/pipeline/resolve.h"
#include "espalier/pipeline/scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {

namespace {

/// {"tune": [...]} or {"tune": {"from": ...}}: how a searched setting stands in the resolved pipeline.
Json describe(const Axis& axis) {
  if (!axis.choices.empty()) return {{"tune", axis.choices}};
  Json range = {{"from", axis.integer ? Json(std::llround(axis.from)) : Json(axis.from)},
                {"to", axis.integer ? Json(std::llround(axis.to)) : Json(axis.to)}};
  if (axis.log) range["log"] = true;
  if (axis.step) range["step"] = *axis.step;
  return {{"tune", range}};
}

bool is_number(Type type) { return type == Type::integer || type == Type::number; }

/// The default if it is among the values, else the nearest one; words: the first listed.
Json first_value(const Axis& axis, const Json& fallback) {
  if (axis.choices.empty()) return nearest_value(axis, fallback.is_number() ? fallback.get<double>() : axis.from);
  if (std::ranges::find(axis.choices, fallback) != axis.choices.end()) return fallback;
  return axis.ordered && fallback.is_number() ? nearest_value(axis, fallback.get<double>()) : axis.choices.front();
}

}  // namespace

Json Resolver::tuned(const SettingType& type, const std::string& path, const Tree& map, const Gate& gate) {
  if (map.members.size() > 1) {
    problems_.add("E0205", fmt::format("{} takes one of {{tune: ...}} and {{same: NAME}}, alone", path), map.members[1].place);
    return type.fallback;
  }
  if (const Tree* same = map.find("same")) {
    ties_[path] = {same->text, same->place};
    return {{"same", same->text}};
  }
  const Tree& tune = *map.find("tune");
  if (tune.is_list()) return listed(type, path, tune, gate);
  if (tune.is_map()) return ranged(type, path, tune, gate);
  if (tune.text == "all" && type.domain.searchable()) return freed(type, path, gate);
  if (tune.text == "all")
    problems_.add("E0405", fmt::format("{} has no declared domain; give a list or a range", path), tune.place);
  else
    problems_.add("E0202", fmt::format("{} is searched by a list, a range {{from: A, to: B}} or all, not '{}'", path, tune.text), tune.place);
  return type.fallback;
}

Json Resolver::listed(const SettingType& type, const std::string& path, const Tree& items, const Gate& gate) {
  Axis axis{.name = path, .choices = {}, .ordered = is_number(type.type)};
  for (const Tree& item : items.items) {
    std::optional<Json> one;
    if (type.type == Type::list && item.is_list()) {
      one = Json::array();
      for (const Tree& part : item.items)
        if (const auto read = read_scalar(type.item.at(0).type, path, part, problems_);
            read && is_legal(type.item.at(0), *read, path, part.place, problems_))
          one->push_back(*read);
    } else {
      one = read_scalar(type.type, path, item, problems_);
      if (one && !is_legal(type, *one, path, item.place, problems_)) one.reset();
    }
    if (!one) continue;
    if (std::ranges::find(axis.choices, *one) != axis.choices.end())
      problems_.add("E0403", fmt::format("{} lists {} twice", path, show_value(*one)), item.place);
    else axis.choices.push_back(*one);
  }
  if (items.items.empty()) problems_.add("E0403", fmt::format("{} has nothing to choose from: the list is empty", path), items.place);
  if (axis.choices.empty()) return type.fallback;
  if (axis.choices.size() == 1) return axis.choices.front();
  if (axis.ordered) std::ranges::sort(axis.choices, {}, [](const Json& v) { return v.get<double>(); });
  return add_axis(std::move(axis), type, gate);
}

Json Resolver::ranged(const SettingType& type, const std::string& path, const Tree& range, const Gate& gate) {
  if (!is_number(type.type)) {
    problems_.add("E0403", fmt::format("{} has no order; list its values: {{tune: [A, B]}}", path), range.place);
    return type.fallback;
  }
  Axis axis{.name = path, .choices = {}, .ordered = false, .from = 0, .to = 0, .integer = type.type == Type::integer};
  bool good = true;
  for (const std::string end : {"from", "to"}) {
    const Tree* tree = range.find(end);
    if (tree == nullptr) problems_.add("E0403", fmt::format("the range of {} has no '{}'", path, end), range.place);
    const std::optional<Json> read = tree != nullptr ? read_scalar(type.type, path + ".tune." + end, *tree, problems_) : std::nullopt;
    if (!read || !is_legal(type, *read, path, tree->place, problems_)) good = false;
    else (end == "from" ? axis.from : axis.to) = read->get<double>();
  }
  for (const Member& member : range.members) {
    if (member.key == "log") axis.log = read_scalar(Type::boolean, path + ".tune.log", member.value, problems_).value_or(Json(false)).get<bool>();
    else if (member.key == "step") {
      if (const auto step = read_scalar(Type::number, path + ".tune.step", member.value, problems_)) axis.step = step->get<double>();
    } else if (member.key != "from" && member.key != "to")
      problems_.add("E0203", fmt::format("unknown key '{}' of a range; it takes: from, to, log, step", member.key), member.place);
  }
  if (!good) return type.fallback;
  if (axis.log && axis.from <= 0.0)
    problems_.add("E0402", fmt::format("a range with 'log: true' starts above 0, not at {:g}; for zero or more, list choices", axis.from),
                  range.find("from")->place);
  else if (axis.from >= axis.to)
    problems_.add("E0402", fmt::format("the range of {} starts at {:g} and ends at {:g}: 'from' is below 'to'", path, axis.from, axis.to),
                  range.find("from")->place);
  else if (axis.step && (*axis.step <= 0.0 || (axis.log && *axis.step <= 1.0)))
    problems_.add("E0402", fmt::format("the step of {} is above {}", path, axis.log ? "1: it is a factor" : "0"), range.find("step")->place);
  else return add_axis(std::move(axis), type, gate);
  return type.fallback;
}

Json Resolver::freed(const SettingType& type, const std::string& path, const Gate& gate) {
  note_freed(path);
  Axis axis{.name = path, .choices = type.domain.choices, .ordered = is_number(type.type), .from = 0, .to = 0,
            .integer = type.type == Type::integer, .log = type.domain.log, .step = type.domain.step};
  if (axis.choices.size() == 1) return axis.choices.front();
  if (axis.choices.empty()) {
    axis.ordered = false;
    axis.from = *type.domain.from;
    axis.to = type.domain.to.value_or(axis.from);
  } else if (axis.ordered) {
    std::ranges::sort(axis.choices, {}, [](const Json& v) { return v.get<double>(); });
  }
  return add_axis(std::move(axis), type, gate);
}

Json Resolver::add_axis(Axis axis, const SettingType& type, const Gate& gate) {
  axis.first = first_value(axis, type.fallback);
  axis.parent = gate.parent;
  axis.parent_values = gate.values;
  pipeline_.space.axes.push_back(axis);
  return describe(axis);
}

}  // namespace espalier
