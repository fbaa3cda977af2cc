#pragma once

#include "espalier/plugin.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// What a reader makes of a folder.
struct Reading {
  std::vector<std::string> wrong;   ///< laws that it breaks, a sentence each
  std::vector<std::string> errors;  ///< of sketch and open, and inputs that are not there: fair where files are damaged
  std::vector<std::string> said;    ///< what was left out, each with its cause
  std::vector<std::string> inputs;  ///< files of the sketch, relative to the folder
  int64_t rows = 0;
  std::string content;              ///< SHA-256 over columns, origins and pictures

  Json to_json() const;
  static Reading from_json(const Json& document);
};

/// Sketches and reads a folder, decodes every picture, from several threads at once if `parallel`. Never throws.
Reading read_folder(const ReaderType& reader, const Json& settings, const std::filesystem::path& folder, bool parallel);

}  // namespace espalier
