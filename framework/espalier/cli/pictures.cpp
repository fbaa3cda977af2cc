#include "espalier/cli/pictures.h"

#include "espalier/data/picture.h"
#include "espalier/error.h"
#include "espalier/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <vector>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

/// (C, H, W) of the network's only input, a picture.
Shape picture_shape(const Json& network) {
  const Network net = Network::from_json(network);  // outlives the loop
  std::vector<Shape> inputs;
  for (const Layer& layer : net.layers())
    if (layer.op == "input") inputs.push_back(layer.shape);
  constexpr const char* kHint = "espalier predict STUDY --split test";
  if (std::ranges::none_of(inputs, [](const Shape& shape) { return shape.size() == 3; }))
    fail("E0010", "this model takes no picture, so files cannot be predicted", kHint);
  if (inputs.size() > 1) fail("E0010", "this model takes more than a picture, so files alone cannot be predicted", kHint);
  return inputs.front();
}

/// A folder in the reader's layout, one class, files linked in under their numbers.
fs::path link_files(const std::vector<std::string>& files, const fs::path& scratch) {
  const fs::path folder = scratch / "pictures" / "all";
  fs::create_directories(folder);
  for (size_t i = 0; i < files.size(); ++i) {
    std::error_code error;
    if (!fs::is_regular_file(files[i], error)) fail("E2060", fmt::format("there is no file '{}'", files[i]));
    std::string ending = fs::path(files[i]).extension().string();
    for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    fs::create_symlink(fs::absolute(files[i]), folder / fmt::format("{:06d}{}", i, ending));
  }
  return folder.parent_path();
}

}  // namespace

Json write_pictures(const std::vector<std::string>& files, const Json& network, const Registry& registry, const fs::path& scratch) {
  const Shape shape = picture_shape(network);
  const fs::path folder = link_files(files, scratch);
  const auto samples = registry.reader("image_folder").open(Json::object(), folder);
  std::string column;
  for (const Column& c : samples->columns())
    if (c.kind == ColumnKind::image) column = c.name;
  std::map<size_t, int64_t> row_of_file;
  for (int64_t row = 0; row < samples->rows(); ++row)
    row_of_file[std::stoul(fs::path(samples->origin(row)).stem().string())] = row;
  const fs::path path = scratch / "pictures.bin";
  std::ofstream out(path, std::ios::binary);
  for (size_t i = 0; i < files.size(); ++i) {
    const auto row = row_of_file.find(i);
    if (row == row_of_file.end()) fail("E2060", fmt::format("'{}' is no picture that can be read", files[i]));
    try {
      Picture picture = samples->picture(column, row->second);
      picture = shape[0] == 1 ? to_grey(picture) : to_rgb(picture);
      if (picture.height != shape[1] || picture.width != shape[2]) picture = resized(picture, shape[1], shape[2]);
      out.write(reinterpret_cast<const char*>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
    } catch (const Rejected& rejected) {
      fail("E2060", fmt::format("'{}' cannot be read: {}", files[i], rejected.cause));
    }
  }
  out.close();
  require(!out.fail(), "E2061", fmt::format("'{}' cannot be written", path.string()));
  return {{"path", path.string()}, {"shape", {files.size(), shape[1], shape[2], shape[0]}}};
}

}  // namespace espalier::cli
