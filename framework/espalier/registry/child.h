#pragma once

#include "espalier/json.h"

#include <chrono>
#include <functional>
#include <string>

namespace espalier {

/// What a process of its own came back with.
struct Answer {
  Json document;       ///< null if it did not end by itself
  std::string died;    ///< how it ended instead: "crashed while it was loaded: Aborted"; else ""
  bool in_time = true;
};

/// Does `work` in a child process, so that a crash or an endless loop is an answer too; `when` is for the message ("while it
/// was loaded"). Called while no other thread runs. Throws E1009 if there is no process to be had.
Answer ask_child(const std::function<Json()>& work, const std::string& when, std::chrono::seconds patience = std::chrono::seconds(60));

}  // namespace espalier
