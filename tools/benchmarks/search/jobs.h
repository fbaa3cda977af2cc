#pragma once

#include <cstddef>
#include <functional>

namespace espalier::bench {

/// Calls `work` with 0 to count - 1 on so many threads, in no certain order. `on_done`: how many are done, called by one
/// thread at a time. The first exception of a job ends all and is thrown.
void run_jobs(size_t count, size_t threads, const std::function<void(size_t)>& work, const std::function<void(size_t)>& on_done);

}  // namespace espalier::bench
