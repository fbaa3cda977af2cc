#pragma once

#include "espalier/data/files.h"
#include "espalier/json.h"

#include <filesystem>

namespace espalier::test {

/// Writes a cache of 120 grey pictures of 8 x 8 and their splits (80, 20, 20) into `folder`: class "left" or "right" says
/// which half is bright, "light" one of three classes, "marks" two labels at once ("right", "light"), "brightness" the mean
/// of the picture, "left" 1 where the left half is bright, else 0, "debt" a number on both
/// sides of 0, "pair" two numbers, "extra" a vector of three as a second input. Returns a trial's "data".
Json make_data(const std::filesystem::path& folder);

}  // namespace espalier::test
