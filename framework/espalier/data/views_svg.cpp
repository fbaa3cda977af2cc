#include "espalier/data/stats.h"
#include "espalier/data/svg.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

constexpr double kMargin = 20;
constexpr double kCaption = 110;  ///< width of the names of rows
constexpr double kPicture = 84;   ///< width of a picture
constexpr double kGap = 8;

double left_of(size_t column) { return kMargin + kCaption + static_cast<double>(column) * (kPicture + kGap) + (column > 0 ? kGap : 0); }

}  // namespace

std::string views_svg(const std::string& title, const std::vector<ViewSheet>& sheets) {
  double y = 34;
  double width = 2 * kMargin + kCaption;
  std::string body = text_at(kMargin, y, title, " font-size=\"18\" font-weight=\"bold\"");
  for (const ViewSheet& sheet : sheets) {
    y += 32;
    body += text_at(kMargin, y, sheet.from, " font-size=\"14\" font-weight=\"bold\"");
    for (size_t i = 0; !sheet.rows.empty() && i < sheet.rows[0].size(); ++i) {
      body += text_at(left_of(i) + kPicture / 2, y, i == 0 ? "as it is" : fmt::format("view {}", i), " text-anchor=\"middle\"");
      width = std::max(width, left_of(i) + kPicture + kMargin);
    }
    y += 10;
    for (size_t row = 0; row < sheet.rows.size(); ++row) {
      double height = 0;
      for (size_t i = 0; i < sheet.rows[row].size(); ++i) {
        const Picture& picture = sheet.rows[row][i];
        height = kPicture * static_cast<double>(picture.height) / static_cast<double>(picture.width);
        body += picture_at(left_of(i), y, kPicture, height, picture, sheet.captions[row]);
      }
      body += text_at(kMargin, y + height / 2 + 4, sheet.captions[row]);
      y += height + kGap;
    }
  }
  return svg_document(width, y + kMargin, body);
}

}  // namespace espalier
