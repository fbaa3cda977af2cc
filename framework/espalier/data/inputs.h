#pragma once

#include "espalier/data/hash.h"
#include "espalier/samples.h"

#include <filesystem>
#include <functional>
#include <string>

namespace espalier {

/// Input files of a reader, whose list is the answer of `list` (Sketch::inputs).
struct InputQuestion {
  Json asked;                          ///< reader, version and settings: what decides the list besides the folders
  std::filesystem::path folder;        ///< that names are relative to
  std::filesystem::path memory;        ///< folder of what is remembered
  bool verify = false;                 ///< reads every content again, whatever is remembered
  std::function<std::vector<std::filesystem::path>()> list;
};

/// Hashes the inputs, or remembers their hashes. Up to 1024 files are trusted by their own inode, size and times. Of more,
/// the files of kinds (endings) that are rare are, and the others by inode and times of every folder that holds them: a file
/// that is added, removed, renamed or replaced is noticed, one that is rewritten in place only with `verify`.
/// Throws E2101.
InputHashes known_inputs(const InputQuestion& question);

}  // namespace espalier
