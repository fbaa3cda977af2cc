#include "orientation.h"

#include <cstddef>
#include <cstring>
#include <span>

namespace espalier::pictures {

namespace {

using Bytes = std::span<const uint8_t>;

/// Numbers of the byte order that the TIFF header names; 0 past the end.
struct Tiff {
  Bytes bytes;
  bool big = false;

  uint32_t number(size_t at, size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    uint32_t out = 0;
    for (size_t i = 0; i < size; ++i) out = (out << 8U) | bytes[at + (big ? i : size - 1 - i)];
    return out;
  }
};

/// Looks through the first directory of tags.
int orientation_in(Bytes bytes) {
  constexpr uint32_t kOrientation = 0x0112;
  constexpr size_t kEntry = 12;  // bytes of tag, type, count and value
  const Tiff tiff{.bytes = bytes, .big = bytes.size() > 1 && bytes[0] == 'M'};
  const size_t directory = tiff.number(4, 4);
  const uint32_t entries = tiff.number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + kEntry * i;
    if (entry >= bytes.size()) return 1;
    if (tiff.number(entry, 2) != kOrientation) continue;
    const uint32_t value = tiff.number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(const std::vector<uint8_t>& jpeg) {
  constexpr uint8_t kMarker = 0xFF;
  constexpr uint8_t kApp1 = 0xE1;
  constexpr uint8_t kStartOfScan = 0xDA;
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (size_t at = 2; at + 4 <= jpeg.size() && jpeg[at] == kMarker && jpeg[at + 1] != kStartOfScan;) {
    const size_t length = size_t{jpeg[at + 2]} << 8U | jpeg[at + 3];
    if (length < 2 || length > jpeg.size() - at - 2) return 1;
    const Bytes segment(jpeg.data() + at + 4, length - 2);
    if (jpeg[at + 1] == kApp1 && segment.size() > kExif.size() && std::memcmp(segment.data(), kExif.data(), kExif.size()) == 0)
      return orientation_in(segment.subspan(kExif.size()));
    at += 2 + length;
  }
  return 1;
}

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1) return picture;
  const bool turned = orientation >= 5;        // rows become columns
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Picture out{.height = turned ? picture.width : picture.height, .width = turned ? picture.height : picture.width,
              .channels = picture.channels, .pixels = std::vector<uint8_t>(picture.pixels.size())};
  const auto channels = static_cast<size_t>(picture.channels);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) {
      const int64_t across = turned ? y : x;
      const int64_t down = turned ? x : y;
      const int64_t column = from_right ? picture.width - 1 - across : across;
      const int64_t row = from_below ? picture.height - 1 - down : down;
      const auto from = static_cast<size_t>(row * picture.width + column) * channels;
      std::memcpy(out.pixels.data() + static_cast<size_t>(y * out.width + x) * channels, picture.pixels.data() + from, channels);
    }
  return out;
}

}  // namespace espalier::pictures
