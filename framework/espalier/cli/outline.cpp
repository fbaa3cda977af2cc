#include "espalier/cli/outline.h"

#include "espalier/cli/terminal.h"
#include "espalier/pipeline/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::cli {

namespace {

constexpr size_t kListed = 8;

struct Line {
  std::string name;
  std::string values;
};

/// Cuts "a, b, c" into lines of at most `width` columns, at commas.
std::vector<std::string> wrapped(const std::string& text, int width) {
  std::vector<std::string> out = {""};
  for (size_t start = 0; start < text.size();) {
    const size_t comma = text.find(", ", start);
    const std::string part = text.substr(start, comma == std::string::npos ? comma : comma + 2 - start);
    if (!out.back().empty() && display_width(out.back() + part) > width) out.emplace_back();
    out.back() += part;
    start += part.size();
  }
  return out;
}

std::string joined(const std::vector<Json>& values) {
  std::vector<std::string> words;
  for (const Json& value : values) words.push_back(format_value(value));
  return join(words);
}

/// The axes below `parent` while it has `value`, those below them indented further.
void add_axes(const Space& space, const std::string& parent, const std::vector<Json>& value, size_t indent, std::vector<Line>& out) {
  const std::string prefix(indent, ' ');
  for (const Axis& axis : space.axes) {
    if (axis.parent != parent || axis.parent_values != value) continue;
    const std::string name = parent.empty() ? axis.name : name_below(axis.name, parent, joined(value));
    out.push_back({prefix + name, describe_axis(axis)});
    std::vector<std::vector<Json>> told;
    for (const Axis& child : space.axes) {
      if (child.parent != axis.name || std::ranges::find(told, child.parent_values) != told.end()) continue;
      told.push_back(child.parent_values);
      out.push_back({prefix + "  if " + joined(child.parent_values), ""});
      add_axes(space, axis.name, child.parent_values, indent + 4, out);
    }
  }
}

std::string flow(const Json& value) {
  std::vector<std::string> parts;
  if (value.is_object())
    for (const auto& [key, below] : value.items()) parts.push_back(key + ": " + flow(below));
  else if (value.is_array())
    for (const Json& item : value) parts.push_back(flow(item));
  else if (value.is_string()) {
    const auto text = value.get<std::string>();
    const bool plain = !text.empty() && text.find_first_of(":#[]{},&*!|>'\"%@`\n~") == std::string::npos && text.front() != ' ' &&
                       text.front() != '-' && text.front() != '?' && text.back() != ' ' && text != "null";
    return plain ? text : value.dump();
  } else return value.is_null() ? "~" : value.is_number_float() ? fmt::format("{}", value.get<double>()) : value.dump();
  return (value.is_object() ? "{" : "[") + join(parts) + (value.is_object() ? "}" : "]");
}

/// A file without its folders, which say little and take a line: "cifar10_classifier.yaml:9:18".
std::string brief(const std::string& origin) {
  const size_t slash = origin.rfind('/');
  return slash == std::string::npos || origin.rfind("variant", 0) == 0 ? origin : origin.substr(slash + 1);
}

/// Writes a resolved value as block YAML.
class Writer {
 public:
  Writer(const Pipeline& pipeline, int width) : pipeline_(pipeline), width_(width) {}

  void write(const std::string& key, const Json& value, const std::string& path, int indent) {
    const std::string head = std::string(static_cast<size_t>(indent), ' ') + key + ":";
    if (value.is_object() && !value.empty() && !is_leaf(value)) {
      out_ += head + "\n";
      return below(value, path, indent + 2);
    }
    const bool maps = value.is_array() && !value.empty() && value.front().is_object();
    if (!maps) return line(head + " " + flow(value), path);
    line(head, path);
    for (const Json& item : value) {
      std::string bullet = "- ";
      for (const auto& [name, one] : item.items()) {
        out_ += std::string(static_cast<size_t>(indent) + 2, ' ') + bullet + name + ": " + flow(one) + "\n";
        bullet = "  ";
      }
    }
  }

  void below(const Json& value, const std::string& path, int indent) {
    for (const auto& [key, child] : value.items()) {
      // What is searched by name keeps its settings under `tune`, of which paths know nothing.
      const std::string inner = key == "tune" && child.is_object() ? path : path.empty() || path == "graph" ? key : path + "." + key;
      write(key, child, inner, indent);
    }
  }

  const std::string& text() const { return out_; }

 private:
  static bool is_leaf(const Json& value) {
    if (value.contains("same")) return true;
    const auto tune = value.find("tune");
    return tune != value.end() && value.size() == 1 && (tune->is_array() || (tune->contains("from") && tune->at("from").is_number()));
  }

  void line(const std::string& text, const std::string& path) {
    constexpr int kColumn = 44;
    const std::string origin = "# " + brief(origin_of(pipeline_, path));
    const int used = std::max(display_width(text) + 2, kColumn);
    const bool fits = used + display_width(origin) <= width_;
    const size_t indent = text.find_first_not_of(' ');
    if (!fits) out_ += std::string(indent, ' ') + origin + "\n";
    out_ += text + (fits ? std::string(static_cast<size_t>(used - display_width(text)), ' ') + origin : "") + "\n";
  }

  const Pipeline& pipeline_;
  int width_;
  std::string out_;
};

}  // namespace

std::string describe_axis(const Axis& axis) {
  const std::vector<Json> finite = values(axis);
  const bool range = axis.choices.empty();
  if (!finite.empty() && (finite.size() <= kListed || (!range && !axis.ordered))) return joined(finite);
  if (!range) return fmt::format("{} to {}, {} values", format_value(finite.front()), format_value(finite.back()), finite.size());
  return fmt::format("{} to {}{}{}", format_number(axis.from), format_number(axis.to), axis.log ? ", log" : "",
                     axis.step ? fmt::format(", step {}", format_number(*axis.step)) : "");
}

std::string space_outline(const Space& space, int width) {
  std::vector<Line> lines = {{"setting", "values"}};
  add_axes(space, "", {}, 0, lines);
  int names = 0;
  for (const Line& line : lines) names = std::max(names, display_width(line.name));
  names = std::min(names, width / 2 + width / 8);
  std::string out;
  for (const Line& line : lines) {
    std::string name = line.name;
    // A name that is too long has a line of its own: cut, nobody could set it.
    if (display_width(name) > names) out += name + "\n", name.clear();
    for (const std::string& part : wrapped(line.values, width - names - 2)) {
      std::string row = fmt::format("{:<{}}  {}", name, names, part);
      row.erase(row.find_last_not_of(' ') + 1);
      if (!row.empty()) out += row + "\n";
      name.clear();
    }
  }
  return out;
}

std::string pipeline_outline(const Pipeline& pipeline, const std::string& path, int width) {
  Writer writer(pipeline, width);
  if (path.empty()) {
    writer.below(pipeline.resolved, "", 0);
    return writer.text();
  }
  // Nodes may be called without `graph.`.
  for (const bool in_graph : {false, true}) {
    const Json* at = in_graph ? &pipeline.resolved.at("graph") : &pipeline.resolved;
    std::string rest = path;
    while (at != nullptr && !rest.empty()) {
      if (at->is_object() && at->contains("tune") && at->at("tune").is_object()) at = &at->at("tune");
      const std::string key = rest.substr(0, rest.find('.'));
      rest = key.size() < rest.size() ? rest.substr(key.size() + 1) : "";
      const bool digits = key.size() < 6 && key.find_first_not_of("0123456789") == std::string::npos;
      if (at->is_array() && digits && std::stoul(key) < at->size()) at = &at->at(std::stoul(key));
      else at = at->is_object() && at->contains(key) ? &at->at(key) : nullptr;
    }
    if (at == nullptr) continue;
    writer.write(path, *at, path, 0);
    return writer.text();
  }
  return "";
}

std::string origin_of(const Pipeline& pipeline, std::string path) {
  for (;;) {
    for (const std::string& name : {path, path.rfind("graph.", 0) == 0 ? path.substr(6) : path})
      if (const auto found = pipeline.origins.find(name); found != pipeline.origins.end()) return found->second.source;
    const size_t dot = path.rfind('.');
    if (dot == std::string::npos) return "default";
    path.resize(dot);
  }
}

}  // namespace espalier::cli
