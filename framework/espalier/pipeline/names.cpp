#include "espalier/pipeline/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

bool ends_in(const std::string& name, const std::string& parts) {
  return name == parts || name.ends_with("." + parts);
}

}  // namespace

std::map<std::string, std::string> short_names(const std::vector<std::string>& names) {
  std::map<std::string, std::string> out;
  for (const std::string& name : names) {
    std::string& parts = out[name];
    for (size_t end = name.size(); parts != name;) {
      const size_t dot = end == 0 ? std::string::npos : name.rfind('.', end - 1);
      parts = dot == std::string::npos ? name : name.substr(dot + 1);
      end = dot == std::string::npos ? 0 : dot;
      if (std::ranges::count_if(names, [&](const std::string& other) { return other != name && ends_in(other, parts); }) == 0) break;
    }
  }
  return out;
}

std::string name_below(const std::string& name, const std::string& parent, const std::string& value) {
  size_t common = 0;
  for (size_t i = 0; i <= std::min(name.size(), parent.size()); ++i) {
    const bool name_ends = i == name.size() || name[i] == '.';
    const bool parent_ends = i == parent.size() || parent[i] == '.';
    if (name_ends && parent_ends) common = i + 1;
    if (i == name.size() || i == parent.size() || name[i] != parent[i]) break;
  }
  std::string out = common < name.size() ? name.substr(common) : name;
  if (out.rfind(value + ".", 0) == 0) out.erase(0, value.size() + 1);
  return out;
}

std::string counted(size_t count, const std::string& noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

std::string counted_epochs(double epochs) { return fmt::format("{:.7g} {}", epochs, epochs == 1.0 ? "epoch" : "epochs"); }

bool holds(const Axis& axis, const Json& value) {
  if (!axis.choices.empty()) return std::ranges::find(axis.choices, value) != axis.choices.end();
  return value.is_number() && value.get<double>() >= axis.from && value.get<double>() <= axis.to;
}

}  // namespace espalier
