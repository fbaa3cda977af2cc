#pragma once

#include "espalier/engine/session.h"

#include <optional>

namespace espalier::engine {

/// How a job ended.
enum class End { done, stopped };

/// Trains as `job` says, from its checkpoint if it names one, and tells the channel. Throws Failure for a loss that is no
/// number, Error for data.
End train(const Json& job, const Machine& machine, Channel& channel);

}  // namespace espalier::engine
