#include "espalier/cli/data_stats.h"

#include "espalier/cli/terminal.h"
#include "espalier/data/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::cli {

namespace {

constexpr const char* kSplits[] = {"train", "validation", "test"};
constexpr int64_t kSide = 18;   ///< columns of a picture

std::vector<std::string> filled_splits(const Json& sizes) {
  std::vector<std::string> out;
  for (const char* split : kSplits)
    if (sizes.at(split).get<int64_t>() > 0) out.emplace_back(split);
  return out;
}

std::string padded(const std::string& text, int width) {
  const std::string cut = shorten(text, width);
  return cut + std::string(static_cast<size_t>(std::max(0, width - display_width(cut))), ' ');
}

/// `share` of `width` columns, to an eighth of one.
std::string bar(double share, int width, const Look& look) {
  const auto eighths = static_cast<int>(std::lround(share * width * 8));
  if (!look.blocks) return std::string(static_cast<size_t>((eighths + 4) / 8), '#');
  static constexpr const char* kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::string out;
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  return out + kParts[eighths % 8];
}

std::string summary_line(const std::string& split, const Json& summary) {
  if (!summary.contains("mean")) return "";
  const double deviation = summary["deviation"].get<double>();
  return fmt::format("{:<10}  mean {}, variance {}, {} to {}\n", split, format_number(summary["mean"].get<double>()),
                     format_number(deviation * deviation), format_number(summary["least"].get<double>()),
                     format_number(summary["most"].get<double>()));
}

std::string target_text(const Json& target, const std::vector<std::string>& splits, const Look& look) {
  const Json& labels = target.at("labels");
  int name_width = display_width(target.at("column").get<std::string>());
  for (const Json& label : labels) name_width = std::max(name_width, display_width(label.get<std::string>()));
  name_width = std::min(name_width, 24);
  constexpr int kCount = 11;
  const int bar_width = std::max(8, look.width - name_width - 3 - kCount * static_cast<int>(splits.size()));
  const std::vector<int64_t> sums = label_sums(target);
  const auto most = static_cast<double>(std::max<int64_t>(1, *std::ranges::max_element(sums)));
  std::string out = padded(target.at("column").get<std::string>(), name_width);
  for (const std::string& split : splits) out += fmt::format("{:>{}}", split, kCount);
  out += '\n';
  for (size_t i = 0; i < sums.size(); ++i) {
    out += padded(labels[i].get<std::string>(), name_width);
    for (const std::string& split : splits) out += fmt::format("{:>{}}", target["counts"][split][i].get<int64_t>(), kCount);
    const std::string drawn = bar(static_cast<double>(sums[i]) / most, bar_width, look);
    if (!drawn.empty()) out += "  " + (look.colour ? "\033[32m" + drawn + "\033[0m" : drawn);
    out += '\n';
  }
  for (const std::string& split : splits)
    if (target.contains("summary")) out += summary_line(split, target["summary"][split]);
  return out;
}

std::string colour_code(const Picture& picture, int64_t y, int64_t x, bool background, bool true_colour) {
  const auto part = [&](int64_t c) { return picture.pixels[static_cast<size_t>((y * picture.width + x) * 3 + c)]; };
  const int kind = background ? 48 : 38;
  if (true_colour) return fmt::format("{};2;{};{};{}", kind, part(0), part(1), part(2));
  const int red = part(0), green = part(1), blue = part(2);
  // 232 to 255 are greys, 16 to 231 a cube of six levels.
  if (std::max({red, green, blue}) - std::min({red, green, blue}) < 12) return fmt::format("{};5;{}", kind, 232 + std::min(23, green * 24 / 256));
  const auto level = [](int value) { return (value * 5 + 127) / 255; };
  return fmt::format("{};5;{}", kind, 16 + 36 * level(red) + 6 * level(green) + level(blue));
}

Picture small_picture(const Picture& whole) {
  const int64_t height = std::clamp<int64_t>(kSide * whole.height / std::max<int64_t>(whole.width, 1), 2, 2 * kSide);
  return to_rgb(resized(whole, height + height % 2, kSide));
}

/// One line of a picture: two of its lines as the halves of block characters.
std::string half_blocks(const Picture& picture, int64_t line, bool true_colour) {
  std::string out;
  for (int64_t x = 0; x < picture.width; ++x)
    out += line + 1 < picture.height
               ? fmt::format("\033[{};{}m▀", colour_code(picture, line, x, false, true_colour), colour_code(picture, line + 1, x, true, true_colour))
               : " ";
  return out + "\033[0m";
}

/// Pictures of the same size side by side.
std::string pictures_text(const std::vector<Picture>& pictures, const Look& look) {
  std::string out;
  for (int64_t line = 0; line < pictures.at(0).height; line += 2) {
    for (const Picture& picture : pictures) out += half_blocks(picture, line, look.true_colour) + "  ";
    out += '\n';
  }
  return out;
}

/// How many pictures stand side by side.
size_t pictures_beside(const Look& look) { return static_cast<size_t>(std::max<int64_t>(1, (look.width + 2) / (kSide + 2))); }

}  // namespace

std::string stats_text(const Json& stats, const Look& look) {
  const std::vector<std::string> splits = filled_splits(stats.at("sizes"));
  std::string out;
  for (const std::string& split : splits) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", split, stats["sizes"][split].get<int64_t>());
  out += " rows\n";
  for (const Json& target : stats.at("targets")) out += "\n" + target_text(target, splits, look);
  return out;
}

std::string sheet_text(const Prepared& prepared, const std::vector<int64_t>& rows, const std::vector<std::string>& columns, const Look& look) {
  const ColumnView* image = picture_column(prepared);
  if (image == nullptr || rows.empty()) return "";
  std::string out = "\n";
  if (!look.colour || !look.blocks) {
    for (const int64_t row : rows)
      out += fmt::format("{}  {}\n", padded(row_caption(prepared, row, columns), 24), shorten(prepared.origin(row), look.width - 26));
    return out;
  }
  const size_t beside = pictures_beside(look);
  for (size_t first = 0; first < rows.size(); first += beside) {
    const size_t end = std::min(rows.size(), first + beside);
    std::vector<Picture> pictures;
    for (size_t i = first; i < end; ++i) pictures.push_back(small_picture(read_picture(*image, rows[i])));
    out += pictures_text(pictures, look);
    for (size_t i = first; i < end; ++i) out += padded(row_caption(prepared, rows[i], columns), static_cast<int>(kSide)) + "  ";
    out += "\n\n";
  }
  return out;
}

std::string views_text(const std::vector<ViewSheet>& sheets, size_t most_rows, const Look& look) {
  if (!look.colour || !look.blocks) return "";
  std::string out;
  for (const ViewSheet& sheet : sheets) {
    out += "\n" + sheet.from + "\n";
    for (size_t row = 0; row < std::min(most_rows, sheet.rows.size()); ++row) {
      std::vector<Picture> pictures;
      for (size_t i = 0; i < std::min(pictures_beside(look), sheet.rows[row].size()); ++i) pictures.push_back(small_picture(sheet.rows[row][i]));
      out += pictures_text(pictures, look) + sheet.captions[row] + "\n\n";
    }
  }
  return out;
}

}  // namespace espalier::cli
