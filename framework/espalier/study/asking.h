#pragma once

#include "espalier/study/study.h"

#include <filesystem>
#include <functional>
#include <string>

namespace espalier {

/// The program that does jobs, and how often someone has asked to stop: 1 after the step, 2 at once.
struct Trainer {
  std::filesystem::path program;
  std::function<int()> interrupts = {};
};

/// The trainer's last word on a job "do": `what` about a trial. `read` are weights, or ""; `more` joins the job; files come
/// into `scratch`. Throws E4010 with the cause.
Json ask_trainer(const Trainer& trainer, const std::string& what, const Json& trial, const std::string& read, const Json& more,
                 const std::filesystem::path& scratch);

/// A trained model that jobs are done with.
struct Asked {
  const StudyOptions& options;
  const Json& document;
  std::filesystem::path weights;
  std::filesystem::path folder;  ///< below which each job has a folder of its own
  Observer& observer;
  std::string name;              ///< "the best model", for messages
};

/// The trainer's last word on a job (evaluate, predict, features); null, and a note, if it failed.
Json ask(const Asked& asked, const std::string& what, const Json& more);

}  // namespace espalier
