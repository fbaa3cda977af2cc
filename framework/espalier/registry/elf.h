#pragma once

#include "espalier/error.h"
#include "espalier/plugin.h"

#include <optional>
#include <string>
#include <string_view>

namespace espalier {

/// Why a library cannot be used. `text` goes on after the file's name: "was built for espalier plugin API 2.0".
struct Refusal {
  std::string code;
  std::string text;
  std::string hint = {};
  bool by_content = true;  ///< the same bytes are refused everywhere: may be remembered
};

/// Checks a library from its bytes alone, before any of its code runs: ELF, machine, completeness, the plugin header's
/// magic, size, API and build. Nothing if it may be opened.
std::optional<Refusal> inspect_bytes(std::string_view bytes);

/// The sentence with the file's name in front.
Problem to_problem(const Refusal& refusal, const std::string& file_name);

}  // namespace espalier
