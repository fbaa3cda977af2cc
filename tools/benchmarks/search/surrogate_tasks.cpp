#include "surrogate_tasks.h"

#include "espalier/error.h"
#include "file.h"
#include "surrogate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace espalier::bench {

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kInstanceNames = {"OpenML_task_id", "task_id", "instance_id"};
const std::vector<std::string> kFidelities = {"epoch", "trainsize", "repl"};
const std::vector<std::string> kAccuracies = {"val_accuracy", "acc"};

/// The first of `wanted` that is among the names; "" if none is.
std::string first_of(const std::vector<std::string>& wanted, const std::vector<std::string>& names) {
  for (const std::string& name : wanted)
    if (std::ranges::find(names, name) != names.end()) return name;
  return "";
}

Axis axis_of(const Json& described) {
  Axis axis{.name = described.at("name").get<std::string>()};
  const std::string type = described.at("type").get<std::string>();
  if (type == "categorical") {
    for (const Json& choice : described.at("choices")) axis.choices.push_back(choice);
  } else if (type == "constant") {
    axis.choices = {described.at("value")};
  } else if (type == "uniform_float" || type == "uniform_int") {
    axis.from = described.at("lower").get<double>();
    axis.to = described.at("upper").get<double>();
    axis.integer = type == "uniform_int";
    axis.log = described.at("log").get<bool>();
  } else {
    fail("E2001", fmt::format("hyperparameter '{}' is of the unknown type '{}'", axis.name, type));
  }
  return axis;
}

void add_condition(std::vector<Axis>& axes, const Json& condition) {
  const std::string type = condition.at("type").get<std::string>();
  const auto child = std::ranges::find(axes, condition.at("child").get<std::string>(), &Axis::name);
  require((type == "EQ" || type == "IN") && child != axes.end() && child->parent.empty(), "E2001",
          fmt::format("a condition of the type '{}', or a second one on '{}'", type, condition.at("child").dump()));
  child->parent = condition.at("parent").get<std::string>();
  if (type == "EQ") child->parent_values = {condition.at("value")};
  else child->parent_values = condition.at("values").get<std::vector<Json>>();
}

/// Parents before children, else as they came.
Space in_order(std::vector<Axis> axes) {
  Space out;
  while (!axes.empty()) {
    const auto next = std::ranges::find_if(axes, [&](const Axis& axis) {
      return axis.parent.empty() || std::ranges::find(out.axes, axis.parent, &Axis::name) != out.axes.end();
    });
    require(next != axes.end(), "E2001", fmt::format("'{}' depends on a hyperparameter that is not there", axes.front().name));
    out.axes.push_back(*next);
    axes.erase(next);
  }
  return out;
}

/// What a configuration is to a surrogate: one instance, fidelities given apart.
struct Scenario {
  std::shared_ptr<const Surrogate> surrogate;
  Space space;
  std::string instance_name;
  Json instance;
  std::map<std::string, double> fidelities = {};  ///< by name, the largest
  size_t output = 0;

  double accuracy(const Settings& settings, double epoch) const {
    const Json& header = surrogate->header();
    std::vector<size_t> categories;
    for (const Json& name : header.at("cat")) {
      const Json& encoding = header.at("encoding").at(name.get<std::string>());
      const auto found = settings.find(name.get<std::string>());
      const Json value = name == instance_name ? instance : found != settings.end() ? found->second : Json("#na#");
      categories.push_back(encoding.at(value.is_string() ? value.get<std::string>() : value.dump()).get<size_t>());
    }
    std::vector<double> numbers;
    for (const std::string name : header.at("cont")) {
      const auto found = settings.find(name);
      const auto fidelity = fidelities.find(name);
      if (name == "epoch") numbers.push_back(epoch);
      else if (fidelity != fidelities.end()) numbers.push_back(fidelity->second);
      else numbers.push_back(found != settings.end() ? found->second.get<double>() : 0.0);
    }
    return surrogate->evaluate(categories, numbers)[output];
  }
};

std::shared_ptr<Scenario> read_scenario(const fs::path& header_file, const Json& instance) {
  auto out = std::make_shared<Scenario>();
  out->surrogate = std::make_shared<const Surrogate>(header_file);
  const Json& header = out->surrogate->header();
  out->instance = instance;
  out->instance_name = first_of(kInstanceNames, header.at("cat"));
  const std::vector<std::string> outputs = header.at("out");
  const std::string metric = first_of(kAccuracies, outputs);
  require(!metric.empty(), "E2001", fmt::format("'{}' foretells no accuracy", header_file.string()));
  out->output = static_cast<size_t>(std::ranges::find(outputs, metric) - outputs.begin());
  std::vector<Axis> axes;
  for (const Json& described : header.at("config_space").at("hyperparameters")) {
    Axis axis = axis_of(described);
    if (axis.name == out->instance_name) continue;
    if (first_of({axis.name}, kFidelities).empty()) axes.push_back(std::move(axis));
    else out->fidelities[axis.name] = axis.to;
  }
  for (const Json& condition : header["config_space"].at("conditions")) add_condition(axes, condition);
  out->space = in_order(std::move(axes));
  return out;
}

/// The best that a climb from the best of the sample finds, changing one setting at a time.
double climb(const Task& task, size_t draws) {
  constexpr int kTries = 1500;
  Random random(derive_seed(0, "climb"));
  const auto reached = [&](const Settings& settings) { return task.objective(settings, task.costs.size(), 0).value_or(INFINITY); };
  Settings best = draw_settings(task.space, random);
  double least = reached(best);
  const auto attempt = [&](const Settings& settings) {
    if (const double value = reached(settings); value < least) least = value, best = settings;
  };
  for (size_t i = 0; i < draws; ++i) attempt(draw_settings(task.space, random));
  for (int i = 0; i < kTries; ++i) {
    Settings changed = best;
    const Axis& axis = task.space.axes[static_cast<size_t>(random.below(std::ssize(task.space.axes)))];
    changed[axis.name] = axis.choices.empty() && i % 3 == 0 ? Json(random.below(2) == 0 ? axis.from : axis.to) : draw(axis, random);
    if (axis.integer) changed[axis.name] = std::llround(changed[axis.name].get<double>());
    attempt(complete(task.space, changed, [&](const Axis& absent) { return draw(absent, random); }));
  }
  return least;
}

Task surrogate_task(const std::string& name, const fs::path& header_file, const Json& instance) {
  constexpr size_t kSampled = 1001;
  const std::shared_ptr<const Scenario> scenario = read_scenario(header_file, instance);
  Task task{.name = name, .space = scenario->space, .maximize = true};
  if (const auto epochs = scenario->fidelities.find("epoch"); epochs != scenario->fidelities.end()) {
    task.costs.clear();
    const double steps = epochs->second - 1.0;
    for (double step = 1.0; step <= steps; ++step) task.costs.push_back(step / steps);
  }
  task.objective = [scenario](const Settings& settings, size_t step, uint64_t) {
    return std::optional(-scenario->accuracy(settings, static_cast<double>(step) + 1.0));
  };
  const std::vector<double> sample = sample_objectives(task, kSampled);
  task.scale = {.best = std::min(sample.front(), climb(task, kSampled)), .median = sample[kSampled / 2], .sampled = sample.front()};
  return task;
}

}  // namespace

void add_surrogates(Tasks& tasks, const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path file = entry.path();
    if (file.extension() != ".json" || !file.stem().string().starts_with("yahpo_")) continue;
    const Json header = read_header(file);
    if (!header.contains("config_space") || !header.contains("cat")) continue;
    const std::string instance_name = first_of(kInstanceNames, header["cat"]);
    for (const Json& described : header["config_space"].at("hyperparameters")) {
      if (described.at("name") != instance_name) continue;
      for (const Json& instance : described.at("choices")) {
        const std::string name = fmt::format("{}_{}", file.stem().string(), instance.is_string() ? instance.get<std::string>() : instance.dump());
        tasks[name] = [=] { return surrogate_task(name, file, instance); };
      }
    }
  }
}

}  // namespace espalier::bench
