#pragma once

#include <nlohmann/json.hpp>

namespace espalier {

/// The one form in which values pass between the parts: settings, networks, documents. Keys are sorted.
using Json = nlohmann::json;

}  // namespace espalier
