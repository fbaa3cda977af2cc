#pragma once

#include <string>

namespace espalier {

/// The processor's model, "" where the system does not tell.
std::string processor_name();

}  // namespace espalier
