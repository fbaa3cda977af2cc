#pragma once

#include "espalier/data/files.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace espalier::testing {

inline std::filesystem::path fake_trainer() { return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fake_trainer"; }

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace espalier::testing
