#include "pictures.h"

#include "orientation.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <vector>

namespace espalier::pictures {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 28;

std::vector<uint8_t> read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in || fs::is_directory(file)) throw Rejected{"missing file", file.string()};
  std::vector<uint8_t> out(static_cast<size_t>(std::max<std::streamoff>(in.tellg(), 0)));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (!in) throw Rejected{"missing file", file.string()};
  return out;
}

Picture room(int64_t height, int64_t width, int64_t channels, const fs::path& file) {
  if (height < 1 || width < 1 || height > kMostPixels / width) throw Rejected{"picture of more than 268 million pixels", file.string()};
  return {.height = height, .width = width, .channels = channels, .pixels = std::vector<uint8_t>(static_cast<size_t>(height * width * channels))};
}

/// Inverted CMYK, as Adobe writes it.
Picture from_cmyk(const Picture& p) {
  Picture out{.height = p.height, .width = p.width, .channels = 3, .pixels = std::vector<uint8_t>(p.pixels.size() / 4 * 3)};
  for (size_t i = 0; i < p.pixels.size() / 4; ++i)
    for (size_t c = 0; c < 3; ++c) out.pixels[3 * i + c] = static_cast<uint8_t>(p.pixels[4 * i + c] * p.pixels[4 * i + 3] / 255);
  return out;
}

Picture decode_jpeg(const std::vector<uint8_t>& bytes, const fs::path& file) {
  // A decoder per thread: making one costs more than decoding a small picture.
  thread_local const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colours = 0;
  const auto size = static_cast<unsigned long>(bytes.size());
  if (tjDecompressHeader3(decoder.get(), bytes.data(), size, &width, &height, &sampling, &colours) != 0)
    throw Rejected{"truncated picture", file.string()};
  const bool grey = colours == TJCS_GRAY;
  const bool cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
  Picture out = room(height, width, grey ? 1 : cmyk ? 4 : 3, file);
  const int format = grey ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
  // A warning (TJERR_WARNING) is how the library reports that the data end too early: the rest would be grey.
  if (tjDecompress2(decoder.get(), bytes.data(), size, out.pixels.data(), width, 0, height, format, TJFLAG_ACCURATEDCT) != 0)
    throw Rejected{"truncated picture", file.string()};
  return upright(cmyk ? from_cmyk(out) : std::move(out), exif_orientation(bytes));
}

Picture decode_png(const std::vector<uint8_t>& bytes, const fs::path& file) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) throw Rejected{"truncated picture", file.string()};
  // Without it libpng takes the values of 16 bits for linear light and brightens them.
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const bool grey = (image.format & PNG_FORMAT_FLAG_COLOR) == 0;
  image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  try {
    Picture out = room(image.height, image.width, grey ? 1 : 3, file);
    const png_color white = {255, 255, 255};
    if (png_image_finish_read(&image, &white, out.pixels.data(), 0, nullptr) == 0) throw Rejected{"truncated picture", file.string()};
    return out;
  } catch (...) {
    png_image_free(&image);
    throw;
  }
}

}  // namespace

Picture decode(const fs::path& file) {
  const std::vector<uint8_t> bytes = read(file);
  if (bytes.size() > 2 && bytes[0] == 0xFF && bytes[1] == 0xD8) return decode_jpeg(bytes, file);
  if (bytes.size() > 8 && png_sig_cmp(bytes.data(), 0, 8) == 0) return decode_png(bytes, file);
  throw Rejected{bytes.empty() ? "truncated picture" : kUnknownFormat, file.string()};
}

bool is_picture(const fs::path& file) {
  std::string end = file.extension().string();
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return end == ".jpg" || end == ".jpeg" || end == ".png";
}

}  // namespace espalier::pictures
