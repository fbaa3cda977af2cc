#include "made_data.h"

#include "espalier/data/hash.h"
#include "espalier/data/hdf5.h"
#include "espalier/random.h"
#include "espalier/samples.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace espalier::test {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kRows = 120;
constexpr int64_t kSide = 8;

void write_text(const fs::path& file, const Json& content) { std::ofstream(file) << content.dump(); }

}  // namespace

Json make_data(const fs::path& folder) {
  fs::create_directories(folder);
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  std::vector<int64_t> lights;
  std::vector<uint8_t> marks;
  std::vector<float> brightness, pairs, extra, left, debt;
  Random random(5);
  for (int64_t row = 0; row < kRows; ++row) {
    const int64_t label = random.below(2);
    const int64_t light = random.below(50);
    double sum = 0.0;
    for (int64_t i = 0; i < kSide * kSide; ++i) {
      const bool bright = (i % kSide < kSide / 2) == (label == 0);
      pixels.push_back(static_cast<uint8_t>((bright ? 120 : 60) + light + random.below(80)));
      sum += pixels.back();
    }
    labels.push_back(label);
    left.push_back(label == 0 ? 1.0F : 0.0F);
    debt.push_back(0.5F - static_cast<float>(label));
    brightness.push_back(static_cast<float>(sum / (kSide * kSide)));
    lights.push_back(light / 17);
    marks.insert(marks.end(), {static_cast<uint8_t>(label), static_cast<uint8_t>(light >= 25)});
    pairs.insert(pairs.end(), {brightness.back(), static_cast<float>(label) * 10.0F});
    extra.insert(extra.end(), {static_cast<float>(light) / 50.0F, static_cast<float>(row % 7), 1.0F});
  }
  const std::vector<char> origins(static_cast<size_t>(kRows), 'x');
  write_tables(folder / "data.h5", {{.name = "image", .type = "uint8", .extents = {kRows, kSide, kSide, 1}, .values = pixels.data()},
                                    {.name = "label", .type = "int64", .extents = {kRows}, .values = labels.data()},
                                    {.name = "brightness", .type = "float32", .extents = {kRows}, .values = brightness.data()},
                                    {.name = "left", .type = "float32", .extents = {kRows}, .values = left.data()},
                                    {.name = "debt", .type = "float32", .extents = {kRows}, .values = debt.data()},
                                    {.name = "light", .type = "int64", .extents = {kRows}, .values = lights.data()},
                                    {.name = "marks", .type = "uint8", .extents = {kRows, 2}, .values = marks.data()},
                                    {.name = "pair", .type = "float32", .extents = {kRows, 2}, .values = pairs.data()},
                                    {.name = "extra", .type = "float32", .extents = {kRows, 3}, .values = extra.data()},
                                    {.name = "/origin", .type = "string", .extents = {kRows}, .values = origins.data()}});
  const Json none = Json::array();
  const Json columns = {
      {{"name", "image"}, {"kind", to_string(ColumnKind::image)}, {"shape", {kSide, kSide, 1}}, {"type", "uint8"}, {"names", none}},
      {{"name", "label"}, {"kind", to_string(ColumnKind::class_label)}, {"shape", none}, {"type", "int64"}, {"names", {"left", "right"}}},
      {{"name", "brightness"}, {"kind", to_string(ColumnKind::number)}, {"shape", none}, {"type", "float32"}, {"names", none}},
      {{"name", "left"}, {"kind", to_string(ColumnKind::number)}, {"shape", none}, {"type", "float32"}, {"names", none}},
      {{"name", "debt"}, {"kind", to_string(ColumnKind::number)}, {"shape", none}, {"type", "float32"}, {"names", none}},
      {{"name", "light"}, {"kind", to_string(ColumnKind::class_label)}, {"shape", none}, {"type", "int64"}, {"names", {"dark", "grey", "light"}}},
      {{"name", "marks"}, {"kind", to_string(ColumnKind::class_labels)}, {"shape", {2}}, {"type", "uint8"}, {"names", {"right", "light"}}},
      {{"name", "pair"}, {"kind", to_string(ColumnKind::numbers)}, {"shape", {2}}, {"type", "float32"}, {"names", {"brightness", "side"}}},
      {{"name", "extra"}, {"kind", to_string(ColumnKind::numbers)}, {"shape", {3}}, {"type", "float32"}, {"names", {"light", "rest", "one"}}}};
  write_text(folder / "manifest.json", {{"format", 1}, {"rows", kRows}, {"columns", columns},
                                        {"sha256", sha256_of_file(folder / "data.h5")}, {"size", fs::file_size(folder / "data.h5")}});
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < kRows; ++row) rows.push_back(row);
  write_tables(folder / "split.h5", {{.name = "train", .type = "int64", .extents = {80}, .values = rows.data()},
                                     {.name = "validation", .type = "int64", .extents = {20}, .values = rows.data() + 80},
                                     {.name = "test", .type = "int64", .extents = {20}, .values = rows.data() + 100}});
  write_text(folder / "split.json", {{"sha256", sha256_of_file(folder / "split.h5")}});
  return {{"cache", folder.string()}, {"splits", (folder / "split.h5").string()}, {"inputs", {{"image", "image"}}},
          {"targets", {{"label", "label"}}}};
}

}  // namespace espalier::test
