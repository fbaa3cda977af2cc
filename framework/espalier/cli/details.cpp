#include "espalier/cli/details.h"

#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace espalier::cli {

namespace {

/// What an evaluation says of one head: by itself where there is only one.
Json of_head(const Json& scores, const char* what, const std::string& head) {
  const Json found = scores.value(what, Json());
  return found.is_object() ? found.value(head, Json::array()) : found;
}

std::string score(const Json& row, const char* name) { return format_score(row.at(name).get<double>()); }

/// "dog (12)": the class that this one is most often taken for.
std::string taken_for(const Json& confusion, size_t row, const Json& classes) {
  if (!confusion.is_array() || row >= confusion.size()) return "-";
  size_t most = row;
  for (size_t k = 0; k < confusion[row].size(); ++k)
    if (k != row && (most == row || confusion[row][k] > confusion[row][most])) most = k;
  if (most == row || confusion[row][most] == 0) return "-";
  return fmt::format("{} ({})", classes[most].at("name").get<std::string>(), confusion[row][most].dump());
}

void print_classes(const Json& classes, const Json& confusion, const std::string& head) {
  Table table{.headers = {head, "precision", "recall", "f1", "samples", "taken for"}};
  for (size_t k = 0; k < classes.size(); ++k) {
    const Json& row = classes[k];
    table.rows.push_back({row.at("name").get<std::string>(), score(row, "precision"), score(row, "recall"), score(row, "f1"),
                          row.at("samples").dump(), taken_for(confusion, k, classes)});
  }
  fmt::print("\n{}", render(table, terminal_width(stdout)));
}

void print_ranges(const Json& ranges, const std::string& head) {
  Table table{.headers = {head, "samples", "bias", "mae", "rmse"}};
  for (const Json& row : ranges) {
    const std::string range = fmt::format("{} to {}", format_number(row.at("from").get<double>()), format_number(row.at("to").get<double>()));
    table.rows.push_back({row.contains("name") ? row["name"].get<std::string>() + ": " + range : range, row.at("samples").dump(),
                          score(row, "bias"), score(row, "mae"), score(row, "rmse")});
  }
  fmt::print("\n{}", render(table, terminal_width(stdout)));
}

}  // namespace

void print_details(const Json& scores, const Json& trial_document) {
  const Json network = trial_document.value("network", Json::object());
  const Json outputs = network.value("outputs", Json::array());
  for (const Json& output : outputs) {
    const std::string head = output.value("head", "");
    if (const Json classes = of_head(scores, "by_class", head); !classes.empty()) print_classes(classes, of_head(scores, "confusion", head), head);
    if (const Json ranges = of_head(scores, "by_range", head); !ranges.empty()) print_ranges(ranges, head);
  }
}

}  // namespace espalier::cli
