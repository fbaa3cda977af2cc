#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <functional>
#include <string>

namespace espalier {

/// How a child ended. `cause` is "" for success, else data, nan, memory, crash, plugin, timeout, interrupted.
struct ChildEnd {
  std::string cause;
  std::string message;
  Json done;          ///< the trainer's last word
  double seconds = 0.0;
};

struct ChildOptions {
  std::filesystem::path program;              ///< espalier-trainer
  std::filesystem::path log;                  ///< its standard output and error
  double limit_seconds = 0.0;                 ///< 0: none
  double limit_bytes = 0.0;                   ///< resident, 0: none
  double silence_seconds = 300.0;             ///< without a message it counts as hung
  double stop_seconds = 0.0;                  ///< then it is asked to stop after the step, as by one interrupt; 0: never
  double grace_seconds = 5.0;                 ///< between SIGTERM and SIGKILL
  std::function<int()> interrupts = {};       ///< how often someone has asked to stop: 1 after the step, 2 at once
  std::function<void()> on_tick = {};         ///< called several times a second; what it throws ends the child
};

/// Forks and executes the trainer in its own process group, sends `job`, hands every message to `on_message`, and turns
/// every way of ending into a ChildEnd. Leaves no process behind.
ChildEnd run_child(const ChildOptions& options, const Json& job, const std::function<void(const Json&)>& on_message);

}  // namespace espalier
