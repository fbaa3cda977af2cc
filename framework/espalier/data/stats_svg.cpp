#include "espalier/data/stats.h"
#include "espalier/data/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

constexpr int kWidth = 900;
constexpr int kMargin = 20;
constexpr int kChart = 240;     ///< height of the bars
constexpr int kPicture = 96;    ///< side of a picture's place
constexpr int kColumns = 8;     ///< pictures in a row
constexpr const char* kColours[] = {"#3f7d4e", "#4a6fa5", "#b5763a"};
constexpr const char* kSplits[] = {"train", "validation", "test"};

/// Stacked bars of the splits, one a label.
std::string bars(const Json& target, double top) {
  const Json& labels = target.at("labels");
  const std::vector<int64_t> sums = label_sums(target);
  const auto most = static_cast<double>(std::max<int64_t>(1, *std::ranges::max_element(sums)));
  const double step = static_cast<double>(kWidth - 2 * kMargin - 50) / static_cast<double>(sums.size());
  const size_t every = static_cast<size_t>(std::max(1.0, std::ceil(14.0 / step)));
  const double bottom = top + kChart;
  std::string out = text_at(kMargin, bottom - kChart + 10, fmt::format("{}", static_cast<int64_t>(most)));
  for (size_t i = 0; i < sums.size(); ++i) {
    const double x = kMargin + 50 + static_cast<double>(i) * step;
    double y = bottom;
    for (size_t s = 0; s < std::size(kSplits); ++s) {
      const auto count = target["counts"][kSplits[s]][i].get<int64_t>();
      const double height = static_cast<double>(count) / most * kChart;
      y -= height;
      if (count > 0)
        out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"><title>{}, {}: {}</title></rect>\n",
                           x, y, step * 0.86, height, kColours[s], escaped(labels[i].get<std::string>()), kSplits[s], count);
    }
    if (i % every == 0)
      out += text_at(x + step * 0.5, bottom + 14, labels[i].get<std::string>(),
                     fmt::format(" text-anchor=\"end\" transform=\"rotate(-35 {:.1f} {:.1f})\"", x + step * 0.5, bottom + 14));
  }
  return out + fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#888\"/>\n", kMargin + 50, bottom, kWidth - kMargin, bottom);
}

std::string legend(const Json& sizes, double y) {
  std::string out;
  double x = kMargin;
  for (size_t s = 0; s < std::size(kSplits); ++s) {
    out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n", x, y - 11, kColours[s]);
    out += text_at(x + 18, y, fmt::format("{} {}", kSplits[s], sizes.at(kSplits[s]).get<int64_t>()));
    x += 170;
  }
  return out;
}

std::string sheet(const Prepared& prepared, const std::vector<int64_t>& rows, const std::vector<std::string>& columns, double top) {
  const ColumnView* image = picture_column(prepared);
  std::string out;
  for (size_t i = 0; image != nullptr && i < rows.size(); ++i) {
    const double x = kMargin + static_cast<double>(i % kColumns) * (kPicture + 11);
    const double y = top + static_cast<double>(i / kColumns) * (kPicture + 26);
    out += picture_at(x, y, kPicture, kPicture, read_picture(*image, rows[i]), prepared.origin(rows[i]));
    out += text_at(x + kPicture / 2.0, y + kPicture + 14, row_caption(prepared, rows[i], columns), " text-anchor=\"middle\"");
  }
  return out;
}

}  // namespace

std::string stats_svg(const std::string& title, const Json& stats, const Prepared& prepared, const std::vector<int64_t>& rows,
                      const std::vector<std::string>& columns) {
  double y = 34;
  std::string body = text_at(kMargin, y, title, " font-size=\"18\" font-weight=\"bold\"");
  y += 26;
  body += legend(stats.at("sizes"), y);
  for (const Json& target : stats.at("targets")) {
    y += 34;
    const std::string unit = target.value("unit", "");
    body += text_at(kMargin, y, target.at("column").get<std::string>() + (unit.empty() || unit == "boolean" ? "" : " (" + unit + ")"),
                    " font-size=\"14\" font-weight=\"bold\"");
    y += 12;
    body += bars(target, y);
    y += kChart + 70;
  }
  const bool pictures = picture_column(prepared) != nullptr && !rows.empty();
  if (pictures) {
    body += sheet(prepared, rows, columns, y + 14);
    y += 14 + static_cast<double>((rows.size() + kColumns - 1) / kColumns) * (kPicture + 26);
  }
  return svg_document(kWidth, y + kMargin, body);
}

}  // namespace espalier
