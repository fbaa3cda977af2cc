#pragma once

#include <string>
#include <utility>
#include <vector>

namespace espalier::cli {

/// A line through the points (x ascending, at least two of different x) in `width` columns and `height` rows, the greatest
/// and the least y before it, the first and the last x below it. Points that are not finite are left out.
std::string line_chart(const std::vector<std::pair<double, double>>& points, int width, int height);

}  // namespace espalier::cli
