#include "synthetic.h"

#include <array>
#include <cmath>
#include <numbers>

namespace espalier::bench {

namespace {

using std::numbers::e;
using std::numbers::pi;

constexpr size_t kSampled = 1001;

std::string variable(const std::string& prefix, size_t index) { return prefix + std::to_string(index); }

Axis range(const std::string& name, double from, double to) { return {.name = name, .from = from, .to = to}; }

std::vector<double> vector_of(const Settings& settings, const std::string& prefix, size_t size) {
  std::vector<double> out;
  for (size_t i = 0; i < size; ++i) out.push_back(settings.at(variable(prefix, i)).get<double>());
  return out;
}

double with_median(const Task& task) { return sample_objectives(task, kSampled)[kSampled / 2]; }

/// A task of `size` variables of one range.
Task cube(const std::string& name, size_t size, double from, double to, double best,
          const std::function<double(const std::vector<double>&)>& function) {
  Task task{.name = name};
  for (size_t i = 0; i < size; ++i) task.space.axes.push_back(range(variable("x", i), from, to));
  task.objective = [=](const Settings& settings, size_t, uint64_t) { return function(vector_of(settings, "x", size)); };
  task.scale = {.best = best, .median = with_median(task)};
  return task;
}

Task branin_task() {
  Task task{.name = "branin", .space = {{range("x0", -5.0, 10.0), range("x1", 0.0, 15.0)}}};
  task.objective = [](const Settings& s, size_t, uint64_t) { return branin(s.at("x0").get<double>(), s.at("x1").get<double>()); };
  task.scale = {.best = kBraninMinimum, .median = with_median(task)};
  return task;
}

double cond3(const Settings& settings) {
  const std::string branch = settings.at("m").get<std::string>();
  if (branch == "A") return 0.2 + (branin(settings.at("a0").get<double>(), settings.at("a1").get<double>()) - kBraninMinimum) / 50.0;
  if (branch == "B") return (hartmann(vector_of(settings, "b", 6)) - kHartmannMinimum) / -kHartmannMinimum;
  return 0.1 + ackley(vector_of(settings, "c", 5)) / 20.0;
}

Task cond3_task() {
  Task task{.name = "cond3", .space = {{{.name = "m", .choices = {"A", "B", "C"}}}}};
  const auto add = [&](const std::string& branch, const std::string& name, double from, double to) {
    Axis axis = range(name, from, to);
    axis.parent = "m";
    axis.parent_values = {branch};
    task.space.axes.push_back(axis);
  };
  add("A", "a0", -5.0, 10.0);
  add("A", "a1", 0.0, 15.0);
  for (size_t i = 0; i < 6; ++i) add("B", variable("b", i), 0.0, 1.0);
  for (size_t i = 0; i < 5; ++i) add("C", variable("c", i), -32.768, 32.768);
  task.objective = [](const Settings& settings, size_t, uint64_t) { return cond3(settings); };
  task.scale = {.best = 0.0, .median = with_median(task)};
  return task;
}

struct Strength {
  double bias;
  double noise;
};

Task mf_hartmann(const std::string& name, Strength strength) {
  constexpr size_t kSteps = 100;
  Task task{.name = name};
  for (size_t i = 0; i < 6; ++i) task.space.axes.push_back(range(variable("x", i), 0.0, 1.0));
  task.costs.clear();
  for (size_t step = 1; step <= kSteps; ++step) {
    const double part = static_cast<double>(step) / kSteps;
    task.costs.push_back(0.05 + 0.95 * part * part);
  }
  task.objective = [strength](const Settings& settings, size_t step, uint64_t seed) {
    const double missing = 1.0 - std::log(static_cast<double>(step)) / std::log(static_cast<double>(kSteps));
    std::vector<double> alpha = {1.0, 1.2, 3.0, 3.2};
    for (double& height : alpha) height -= strength.bias * missing;
    Random random(derive_seed(derive_seed(seed, canonical_key(settings)), step));
    return hartmann(vector_of(settings, "x", 6), alpha) + std::abs(random.normal()) * strength.noise * missing;
  };
  task.scale = {.best = kHartmannMinimum, .median = with_median(task)};
  return task;
}

}  // namespace

double branin(double x, double y) {
  const double b = 5.1 / (4.0 * pi * pi);
  const double c = 5.0 / pi;
  const double t = 1.0 / (8.0 * pi);
  const double hollow = y - b * x * x + c * x - 6.0;
  return hollow * hollow + 10.0 * (1.0 - t) * std::cos(x) + 10.0;
}

double hartmann(const std::vector<double>& x, const std::vector<double>& alpha) {
  constexpr std::array<std::array<double, 6>, 4> kSteep = {{{10, 3, 17, 3.5, 1.7, 8},
                                                            {0.05, 10, 17, 0.1, 8, 14},
                                                            {3, 3.5, 1.7, 10, 17, 8},
                                                            {17, 8, 0.05, 10, 0.1, 14}}};
  constexpr std::array<std::array<double, 6>, 4> kPlace = {{{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                                            {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                                            {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                                            {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}}};
  double sum = 0.0;
  for (size_t i = 0; i < kPlace.size(); ++i) {
    double distance = 0.0;
    for (size_t j = 0; j < x.size(); ++j) distance += kSteep[i][j] * (x[j] - kPlace[i][j]) * (x[j] - kPlace[i][j]);
    sum += alpha[i] * std::exp(-distance);
  }
  return -sum;
}

double ackley(const std::vector<double>& x) {
  double squares = 0.0;
  double waves = 0.0;
  for (const double value : x) {
    squares += value * value;
    waves += std::cos(2.0 * pi * value);
  }
  const auto n = static_cast<double>(x.size());
  return -20.0 * std::exp(-0.2 * std::sqrt(squares / n)) - std::exp(waves / n) + 20.0 + e;
}

double rosenbrock(const std::vector<double>& x) {
  double sum = 0.0;
  for (size_t i = 0; i + 1 < x.size(); ++i) {
    const double bend = x[i + 1] - x[i] * x[i];
    sum += 100.0 * bend * bend + (1.0 - x[i]) * (1.0 - x[i]);
  }
  return sum;
}

void add_synthetic(Tasks& tasks) {
  tasks["branin"] = branin_task;
  tasks["hartmann6"] = [] {
    return cube("hartmann6", 6, 0.0, 1.0, kHartmannMinimum, [](const std::vector<double>& x) { return hartmann(x); });
  };
  tasks["ackley10"] = [] { return cube("ackley10", 10, -32.768, 32.768, 0.0, ackley); };
  tasks["rosenbrock4"] = [] { return cube("rosenbrock4", 4, -5.0, 10.0, 0.0, rosenbrock); };
  tasks["cond3"] = cond3_task;
  const std::map<std::string, Strength> strengths = {
      {"", {0.5, 0.1}}, {"_good", {2.5, 2.0}}, {"_moderate", {3.0, 3.0}}, {"_bad", {3.5, 4.0}}, {"_terrible", {4.0, 5.0}}};
  for (const auto& [suffix, strength] : strengths) {
    const std::string name = "mf_hartmann6" + suffix;
    tasks[name] = [name, strength] { return mf_hartmann(name, strength); };
  }
}

}  // namespace espalier::bench
