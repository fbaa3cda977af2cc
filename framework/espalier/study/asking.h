#pragma once

#include "espalier/study/study.h"

#include <filesystem>
#include <string>

namespace espalier {

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
