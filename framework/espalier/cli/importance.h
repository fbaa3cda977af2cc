#pragma once

#include "espalier/importance/importance.h"

#include <string>

namespace espalier::cli {

/// What mattered, a line each setting, with bars where the terminal has room for them; warnings below.
std::string importance_text(const Importance& found, const std::string& metric, int width, bool bars);

}  // namespace espalier::cli
