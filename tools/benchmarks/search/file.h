#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <vector>

namespace espalier::bench {

/// The description of one file of numbers: <name>.json.
Json read_header(const std::filesystem::path& file);
/// All float32 of <name>.f32. Throws E2 if there are not `count`.
std::vector<float> read_floats(const std::filesystem::path& file, size_t count);

}  // namespace espalier::bench
