// What the readers of picture files make of the odd ones of their examples, and of broken ones.
#include "espalier/data/files.h"

#include "catch.h"
#include "plugin_reader.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

const fs::path kExample = fs::path(ESPALIER_SOURCE) / "plugins/readers/image_folder/example/pictures";

std::unique_ptr<Samples> open_folder(const fs::path& folder) {
  const ReaderType* reader = reader_of_plugin("image_folder");
  REQUIRE(reader != nullptr);
  return reader->open({{"folder", folder.string()}}, "");
}

Picture picture_of(const Samples& samples, const std::string& origin) {
  for (int64_t row = 0; row < samples.rows(); ++row)
    if (samples.origin(row) == origin) return samples.picture("image", row);
  FAIL("there is no " << origin);
  return {};
}

using Colour = std::vector<int>;
const Colour kRed = {220, 30, 30}, kGreen = {30, 160, 60}, kBlue = {40, 60, 200}, kWhite = {255, 255, 255};

/// The middle of a pixel's neighbourhood may differ a little: JPEG is not exact.
void check_colour(const Picture& picture, int64_t y, int64_t x, const Colour& expected) {
  constexpr int kNear = 4;
  for (size_t c = 0; c < expected.size(); ++c) {
    INFO("channel " << c << " at " << y << ", " << x);
    const int found = picture.pixels.at(static_cast<size_t>((y * picture.width + x) * picture.channels) + c);
    CHECK(std::abs(found - expected[c]) <= kNear);
  }
}

std::string cause_of(const Samples& samples, int64_t row) {
  try {
    samples.picture("image", row);
    return "none";
  } catch (const Rejected& rejected) {
    return rejected.cause;
  }
}

}  // namespace

TEST_CASE("odd pictures have the size, the channels and the colours that people see") {
  struct Odd {
    std::string origin;
    int64_t height;
    int64_t width;
    Colour first;  ///< of the left half, or of the upper one
    Colour last;
  };
  const std::vector<Odd> all = {
      {"train/jpeg/grey.jpg", 8, 16, {60}, {200}},         {"train/jpeg/rgb.jpg", 8, 16, kRed, kBlue},
      {"train/jpeg/cmyk.jpg", 8, 16, kRed, kBlue},         {"train/jpeg/progressive.jpeg", 8, 16, kRed, kBlue},
      {"train/jpeg/turned.jpg", 32, 16, kGreen, kBlue},       {"train/jpeg/UPPER.JPG", 8, 16, kGreen, kBlue},
      {"train/png/grey.png", 8, 16, {60}, {200}},          {"train/png/rgb.png", 8, 16, kRed, kBlue},
      {"train/png/rgba.png", 8, 16, kRed, kWhite},         {"train/png/palette.png", 8, 16, kRed, kBlue},
      {"train/png/sixteen.png", 8, 16, {60}, {200}},       {"train/png/interlaced.png", 8, 16, kRed, kBlue},
      {"train/png/dot.png", 1, 1, kGreen, kGreen},         {"test/jpeg/mirrored.jpg", 8, 16, kRed, kGreen},
      {"test/png/grey_alpha.png", 8, 16, {60}, {60}}};
  const auto samples = open_folder(kExample);
  CHECK(samples->rows() == std::ssize(all));
  for (const Odd& odd : all) {
    INFO(odd.origin);
    const Picture picture = picture_of(*samples, odd.origin);
    CHECK(picture.height == odd.height);
    CHECK(picture.width == odd.width);
    CHECK(picture.channels == std::ssize(odd.first));
    check_colour(picture, 0, 0, odd.first);
    check_colour(picture, picture.height - 1, picture.width - 1, odd.last);
  }
}

TEST_CASE("what lies in a class folder and is no picture by its name is left out with a cause") {
  const auto samples = open_folder(kExample);
  std::vector<std::string> left_out;
  for (const Rejected& rejected : samples->rejected()) left_out.push_back(rejected.cause + ": " + rejected.detail);
  CHECK(left_out == std::vector<std::string>{"neither JPEG nor PNG: train/jpeg/other.webp", "neither JPEG nor PNG: train/png/other.gif"});
}

TEST_CASE("hidden files and folders are nobody's pictures") {
  const TemporaryFolder home;
  fs::copy(kExample / "train", home.path() / "all", fs::copy_options::recursive);
  fs::remove(home.path() / "all/png/other.gif");
  fs::remove(home.path() / "all/jpeg/other.webp");
  std::ofstream(home.path() / "all/png/.DS_Store") << "x";
  fs::create_directories(home.path() / "all/.thumbnails");
  fs::copy_file(kExample / "train/png/rgb.png", home.path() / "all/.thumbnails/rgb.png");
  fs::copy_file(kExample / "train/png/rgb.png", home.path() / "all/png/._rgb.png");
  const auto samples = open_folder(home.path() / "all");
  CHECK(samples->columns().at(1).names == std::vector<std::string>{"jpeg", "png"});
  CHECK(samples->rows() == 13);
  CHECK(samples->rejected().empty());
}

TEST_CASE("Exif turns a picture in each of its eight ways") {
  // Colours of the corners as they are stored, row by row, and as they are to be seen; of the Exif 2.3 standard.
  const std::string seen[8] = {"ABCD", "BADC", "DCBA", "CDAB", "ACBD", "CADB", "DBCA", "BDAC"};
  std::ifstream in(kExample / "train/jpeg/turned.jpg", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  // The entry: tag 0x0112, type 3 (16 bits), one value; this file is in big-endian order.
  const std::string entry("\x01\x12\x00\x03\x00\x00\x00\x01\x00", 9);
  const size_t at = bytes.find(entry);
  REQUIRE(at != std::string::npos);
  const TemporaryFolder home;
  fs::create_directories(home.path() / "a");
  for (char way = 1; way <= 8; ++way) {
    bytes[at + entry.size()] = way;
    std::ofstream(home.path() / "a" / (std::to_string(way) + ".jpg"), std::ios::binary) << bytes;
  }
  const auto samples = open_folder(home.path());
  const std::map<char, Colour> colours = {{'A', kRed}, {'B', kBlue}, {'C', kGreen}, {'D', kWhite}};
  for (int64_t row = 0; row < 8; ++row) {
    INFO("orientation " << row + 1);
    const Picture picture = samples->picture("image", row);
    CHECK(picture.height == (row < 4 ? 16 : 32));
    const int64_t bottom = picture.height - 1, right = picture.width - 1;
    const std::array<std::pair<int64_t, int64_t>, 4> corners = {{{0, 0}, {0, right}, {bottom, 0}, {bottom, right}}};
    for (size_t i = 0; i < corners.size(); ++i)
      check_colour(picture, corners[i].first, corners[i].second, colours.at(seen[row][i]));
  }
}

TEST_CASE("broken pictures are left out by cause") {
  const TemporaryFolder home;
  const fs::path folder = home.path() / "a";
  fs::create_directories(folder);
  const auto part_of = [&](const std::string& name, const std::string& from, double share) {
    fs::copy_file(kExample / from, folder / name);
    fs::resize_file(folder / name, static_cast<uintmax_t>(share * static_cast<double>(fs::file_size(folder / name))));
  };
  part_of("1.jpg", "train/jpeg/rgb.jpg", 0.9);
  part_of("2.jpeg", "train/jpeg/progressive.jpeg", 0.7);
  part_of("3.png", "train/png/rgb.png", 0.7);
  part_of("4.png", "train/png/interlaced.png", 0.7);
  part_of("5.jpg", "train/jpeg/rgb.jpg", 0.0);
  std::ofstream(folder / "6.jpg") << "this is a text, and long enough for a header\n";
  fs::copy_file(kExample / "train/png/other.gif", folder / "7.png");
  const auto samples = open_folder(home.path());
  REQUIRE(samples->rows() == 7);
  for (int64_t row = 0; row < 7; ++row) {
    INFO(samples->origin(row));
    CHECK(cause_of(*samples, row) == (row < 5 ? "truncated picture" : "neither JPEG nor PNG"));
  }
}
