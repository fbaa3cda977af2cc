#pragma once

#include <chrono>

namespace espalier {

/// Time that no change of the wall clock touches.
using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

}  // namespace espalier
