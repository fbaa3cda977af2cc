#pragma once

#include "espalier/pipeline/pipeline.h"

#include <string>

namespace espalier::cli {

/// The values of an axis in one line: "16, 32, 64", "0 to 0.5, log", "8 to 110, 9 values".
std::string describe_axis(const Axis& axis);

/// Searched settings with their values; those that exist only under a value of another stand below that value.
std::string space_outline(const Space& space, int width);

/// The resolved pipeline below `path` ("": all of it) as YAML, each value with where it came from; "" if nothing is there.
std::string pipeline_outline(const Pipeline& pipeline, const std::string& path, int width);

/// Where the value at a path came from: its own origin, or that of the nearest path above.
std::string origin_of(const Pipeline& pipeline, std::string path);

}  // namespace espalier::cli
