#pragma once

#include "task.h"

namespace espalier::bench {

/// The synthetic functions and whatever the folder holds; "" or an absent folder: the functions alone.
Tasks find_tasks(const std::filesystem::path& folder);

}  // namespace espalier::bench
