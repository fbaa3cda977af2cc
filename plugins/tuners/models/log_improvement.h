#pragma once

namespace espalier::tuners {

/// log(z Phi(z) + phi(z)) and its slope, accurate and finite for every finite z (LogEI, arXiv:2310.20708). The expected
/// improvement over `best` under N(mean, deviation^2) is deviation times its exponential at z = (best - mean) / deviation.
struct LogImprovement {
  double value = 0.0;
  double slope = 0.0;
};
LogImprovement log_improvement(double z);

}  // namespace espalier::tuners
