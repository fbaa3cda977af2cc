#pragma once

#include "espalier/json.h"
#include "espalier/pipeline/train_schema.h"

#include <string>
#include <vector>

namespace espalier::cli {

/// Settings as one JSON list, with all that is declared of each.
Json settings_json(const Declaration& declaration);
/// Prints a table of settings, each with its sentence below it.
void print_settings(const Declaration& declaration);
/// Prints what each name of a choice declares; blocks are inspected by themselves.
void print_options(const SettingType& setting, const Catalogue& catalogue);

/// Cuts text into lines of at most `width` columns, at spaces.
std::vector<std::string> wrapped(const std::string& text, int width);

}  // namespace espalier::cli
