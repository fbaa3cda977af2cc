#pragma once

#include "espalier/cli/command.h"
#include "espalier/cli/studies.h"

#include <cstdio>
#include <memory>
#include <string>

namespace espalier::cli {

/// A study that was found, with its store.
struct Opened {
  StudyPlace place;
  std::unique_ptr<Store> store;
  std::vector<Objective> objectives;   ///< never empty

  /// The one that trials are ordered by.
  const Objective& objective() const { return objectives.front(); }
};

/// Opens the study that the word names. Throws E0005.
Opened open_study(const Call& call, const std::string& word);
/// Its best trial. Throws E3003 if none is complete.
TrialRecord best_of(const Opened& study);
/// The trial that the place names, or the best one. Throws E3003 if there is none.
TrialRecord named_trial(const Opened& study);

/// Columns for tables that programs read: those of a terminal, without end elsewhere, so that nothing is cut.
int table_width(std::FILE* stream);

Verb ls_verb();
Verb compare_verb();
Verb importance_verb();

}  // namespace espalier::cli
