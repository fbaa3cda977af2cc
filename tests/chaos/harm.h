#pragma once

#include "../unit/study_fakes.h"

#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <thread>

namespace espalier::testing {

/// As many configurations as there are trials, of up to 8 epochs, with rungs at 1, 2 and 4.
inline Pipeline with_rungs(int64_t trials) {
  Pipeline pipeline = pipeline_with(trials);
  pipeline.resolved["train"]["epochs"] = 8;
  pipeline.space.axes.back().to = static_cast<double>(trials - 1);
  pipeline.space.axes.push_back({.name = "epochs", .choices = {8}, .first = 8});
  pipeline.search.scheduler = "asha";
  pipeline.search.scheduler_settings = {{"eta", 2.0}, {"min", 1.0}};
  return pipeline;
}

inline void run_quietly(const Pipeline& pipeline, const std::filesystem::path& folder, double lease = 60.0) {
  Watcher watcher;
  const StudyResult result =
      run_study(pipeline, Registry::scan({}),
                {.folder = folder, .trainer = fake_trainer(), .lease_seconds = lease, .interrupts = &watcher.interrupts}, watcher);
  require(result.end == StudyEnd::finished, "E0001", "the study was not finished");
}

inline void join_quietly(const Pipeline& pipeline, const std::filesystem::path& folder, double lease) {
  Watcher watcher;
  run_workers(pipeline, Registry::scan({}), {.folder = folder, .trainer = fake_trainer(), .lease_seconds = lease, .interrupts = &watcher.interrupts},
              watcher, 1);
}

/// All of a study that must not depend on harm: trials, decisions, and what is written of the best.
inline Json results(const std::filesystem::path& folder) {
  Json all = outcome(folder);
  for (const Decision& decision : open_store(folder)->decisions())
    all.push_back({decision.trial, decision.until, decision.reason, to_string(decision.state), decision.epochs, decision.objective.value_or(-1)});
  all.push_back(text_of(folder / "best/model.safetensors"));
  return all;
}

/// What differs between two results; "[]" if nothing does.
inline std::string difference(const Json& whole, const Json& harmed) { return Json::diff(whole, harmed).dump().substr(0, 1000); }

inline int64_t wanted_instants(int64_t otherwise) {
  const char* text = std::getenv("ESPALIER_CHAOS_INSTANTS");
  return text != nullptr ? std::strtoll(text, nullptr, 10) : otherwise;
}

/// A process in a group of its own, for `work`; one that throws ends with status 3.
inline pid_t start_group(const std::function<void()>& work) {
  const pid_t process = fork();
  require(process >= 0, "E0001", "cannot fork");
  if (process != 0) return process;
  setpgid(0, 0);
  try {
    work();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    _exit(3);
  }
  _exit(0);
}

/// Kills a group at once; the trainers that it started die with it.
inline void kill_group(pid_t process) {
  setpgid(process, process);
  kill(-process, SIGKILL);
  kill(process, SIGKILL);
  waitpid(process, nullptr, 0);
}

/// The exit status of a process once it has ended within so many seconds; then it is buried.
inline std::optional<int> end_within(pid_t process, double seconds) {
  const auto last = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (true) {
    int status = 0;
    if (waitpid(process, &status, WNOHANG) == process) {
      require(WIFEXITED(status), "E0001", "a process has died by itself");
      return WEXITSTATUS(status);
    }
    if (std::chrono::steady_clock::now() >= last) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace espalier::testing
