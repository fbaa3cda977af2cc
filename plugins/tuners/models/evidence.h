#pragma once

#include <espalier/tuner.h>

#include <cstddef>
#include <vector>

namespace espalier::tuners {

/// One configuration and how good it was; lower is better.
struct Observation {
  const Settings* settings = nullptr;
  double objective = 0.0;
  int64_t number = 0;  ///< of its trial
};

/// What a model of the objective learns from. Points into the history that it was made of.
struct Evidence {
  std::vector<Observation> seen;          ///< in the order of their numbers; all of one fidelity
  std::vector<const Settings*> pending;   ///< tried at present, without a result yet
  std::vector<const Settings*> others;    ///< tried, with nothing to learn from at this fidelity
};

/// Results that can be compared: those of trials trained to their end if they are at least `enough`; else all at the
/// largest fidelity that `enough` trials have reached (BOHB, arXiv:1807.01774); else at the one most have reached. A
/// failed trial counts as the worst that was seen, so that its neighbourhood is left.
Evidence evidence_of(const History& history, size_t enough);

}  // namespace espalier::tuners
