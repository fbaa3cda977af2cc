#pragma once

#include "espalier/data/prepare.h"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace espalier {

/// Cuts rows into `folds` disjoint parts of nearly equal size, each ascending. `strata` and `groups` are marks of the rows
/// in the same order, or empty: each stratum is shared out evenly, no group is in two folds. Throws E2301 if there are
/// fewer rows or groups than folds.
std::vector<std::vector<int64_t>> cut_folds(const std::vector<int64_t>& rows, const std::vector<int64_t>& strata,
                                            const std::vector<int64_t>& groups, int64_t folds, uint64_t seed);

/// Split file in which fold `fold` (from 0) of the training rows is validation; made beside the study's own if it is not
/// there. Throws E2xxx.
std::filesystem::path fold_splits(const DataRequest& request, const Preparation& data, int64_t fold, int64_t folds);

/// Split file in which all rows that are not test are for training; made beside the study's own if it is not there.
std::filesystem::path whole_splits(const Preparation& data);

}  // namespace espalier
