// Stands in for the C library's clocks in this program, also where libespalier asks for the time.
#include "run.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <ctime>

namespace {

// The clocks are the process's, and so is their error.
double boot_skew = 0.0;
bool is_skewed = false;
int64_t readings = 0;

time_t wall_skew() { return is_skewed ? ++readings * 7919 % 172800 - 86400 : 0; }

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME) time->tv_sec += wall_skew();
  if (clock == CLOCK_BOOTTIME && is_skewed) {
    const double seconds = static_cast<double>(time->tv_sec) + 1e-9 * static_cast<double>(time->tv_nsec) + boot_skew;
    time->tv_sec = static_cast<time_t>(std::floor(seconds));
    time->tv_nsec = static_cast<long>(1e9 * (seconds - std::floor(seconds)));
  }
  return result;
}

extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

namespace espalier::chaos {

void skew_clocks(double boot_seconds) {
  boot_skew = boot_seconds;
  is_skewed = true;
}

}  // namespace espalier::chaos
