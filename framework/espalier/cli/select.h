#pragma once

#include "espalier/cli/fields.h"

#include <string>
#include <vector>

namespace espalier::cli {

/// Which trials are asked for, and in which order.
struct Selection {
  std::string where = {};   ///< an expression; "" takes all
  std::string sort = {};    ///< a name, "-NAME" for the greatest first; "": best first
};

/// The trials that fit, as indices, in order; `asked` are the fields that were named, once each. Throws E0701 to E0704 with a
/// caret under the mistake.
struct Selected {
  std::vector<size_t> trials;
  std::vector<Field> asked;
};
Selected select(const Selection& selection, const Fields& fields, const std::vector<TrialRecord>& trials, const Objective& objective);

/// What may be wrong where nothing fits: a word that no trial has, with the nearest one; "" if nothing is known.
std::string why_nothing(const std::string& where, const Fields& fields, const std::vector<TrialRecord>& trials);

}  // namespace espalier::cli
