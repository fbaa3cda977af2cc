#pragma once

#include <espalier/reader.h>

#include <cstdint>
#include <vector>

namespace espalier::pictures {

/// How a JPEG file says that it is to be turned, 1 (as it is) to 8: tag 0x0112 of the Exif 2.3 standard. 1 if it does not say.
int exif_orientation(const std::vector<uint8_t>& jpeg);

/// The picture as it is meant to be seen.
Picture upright(Picture picture, int orientation);

}  // namespace espalier::pictures
