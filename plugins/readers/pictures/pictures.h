#pragma once

#include <espalier/reader.h>

#include <filesystem>
#include <string>

namespace espalier::pictures {

/// Why a file of another format is left out.
inline constexpr auto kUnknownFormat = "neither JPEG nor PNG";

/// Decodes a JPEG or PNG file: grey pictures get one channel, all others three; transparency lies on white, 16 bits become 8,
/// and a picture that its Exif data say is to be turned is turned. Throws Rejected ("missing file", "truncated picture",
/// kUnknownFormat).
Picture decode(const std::filesystem::path& file);

/// True for names that end in .jpg, .jpeg or .png, whatever the case.
bool is_picture(const std::filesystem::path& file);

}  // namespace espalier::pictures
