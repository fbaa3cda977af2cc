#include "documents.h"

#include "espalier/error.h"
#include "jobs.h"
#include "trials.h"

#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <optional>
#include <unistd.h>

namespace espalier::bench {

namespace {

/// On a terminal, how far it is; else nothing.
std::function<void(size_t)> progress(const std::string& what, size_t count) {
  if (isatty(STDERR_FILENO) == 0) return [](size_t) {};
  return [what, count, shown = size_t{0}](size_t done) mutable {
    const size_t percent = done * 100 / count;
    if (percent == shown) return;
    shown = percent;
    std::cerr << fmt::format("\r{}: {} %", what, percent) << (done == count ? "\n" : "") << std::flush;
  };
}

const std::function<Task()>& find(const Tasks& tasks, const std::string& name) {
  if (const auto found = tasks.find(name); found != tasks.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, make] : tasks) names.push_back(known);
  const std::string near = nearest(name, names);
  fail("E0304", fmt::format("no task is called '{}'", name), near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

/// Tasks whose files cannot be used are left out with a message.
std::vector<Task> make_tasks(const Options& options, const Tasks& tasks) {
  for (const std::string& name : options.tasks) find(tasks, name);
  std::vector<std::optional<Task>> made(options.tasks.size());
  std::vector<std::string> problems(made.size());
  const auto make = [&](size_t i) {
    try {
      made[i] = find(tasks, options.tasks[i])();
    } catch (const std::exception& error) {
      problems[i] = fmt::format("left out '{}': {}\n", options.tasks[i], error.what());
    }
  };
  run_jobs(made.size(), options.threads, make, progress("tasks", made.size()));
  std::vector<Task> out;
  for (size_t i = 0; i < made.size(); ++i) {
    std::cerr << problems[i];
    if (made[i]) out.push_back(std::move(*made[i]));
  }
  require(!out.empty(), "E2001", "there is no task to search");
  return out;
}

/// As it is reported: an accuracy is not negated. Null: there is none.
Json reported(const Task& task, double objective) {
  if (!std::isfinite(objective)) return nullptr;
  return task.maximize ? -objective : objective;
}

Json reported(const Task& task, const std::vector<double>& objectives) {
  Json out = Json::array();
  for (const double objective : objectives) out.push_back(reported(task, objective));
  return out;
}

Json described(const Task& task) {
  return {{"maximize", task.maximize},
          {"best", reported(task, task.scale.best)},
          {"median", reported(task, task.scale.median)},
          {"sampled", reported(task, task.scale.sampled)},
          {"steps", task.costs.size()}};
}

}  // namespace

Json single_document(const Options& options, const Tasks& tasks, const Registry& registry) {
  struct Job {
    const Task* task;
    const Player* player;
    uint64_t seed;
    Trials result = {};
  };
  const std::vector<Player> all = players(options, registry);
  const std::vector<Task> made = make_tasks(options, tasks);
  std::vector<Job> jobs;
  for (const Task& task : made)
    for (const Player& player : all)
      for (uint64_t seed = 0; seed < options.seeds; ++seed) jobs.push_back({&task, &player, seed});
  run_jobs(jobs.size(), options.threads, [&](size_t i) {
    jobs[i].result = run_trials(*jobs[i].task, *jobs[i].player, jobs[i].seed, options.trials(), !options.no_first);
  }, progress("studies", jobs.size()));
  Json out = Json::object();
  for (const Task& task : made) out[task.name] = described(task);
  for (const Job& job : jobs) {
    Json& entry = out[job.task->name]["tuners"][job.player->label];
    entry["values"].push_back(reported(*job.task, job.result.best));
    entry["settings"].push_back(job.result.settings);
    entry["seconds"] = entry.value("seconds", 0.0) + job.result.seconds;
  }
  return out;
}

Json curves_document(const Options& options, const Tasks& tasks, const Registry& registry) {
  struct Job {
    const Task* task;
    const Player* player;
    const Conductor* conductor;
    SimulationOptions options;
    Simulation result = {};
  };
  const std::vector<Player> all_players = players(options, registry);
  const std::vector<Conductor> all_conductors = conductors(options, registry);
  const std::vector<Task> made = make_tasks(options, tasks);
  std::vector<Job> jobs;
  for (const Task& task : made)
    for (const Player& player : all_players)
      for (const Conductor& conductor : all_conductors)
        for (const size_t workers : options.workers)
          for (uint64_t seed = 0; seed < options.seeds; ++seed)
            jobs.push_back({&task, &player, &conductor, {.workers = workers, .checkpoints = options.checkpoints, .seed = seed,
                                                         .tries_first = !options.no_first}});
  run_jobs(jobs.size(), options.threads, [&](size_t i) {
    jobs[i].result = simulate(*jobs[i].task, *jobs[i].player, *jobs[i].conductor, jobs[i].options);
  }, progress("simulations", jobs.size()));
  Json out = Json::object();
  for (const Task& task : made) out[task.name] = described(task);
  for (const Job& job : jobs) {
    const std::string name = job.player->label + " + " + job.conductor->label;
    Json& entry = out[job.task->name]["players"][name][std::to_string(job.options.workers)];
    entry["values"].push_back(reported(*job.task, job.result.incumbent));
    entry["trials"].push_back(job.result.trials);
    entry["complete"].push_back(job.result.complete);
  }
  return out;
}

}  // namespace espalier::bench
