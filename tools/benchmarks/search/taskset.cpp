#include "taskset.h"

#include "espalier/error.h"
#include "file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <unordered_map>

namespace espalier::bench {

namespace {

namespace fs = std::filesystem;

/// All that was measured, one configuration a row.
struct Curves {
  Space space;
  std::vector<Settings> settings;
  std::vector<std::string> keys;
  std::unordered_map<std::string, size_t> row_of;
  std::vector<std::vector<double>> places;  ///< by row and axis, 0 to 1
  std::vector<std::vector<double>> losses;  ///< by row and step; NaN: diverged
};

/// How one column is searched: in its logarithm where it spans decades, and by its distance from 1 where that spans more.
struct Column {
  Axis axis;
  bool from_one = false;
};

Column column_of(const std::string& name, const std::vector<double>& values) {
  constexpr double kDecades = 1e3;
  const auto [least, most] = std::ranges::minmax(values);
  const double ratio = least > 0.0 ? most / least : 1.0;
  const double ratio_from_one = most < 1.0 ? (1.0 - least) / (1.0 - most) : 1.0;
  if (ratio_from_one > std::max(ratio, kDecades))
    return {.axis = {.name = "one_minus_" + name, .from = 1.0 - most, .to = 1.0 - least, .log = true}, .from_one = true};
  return {.axis = {.name = name, .from = least, .to = most, .log = ratio > kDecades}};
}

double place_on(const Axis& axis, double value) {
  if (axis.log) return std::log(value / axis.from) / std::log(axis.to / axis.from);
  return (value - axis.from) / (axis.to - axis.from);
}

std::shared_ptr<const Curves> read_curves(const fs::path& header_file) {
  const Json header = read_header(header_file);
  const auto rows = header.at("rows").get<size_t>();
  const std::vector<std::string> columns = header.at("columns");
  const std::vector<float> data = read_floats(fs::path(header_file).replace_extension(".f32"), rows * columns.size());
  const auto at = [&](size_t row, size_t column) { return static_cast<double>(data[row * columns.size() + column]); };
  auto out = std::make_shared<Curves>();
  out->settings.resize(rows);
  out->places.resize(rows);
  out->losses.resize(rows);
  for (size_t column = 0; column < columns.size(); ++column) {
    if (columns[column].starts_with("test_") || columns[column] == "valid_loss_1") continue;
    if (columns[column].starts_with("valid_loss_")) {
      for (size_t row = 0; row < rows; ++row) out->losses[row].push_back(at(row, column));
      continue;
    }
    std::vector<double> values;
    for (size_t row = 0; row < rows; ++row) values.push_back(at(row, column));
    const Column searched = column_of(columns[column], values);
    for (size_t row = 0; row < rows; ++row) {
      const double value = searched.from_one ? 1.0 - values[row] : values[row];
      out->settings[row][searched.axis.name] = value;
      out->places[row].push_back(place_on(searched.axis, value));
    }
    out->space.axes.push_back(searched.axis);
  }
  for (const Settings& settings : out->settings) {
    out->keys.push_back(canonical_key(settings));
    out->row_of.emplace(out->keys.back(), out->row_of.size());
  }
  require(out->row_of.size() == rows, "E2001", fmt::format("'{}' holds a configuration twice", header_file.string()));
  return out;
}

std::optional<Settings> nearest_row(const Curves& curves, const Settings& settings, const std::set<std::string>& tried) {
  std::vector<double> wanted;
  for (const Axis& axis : curves.space.axes) wanted.push_back(place_on(axis, settings.at(axis.name).get<double>()));
  double least = std::numeric_limits<double>::infinity();
  std::optional<size_t> nearest;
  for (size_t row = 0; row < curves.places.size(); ++row) {
    double distance = 0.0;
    for (size_t i = 0; i < wanted.size(); ++i) distance += (wanted[i] - curves.places[row][i]) * (wanted[i] - curves.places[row][i]);
    if (distance < least && !tried.contains(curves.keys[row])) least = distance, nearest = row;
  }
  return nearest ? std::optional(curves.settings[*nearest]) : std::nullopt;
}

/// Configurations that diverge count as the worst.
Scale scale_of(const Curves& curves) {
  std::vector<double> ends;
  for (const std::vector<double>& losses : curves.losses)
    ends.push_back(std::isnan(losses.back()) ? std::numeric_limits<double>::infinity() : losses.back());
  std::ranges::sort(ends);
  return {.best = ends.front(), .median = ends[ends.size() / 2]};
}

Task taskset_task(const fs::path& header_file) {
  const std::shared_ptr<const Curves> curves = read_curves(header_file);
  Task task{.name = header_file.stem(), .space = curves->space};
  task.costs.clear();
  const size_t steps = curves->losses.front().size();
  for (size_t step = 1; step <= steps; ++step) task.costs.push_back(static_cast<double>(step) / static_cast<double>(steps));
  task.objective = [curves](const Settings& settings, size_t step, uint64_t) -> std::optional<double> {
    const double loss = curves->losses[curves->row_of.at(canonical_key(settings))][step - 1];
    return std::isnan(loss) ? std::nullopt : std::optional(loss);
  };
  task.nearest = [curves](const Settings& settings, const std::set<std::string>& tried) { return nearest_row(*curves, settings, tried); };
  task.scale = scale_of(*curves);
  return task;
}

}  // namespace

void add_taskset(Tasks& tasks, const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path file = entry.path();
    if (file.extension() == ".json" && file.stem().string().starts_with("taskset_"))
      tasks[file.stem()] = [file] { return taskset_task(file); };
  }
}

}  // namespace espalier::bench
