#include "log_improvement.h"

#include <cmath>
#include <numbers>

namespace espalier::tuners {

LogImprovement log_improvement(double z) {
  // Below, the two terms cancel but for one part in z^2, and a series in 1/z^2 takes over (relative error 1e-11 there).
  constexpr double kTail = -25.0;
  const double log_root = 0.5 * std::log(2.0 * std::numbers::pi);
  if (z >= kTail) {
    const double density = std::exp(-0.5 * z * z - log_root);
    const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
    const double h = z * below + density;
    return {.value = std::log(h), .slope = below / h};
  }
  const double t = 1.0 / (z * z);
  // Phi(z) = phi/|z| (1 - t + 3 t^2 - ...) and z Phi(z) + phi = phi t (1 - 3 t + 15 t^2 - ...).
  const double below = 1.0 + t * (-1.0 + t * (3.0 + t * (-15.0 + t * (105.0 - 945.0 * t))));
  const double h = 1.0 + t * (-3.0 + t * (15.0 + t * (-105.0 + t * (945.0 - 10395.0 * t))));
  return {.value = -0.5 * z * z - log_root + std::log(t) + std::log(h), .slope = -z * below / h};
}

}  // namespace espalier::tuners
