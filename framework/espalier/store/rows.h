#pragma once

#include "espalier/store/database.h"
#include "espalier/store/store.h"

#include <string>

namespace espalier {

/// Metrics as they stand in a column: numbers that are not finite have no place in JSON, they are left out.
std::string to_column(const Metrics& metrics);
Metrics read_metrics(const std::string& text);

/// Epochs of a row of `trial`, as an expression: those of a trial that consists of parts are the sum of theirs.
inline constexpr const char* kTrialEpochs =
    "case when part = '' then coalesce((select sum(p.epochs) from trial p where p.number = trial.number and p.part <> '' and "
    "p.part <> 'refit'), epochs) else epochs end";

/// "select ... from trial ", in the order in which `read_trial` reads a row. Throws E3014 if a state is unknown.
const std::string& trial_columns();
TrialRecord read_trial(const Statement& row);

/// "select ... from decision ", as `read_decision` reads a row.
const std::string& decision_columns();
Decision read_decision(const Statement& row);

}  // namespace espalier
