#pragma once

#include "espalier/cli/command.h"

namespace espalier::cli {

/// `espalier profile`: where the time of a training step goes, by the pipeline's first settings.
int profile(const Call& call);

}  // namespace espalier::cli
