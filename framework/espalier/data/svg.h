#pragma once

#include "espalier/samples.h"

#include <string>

namespace espalier {

// Parts of an SVG document; lengths are its units.

/// Text as an element may hold it.
std::string escaped(const std::string& text);
/// A line of text with `more` attributes (" text-anchor=...").
std::string text_at(double x, double y, const std::string& text, const std::string& more = "");
/// A picture with its pixels as they are; `title` is shown where a pointer rests on it. Throws E2204.
std::string picture_at(double x, double y, double width, double height, const Picture& picture, const std::string& title);
/// The whole document on white.
std::string svg_document(double width, double height, const std::string& body);

}  // namespace espalier
