#pragma once

#include "espalier/study/decide.h"
#include "espalier/study/study.h"

namespace espalier {

/// Fills `deciding.settled` when a study begins or goes on: what was kept, and what was not is measured on the first
/// configuration and kept, as results depend on it. Throws E3024 or E3025 where this machine cannot do as it was settled.
void settle(Deciding& deciding, Store& store, const StudyOptions& options);

/// What was settled, for those who join.
Settled read_settled(const Store& store, const Preparation& data);

/// Throws E3024 or E3025 where this machine cannot train as it was settled.
void require_machine(const Settled& settled);

}  // namespace espalier
