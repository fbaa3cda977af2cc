#pragma once

#include "espalier/registry/elf.h"

#include <filesystem>
#include <memory>
#include <string>
#include <variant>

namespace espalier {

/// Opens a library for good (never unloaded) and lets it register. Throws an Error (E1009 cannot be loaded, E1006 threw).
std::unique_ptr<Plugin> open_library(const std::filesystem::path& path);

/// Opens a library in a child process and returns what it declares, or why it could not: a crash stays there.
std::variant<Json, Refusal> probe_library(const std::filesystem::path& path);

}  // namespace espalier
