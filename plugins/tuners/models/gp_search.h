#pragma once

#include "gp_model.h"

#include <functional>
#include <vector>

namespace espalier::tuners {

/// A configuration as a row of Encoding, and its log expected improvement.
struct Found {
  Eigen::RowVectorXd row;
  double value = 0.0;
};

/// Whether a row may be proposed: not tried before, and feasible. Asked only of rows that would be taken.
using Acceptable = std::function<bool(const Eigen::RowVectorXd&)>;

/// Rows to look for the greatest expected improvement from. They hold a coordinate for every axis, of inactive ones the
/// one to take when a move makes it active.
struct SearchStarts {
  Points candidates;  ///< tried all, and the best few climbed from
  Points incumbents;  ///< climbed from though they have been tried
};

/// Sets inactive coordinates to kInactive and the others to the nearest value of their axis.
Eigen::RowVectorXd canonical_row(const Encoding& encoding, const Eigen::RowVectorXd& full);

/// Acceptable rows of great expected improvement, the greatest first: where climbs end, which go by gradient along axes without
/// steps or with many values and through every value of the others, by turns until neither moves. Empty: no start was acceptable.
std::vector<Found> climb_improvements(const Encoding& encoding, const GpModel& model, double best, const SearchStarts& starts,
                                      const Acceptable& acceptable, Random& random);

}  // namespace espalier::tuners
