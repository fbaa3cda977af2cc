#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::test {

struct Outcome {
  int exit_code = -1;   ///< or minus the signal
  std::vector<Json> messages;

  /// The last message of a kind; null if there is none.
  Json last(const std::string& kind) const;
  size_t count(const std::string& kind) const;
};

/// Runs the trainer with a job file. After `signal_after` messages of a kind it is sent `signal` (0: never).
Outcome run_trainer(const Json& job, const std::filesystem::path& folder, int signal = 0, size_t signal_after = 1,
                    const std::string& signal_kind = "epoch");

}  // namespace espalier::test
