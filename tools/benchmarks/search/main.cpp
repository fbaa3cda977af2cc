#include "espalier/error.h"
#include "espalier/registry/registry.h"
#include "jobs.h"
#include "simulation.h"
#include "tasks.h"
#include "trials.h"

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <thread>
#include <unistd.h>

using namespace espalier;
using namespace espalier::bench;

namespace {

namespace po = boost::program_options;

struct Options {
  std::string what;
  std::string data;
  std::vector<std::string> tasks;
  std::vector<std::string> tuners;
  std::vector<std::string> schedulers;
  std::vector<double> checkpoints;
  std::vector<size_t> workers = {1};
  size_t seeds = 20;
  size_t threads = std::max(1U, std::thread::hardware_concurrency());
  bool no_first = false;
};

/// 'tpe' or 'tpe{"candidates": 64}'.
std::pair<std::string, Json> name_and_settings(const std::string& word) {
  const size_t brace = word.find('{');
  if (brace == std::string::npos) return {word, Json::object()};
  const Json settings = Json::parse(word.substr(brace), nullptr, false);
  require(settings.is_object(), "E0001", fmt::format("'{}': what stands after the name is no JSON object", word));
  return {word.substr(0, brace), settings};
}

std::vector<Player> players(const std::vector<std::string>& words, const Registry& registry) {
  std::vector<Player> out;
  for (const std::string& word : words) {
    const auto [name, settings] = name_and_settings(word);
    out.push_back({.label = word, .tuner = &registry.tuner(name), .settings = settings});
  }
  return out;
}

std::vector<Conductor> conductors(const std::vector<std::string>& words, const Registry& registry) {
  std::vector<Conductor> out;
  for (const std::string& word : words) {
    const auto [name, settings] = name_and_settings(word);
    out.push_back({.label = word, .scheduler = &registry.scheduler(name), .settings = settings});
  }
  return out;
}

Task make_task(const Tasks& tasks, const std::string& name) {
  const auto found = tasks.find(name);
  if (found != tasks.end()) return found->second();
  std::vector<std::string> names;
  for (const auto& [known, make] : tasks) names.push_back(known);
  const std::string near = nearest(name, names);
  fail("E0304", fmt::format("no task is called '{}'", name), near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

/// As it is reported: an accuracy is not negated. Null: there is none.
Json reported(const Task& task, double objective) {
  if (!std::isfinite(objective)) return nullptr;
  return task.maximize ? -objective : objective;
}

Json described(const Task& task) {
  return {{"maximize", task.maximize}, {"best", reported(task, task.scale.best)}, {"median", reported(task, task.scale.median)},
          {"sampled", reported(task, task.scale.sampled)}, {"steps", task.costs.size()}};
}

std::function<void(size_t)> progress(size_t count) {
  if (isatty(STDERR_FILENO) == 0) return [](size_t) {};
  return [count, shown = size_t{0}](size_t done) mutable {
    const size_t percent = done * 100 / count;
    if (percent == shown) return;
    shown = percent;
    std::cerr << fmt::format("\r{:3} %", percent) << (done == count ? "\n" : "") << std::flush;
  };
}

/// One document: by task and tuner, the best objective of every seed at every checkpoint.
Json run_single(const Options& options, const Tasks& tasks, const Registry& registry) {
  const std::vector<Player> all = players(options.tuners, registry);
  const std::vector<size_t> checkpoints(options.checkpoints.begin(), options.checkpoints.end());
  std::vector<Task> made;
  for (const std::string& name : options.tasks) made.push_back(make_task(tasks, name));
  const size_t count = made.size() * all.size() * options.seeds;
  std::vector<Trials> results(count);
  run_jobs(count, options.threads, [&](size_t job) {
    const size_t seed = job % options.seeds;
    const Player& player = all[job / options.seeds % all.size()];
    results[job] = run_trials(made[job / options.seeds / all.size()], player, seed, checkpoints, !options.no_first);
  }, progress(count));
  Json out = Json::object();
  for (size_t i = 0; i < made.size(); ++i) {
    Json& task = out[made[i].name] = described(made[i]);
    for (size_t k = 0; k < all.size(); ++k) {
      Json& tuner = task["tuners"][all[k].label] = {{"values", Json::array()}, {"settings", Json::array()}};
      double seconds = 0.0;
      for (size_t seed = 0; seed < options.seeds; ++seed) {
        const Trials& trials = results[(i * all.size() + k) * options.seeds + seed];
        Json values = Json::array();
        for (const double value : trials.best) values.push_back(reported(made[i], value));
        tuner["values"].push_back(values);
        tuner["settings"].push_back(trials.settings);
        seconds += trials.seconds;
      }
      tuner["seconds"] = seconds;
    }
  }
  return out;
}

/// One document: by task and "tuner + scheduler" and number of workers, what the incumbents of every seed reach.
Json run_curves(const Options& options, const Tasks& tasks, const Registry& registry) {
  const std::vector<Player> tuners = players(options.tuners, registry);
  const std::vector<Conductor> schedulers = conductors(options.schedulers, registry);
  std::vector<Task> made;
  for (const std::string& name : options.tasks) made.push_back(make_task(tasks, name));
  struct Job {
    const Task* task;
    const Player* tuner;
    const Conductor* scheduler;
    SimulationOptions options;
    Simulation result = {};
  };
  std::vector<Job> jobs;
  for (const Task& task : made)
    for (const Player& tuner : tuners)
      for (const Conductor& scheduler : schedulers)
        for (const size_t workers : options.workers)
          for (uint64_t seed = 0; seed < options.seeds; ++seed)
            jobs.push_back({&task, &tuner, &scheduler, {.workers = workers, .checkpoints = options.checkpoints, .seed = seed, .tries_first = !options.no_first}});
  run_jobs(jobs.size(), options.threads, [&](size_t i) {
    jobs[i].result = simulate(*jobs[i].task, *jobs[i].tuner, *jobs[i].scheduler, jobs[i].options);
  }, progress(jobs.size()));
  Json out = Json::object();
  for (const Task& task : made) out[task.name] = described(task);
  for (const Job& job : jobs) {
    Json values = Json::array();
    for (const double value : job.result.incumbent) values.push_back(reported(*job.task, value));
    Json& entry = out[job.task->name]["players"][job.tuner->label + " + " + job.scheduler->label][std::to_string(job.options.workers)];
    entry["values"].push_back(values);
    entry["trials"].push_back(job.result.trials);
    entry["complete"].push_back(job.result.complete);
  }
  return out;
}

Options read_options(int argc, char** argv) {
  Options o;
  po::options_description described("espalier_bench_search list|single|curves [options]");
  described.add_options()("what", po::value(&o.what)->required(), "list, single or curves")
      ("data", po::value(&o.data), "folder of tables and surrogates")
      ("task", po::value(&o.tasks), "a task; may be repeated")
      ("tuner", po::value(&o.tuners), "a tuner, with settings 'tpe{\"candidates\": 64}'; may be repeated")
      ("scheduler", po::value(&o.schedulers), "a scheduler, for curves; may be repeated")
      ("checkpoint", po::value(&o.checkpoints), "trials (single) or full trainings (curves) at which to look; may be repeated")
      ("workers", po::value(&o.workers), "simulated workers, for curves; may be repeated")
      ("seeds", po::value(&o.seeds), "number of seeds, from 0")
      ("threads", po::value(&o.threads), "studies at a time")
      ("no-first", po::bool_switch(&o.no_first), "the tuner decides on the first trial too");
  po::positional_options_description position;
  position.add("what", 1);
  po::variables_map found;
  po::store(po::command_line_parser(argc, argv).options(described).positional(position).run(), found);
  po::notify(found);
  return o;
}

Json run(const Options& options) {
  const Tasks tasks = find_tasks(options.data);
  const Registry registry = Registry::scan(Registry::default_paths());
  if (options.what == "list") {
    Json out = {{"tasks", Json::array()}, {"tuners", registry.names(PluginKind::tuner)}, {"schedulers", registry.names(PluginKind::scheduler)}};
    for (const auto& [name, make] : tasks) out["tasks"].push_back(name);
    return out;
  }
  require(options.seeds > 0 && options.threads > 0 && !options.checkpoints.empty(), "E0001", "seeds, threads and checkpoints are at least one");
  if (options.what == "single") return run_single(options, tasks, registry);
  if (options.what == "curves") return run_curves(options, tasks, registry);
  fail("E0001", fmt::format("'{}' is not list, single or curves", options.what));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::cout << run(read_options(argc, argv)).dump() << "\n";
    return 0;
  } catch (const Error& error) {
    for (const Problem& problem : error.problems()) std::cerr << render(problem) << "\n";
    return error.exit_code();
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
