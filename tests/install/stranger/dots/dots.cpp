#include <espalier/reader.h>

#include <fstream>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

struct Params {
  std::string file = "dots.txt";
};

std::vector<Column> columns_without_values() {
  return {{.name = "image", .kind = ColumnKind::image, .names = {}, .shape = {1, 2, 2}},
          {.name = "label", .kind = ColumnKind::class_label, .names = {"dark", "light"}}};
}

class DotSamples : public Samples {
 public:
  explicit DotSamples(const fs::path& file) : name_(file.filename().string()), columns_(columns_without_values()) {
    std::ifstream in(file);
    int64_t rows = 0;
    require(static_cast<bool>(in >> rows), "E2101", "'" + file.string() + "' does not begin with the number of its rows");
    for (int64_t label = 0, a = 0, b = 0, c = 0, d = 0; in >> label >> a >> b >> c >> d;) {
      require(label == 0 || label == 1, "E2105", "'" + name_ + "' has a label that is neither 0 nor 1");
      columns_[1].labels.push_back(label);
      Picture& picture = pictures_.emplace_back(Picture{.height = 2, .width = 2, .channels = 1, .pixels = {}});
      for (const int64_t value : {a, b, c, d}) picture.pixels.push_back(static_cast<uint8_t>(value));
    }
    require(std::ssize(pictures_) == rows, "E2105", "'" + name_ + "' has another number of rows than it says");
  }
  int64_t rows() const override { return std::ssize(pictures_); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override { return pictures_[static_cast<size_t>(row)]; }
  std::string origin(int64_t row) const override { return name_ + ":" + std::to_string(row + 2); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  std::string name_;
  std::vector<Column> columns_;
  std::vector<Picture> pictures_;
  std::vector<Rejected> rejected_;
};

/// Pictures of four dots, one a line, behind their number.
struct Dots {
  using Params = ::Params;
  static constexpr auto doc = "pictures of four dots in a text file";
  static constexpr int64_t version = 1;

  static Schema<Params> schema() { return {{"file", &Params::file, "text file of dots"}}; }
  static Sketch sketch(const Params& p, const fs::path& folder) { return {.columns = columns_without_values(), .inputs = {folder / p.file}}; }
  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<DotSamples>(folder / p.file); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<Dots>("dots"); }
