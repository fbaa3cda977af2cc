#include "jobs.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace espalier::bench {

void run_jobs(size_t count, size_t threads, const std::function<void(size_t)>& work, const std::function<void(size_t)>& on_done) {
  std::atomic<size_t> next = 0;
  size_t done = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  const auto run = [&] {
    for (size_t job = next++; job < count; job = next++) {
      try {
        work(job);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!problem) problem = std::current_exception();
        next = count;
        return;
      }
      const std::lock_guard lock(mutex);
      on_done(++done);
    }
  };
  std::vector<std::jthread> pool;
  for (size_t i = 0; i < threads; ++i) pool.emplace_back(run);
  pool.clear();
  if (problem) std::rethrow_exception(problem);
}

}  // namespace espalier::bench
