#pragma once

#include "espalier/spec/problems.h"

#include <cstddef>
#include <memory>
#include <string>

namespace espalier {

/// Levels of nesting that a pipeline may have.
inline constexpr size_t kDeepest = 64;

/// A text under its name, cut into lines.
std::shared_ptr<const Source> make_source(const std::string& name, const std::string& text);

/// Whether a YAML parser reads the text as its author sees it. False, and a problem, for what it would misread, drop silently
/// or take too long over: other encodings than UTF-8, control characters, directives, brackets without end.
bool is_readable(const std::shared_ptr<const Source>& source, Problems& problems);

}  // namespace espalier
