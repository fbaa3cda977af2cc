#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// One try at a training, as the audit trail keeps it.
struct AttemptRecord {
  int64_t trial = -1;
  std::string part = {};      ///< "" for a trial itself
  int64_t token = 0;          ///< counts the tries of a training from 1
  std::string owner = {};     ///< the worker
  std::string started = {};   ///< UTC, ISO 8601
  std::string ended = {};     ///< "" while it runs
  std::string outcome = {};   ///< complete, paused, failed, released, lost; "" while it runs
};

/// All attempts of the study in `folder`, or those of one trial and its parts, in the order in which they began. Reads only.
std::vector<AttemptRecord> attempts(const std::filesystem::path& folder, std::optional<int64_t> trial = {});

}  // namespace espalier
