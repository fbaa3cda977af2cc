#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/store/store.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// A file that is not needed any more, and why.
struct Removable {
  std::filesystem::path file;   ///< below the study's folder
  int64_t bytes = 0;
  std::string reason;
};

/// What the rule says of the files of a study at this moment: checkpoints and weights below trials/. Never those of the best
/// trial, of a trial that runs, or the checkpoint that a waiting trial goes on from.
std::vector<Removable> removable_files(const std::filesystem::path& folder, const Store& store, bool maximize, const Retention& retention);
/// The same for one trial that has just ended or paused: what it alone decides, so that a search does not grow with what it
/// has left behind.
std::vector<Removable> removable_files_of(int64_t trial, const std::filesystem::path& folder, const Store& store, const Retention& retention);

/// Removes them; returns the bytes that were freed. What is gone already is no error.
int64_t remove_files(const std::filesystem::path& folder, const std::vector<Removable>& files);

}  // namespace espalier
