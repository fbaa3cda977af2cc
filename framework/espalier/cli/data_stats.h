#pragma once

#include "espalier/data/stats.h"

#include <string>
#include <vector>

namespace espalier::cli {

/// How a terminal shows statistics.
struct Look {
  int width = 80;           ///< columns
  bool colour = false;      ///< pictures in half blocks and coloured bars
  bool true_colour = false; ///< 24 bits, else the 256 colours that every terminal has
  bool blocks = true;       ///< bars of block characters, else of '#'
};

/// Sizes of the splits, and bars of each class or bin.
std::string stats_text(const Json& stats, const Look& look);
/// Pictures side by side with their captions; a list of sources and captions where there are no colours.
std::string sheet_text(const Prepared& prepared, const std::vector<int64_t>& rows, const std::vector<std::string>& columns, const Look& look);
/// The first rows of sheets; nothing where there are no colours.
std::string views_text(const std::vector<ViewSheet>& sheets, size_t most_rows, const Look& look);

}  // namespace espalier::cli
