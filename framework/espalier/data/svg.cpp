#include "espalier/data/svg.h"

#include "espalier/data/stats.h"
#include "espalier/error.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <png.h>

namespace espalier {

namespace {

/// The bytes of a PNG file.
std::string png_of(const Picture& picture) {
  png_image about = {};
  about.version = PNG_IMAGE_VERSION;
  about.width = static_cast<png_uint_32>(picture.width);
  about.height = static_cast<png_uint_32>(picture.height);
  about.format = picture.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  bool done = png_image_write_to_memory(&about, nullptr, &size, 0, picture.pixels.data(), 0, nullptr) != 0;
  std::string out(size, '\0');
  done = done && png_image_write_to_memory(&about, out.data(), &size, 0, picture.pixels.data(), 0, nullptr) != 0;
  require(done, "E2204", std::string("cannot write a picture as PNG: ") + about.message);
  out.resize(size);
  return out;
}

}  // namespace

std::string base64(const unsigned char* bytes, size_t count) {
  std::string out((count + 2) / 3 * 4 + 1, '\0');
  out.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, static_cast<int>(count))));
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (static_cast<unsigned char>(c) < 0x20) out += ' ';
    else out += c;
  }
  return out;
}

std::string text_at(double x, double y, const std::string& text, const std::string& more) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, more, escaped(text));
}

std::string picture_at(double x, double y, double width, double height, const Picture& picture, const std::string& title) {
  const std::string png = png_of(picture);
  return fmt::format("<image x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" "
                     "href=\"data:image/png;base64,{}\"><title>{}</title></image>\n",
                     x, y, width, height, base64(reinterpret_cast<const unsigned char*>(png.data()), png.size()), escaped(title));
}

std::string svg_document(double width, double height, const std::string& body) {
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1:.0f}\" width=\"{0}\" height=\"{1:.0f}\" "
                     "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{2}</svg>\n",
                     width, height, body);
}

}  // namespace espalier
