#pragma once

#include "espalier/json.h"

namespace espalier::cli {

/// Prints what an evaluation says of each head beside its metrics: classes, and ranges of the target.
void print_details(const Json& scores, const Json& trial_document);

}  // namespace espalier::cli
