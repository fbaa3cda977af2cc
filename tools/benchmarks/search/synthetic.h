#pragma once

#include "task.h"

#include <vector>

namespace espalier::bench {

double branin(double x, double y);
/// In six dimensions; `alpha` holds the heights of its four hollows.
double hartmann(const std::vector<double>& x, const std::vector<double>& alpha = {1.0, 1.2, 3.0, 3.2});
double ackley(const std::vector<double>& x);
double rosenbrock(const std::vector<double>& x);

inline constexpr double kBraninMinimum = 0.397887357729738;
inline constexpr double kHartmannMinimum = -3.322368011415514;

/// branin, hartmann6, ackley10, rosenbrock4, cond3 (a choice of three functions, each with variables of its own) and
/// mf_hartmann6 in four strengths of bias and noise, which has a cheap form of 1 to 100 steps (Falkner et al.;
/// mf-prior-bench).
void add_synthetic(Tasks& tasks);

}  // namespace espalier::bench
