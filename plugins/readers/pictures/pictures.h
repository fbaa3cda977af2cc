#pragma once

#include <espalier/reader.h>

#include <filesystem>
#include <string>

namespace espalier::pictures {

/// Decodes a JPEG or PNG file: grey pictures get one channel, all others three; transparency lies on white.
/// Throws Rejected ("missing file", "truncated picture", "not a picture").
Picture decode(const std::filesystem::path& file);

/// True for names that end in .jpg, .jpeg or .png, whatever the case.
bool is_picture(const std::filesystem::path& file);

}  // namespace espalier::pictures
