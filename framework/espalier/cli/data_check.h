#pragma once

#include "espalier/data/prepared.h"
#include "espalier/json.h"

namespace espalier::cli {

/// Looks at what prepared data hold: {"duplicates": equal pictures within and across splits, "ranges" and missing values of
/// numbers, "absent_classes" of a split, "left_out": what was refused while preparing, by cause}.
Json check_content(const Prepared& prepared, const Splits& splits);

}  // namespace espalier::cli
