#include "espalier/cli/chart.h"

#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::cli {

namespace {

/// Dots in cells of two by four, as Braille signs have them; plain signs have one dot a cell.
class Canvas {
 public:
  Canvas(int width, int height, bool fine)
      : width_(width), height_(height), across_(fine ? 2 : 1), down_(fine ? 4 : 1), cells_(static_cast<size_t>(width * height)) {}

  int columns() const { return width_ * across_; }
  int rows() const { return height_ * down_; }

  void set(int x, int y) {
    static constexpr unsigned char kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cells_[static_cast<size_t>(y / down_ * width_ + x / across_)] |= kBits[y % down_][x % across_];
  }

  std::string row(int y) const {
    std::string out;
    for (int x = 0; x < width_; ++x) {
      const unsigned char bits = cells_[static_cast<size_t>(y * width_ + x)];
      if (bits == 0) out += ' ';
      else if (down_ == 1) out += '*';
      else out += {'\xE2', static_cast<char>(0xA0 + (bits >> 6)), static_cast<char>(0x80 + (bits & 0x3F))};
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

 private:
  int width_, height_, across_, down_;
  std::vector<unsigned char> cells_;
};

}  // namespace

std::string line_chart(const std::vector<std::pair<double, double>>& all, int width, int height) {
  std::vector<std::pair<double, double>> points;
  std::ranges::copy_if(all, std::back_inserter(points), [](const auto& p) { return std::isfinite(p.first) && std::isfinite(p.second); });
  if (points.size() < 2 || points.front().first >= points.back().first) return "";
  const auto [low, high] = std::ranges::minmax_element(points, {}, &std::pair<double, double>::second);
  const double least = low->second;
  const double greatest = high->second;
  const std::string top = format_score(greatest);
  const std::string bottom = format_score(least);
  const int labels = std::max(display_width(top), display_width(bottom));
  const int room = std::max(8, width - labels - 2);
  Canvas canvas(room, height, speaks_utf8());
  const double x0 = points.front().first;
  const double x1 = points.back().first;
  const auto place = [&](double x, double y) {
    const double up = greatest > least ? (y - least) / (greatest - least) : 0.5;
    canvas.set(static_cast<int>(std::lround((x - x0) / (x1 - x0) * (canvas.columns() - 1))),
               static_cast<int>(std::lround((1.0 - up) * (canvas.rows() - 1))));
  };
  for (size_t i = 1; i < points.size(); ++i) {
    const auto [ax, ay] = points[i - 1];
    const auto [bx, by] = points[i];
    // Enough steps that neighbours touch.
    const int steps = canvas.columns() + canvas.rows();
    for (int k = 0; k <= steps; ++k) {
      const double part = static_cast<double>(k) / steps;
      place(ax + part * (bx - ax), ay + part * (by - ay));
    }
  }
  std::string out;
  for (int y = 0; y < height; ++y) {
    const std::string label = y == 0 ? top : y == height - 1 ? bottom : "";
    out += fmt::format("{:>{}}  {}\n", label, labels, canvas.row(y));
  }
  const std::string first = format_number(x0);
  const std::string last = format_number(x1);
  out += fmt::format("{:>{}}  {}{:>{}}\n", "", labels, first, last, room - static_cast<int>(first.size()));
  return out;
}

}  // namespace espalier::cli
