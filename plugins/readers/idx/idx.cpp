#include <espalier/reader.h>

#include <zlib.h>

#include <algorithm>
#include <array>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// Reads through zlib, which takes plain files as they are.
class Stream {
 public:
  explicit Stream(const fs::path& file) : name_(file.filename().string()), file_(gzopen(file.c_str(), "rb")) {
    require(file_ != nullptr, "E2101", "cannot open '" + file.string() + "'");
    gzbuffer(file_, 1 << 18);
  }
  ~Stream() { gzclose(file_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void read(uint8_t* to, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
      const int n = gzread(file_, to + done, static_cast<unsigned>(std::min<size_t>(bytes - done, 1U << 30)));
      require(n > 0, "E2105", "'" + name_ + "' ends after " + std::to_string(done) + " of " + std::to_string(bytes) + " bytes");
      done += static_cast<size_t>(n);
    }
  }
  /// Whatever follows is an error, and so is a checksum of gzip that does not fit.
  void end() {
    uint8_t more = 0;
    require(gzread(file_, &more, 1) == 0, "E2105", "'" + name_ + "' is damaged, or longer than it says");
  }
  int64_t number() {
    std::array<uint8_t, 4> b{};
    read(b.data(), b.size());
    return (int64_t{b[0]} << 24) | (int64_t{b[1]} << 16) | (int64_t{b[2]} << 8) | int64_t{b[3]};
  }

 private:
  std::string name_;
  gzFile file_;
};

/// One array of unsigned bytes.
struct Idx {
  std::string name;
  Shape extents;
  std::vector<uint8_t> bytes;
};

Idx read_idx(const fs::path& file, size_t dimensions) {
  Stream in(file);
  Idx out{.name = file.filename().string(), .extents = {}, .bytes = {}};
  const int64_t magic = in.number();
  const auto expected = static_cast<int64_t>(0x0800U + dimensions);
  require(magic == expected, "E2105", "'" + out.name + "' is no IDX file of bytes with " + std::to_string(dimensions) +
                                          " dimensions: it starts with " + std::to_string(magic));
  int64_t size = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    out.extents.push_back(in.number());
    require(out.extents.back() >= 0 && size <= (int64_t{1} << 36) / std::max<int64_t>(out.extents.back(), 1), "E2105",
            "'" + out.name + "' promises too much: " + to_string(out.extents));
    size *= out.extents.back();
  }
  // Piece by piece: a damaged header may promise more than there is memory.
  constexpr size_t kPiece = size_t{1} << 24;
  for (size_t done = 0; done < static_cast<size_t>(size);) {
    const size_t piece = std::min(kPiece, static_cast<size_t>(size) - done);
    out.bytes.resize(done + piece);
    in.read(out.bytes.data() + done, piece);
    done += piece;
  }
  in.end();
  return out;
}

struct Params {
  std::string train_images = "train-images-idx3-ubyte.gz";
  std::string train_labels = "train-labels-idx1-ubyte.gz";
  std::string test_images = "t10k-images-idx3-ubyte.gz";
  std::string test_labels = "t10k-labels-idx1-ubyte.gz";
};

/// The file as named, or its unpacked twin.
fs::path find(const fs::path& folder, const std::string& name) {
  const fs::path file = folder / name;
  if (!fs::exists(file) && file.extension() == ".gz") return folder / file.stem();
  return file;
}

/// Columns with the values of all but pictures; the labels of a data set are small enough for a sketch.
std::vector<Column> columns_of(const Params& p, const fs::path& folder) {
  Column label{.name = "label", .kind = ColumnKind::class_label};
  Column split{.name = "split", .kind = ColumnKind::class_label};
  const auto add = [&](const std::string& file, const std::string& name) {
    const Idx labels = read_idx(find(folder, file), 1);
    label.labels.insert(label.labels.end(), labels.bytes.begin(), labels.bytes.end());
    split.labels.insert(split.labels.end(), labels.bytes.size(), std::ssize(split.names));
    split.names.push_back(name);
  };
  add(p.train_labels, "train");
  if (!p.test_images.empty()) add(p.test_labels, "test");
  require(!label.labels.empty(), "E2105", "'" + p.train_labels + "' has no labels");
  const int64_t classes = 1 + *std::max_element(label.labels.begin(), label.labels.end());
  for (int64_t i = 0; i < classes; ++i) label.names.push_back(std::to_string(i));
  Stream in(find(folder, p.train_images));
  in.number();
  in.number();
  const int64_t height = in.number();
  const int64_t width = in.number();
  return {{.name = "image", .kind = ColumnKind::image, .names = {}, .shape = {1, height, width}}, label, split};
}

class IdxSamples : public Samples {
 public:
  IdxSamples(const Params& p, const fs::path& folder) : columns_(columns_of(p, folder)) {
    add(read_idx(find(folder, p.train_images), 3), 0);
    if (!p.test_images.empty()) add(read_idx(find(folder, p.test_images), 3), 1);
  }

  int64_t rows() const override { return std::ssize(columns_[2].labels); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override {
    const auto [file, index] = place(row);
    const int64_t size = file->extents[1] * file->extents[2];
    const auto from = file->bytes.begin() + index * size;
    return {.height = file->extents[1], .width = file->extents[2], .channels = 1, .pixels = {from, from + size}};
  }
  std::string origin(int64_t row) const override {
    const auto [file, index] = place(row);
    return file->name + ":" + std::to_string(index);
  }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  void add(Idx images, int64_t split) {
    const int64_t labels = std::ranges::count(columns_[2].labels, split);
    require(images.extents[0] == labels && labels > 0, "E2105",
            "'" + images.name + "' has " + std::to_string(images.extents[0]) + " pictures; there are " + std::to_string(labels) + " labels");
    const Shape own = {1, images.extents[1], images.extents[2]};
    require(own == columns_[0].shape && elements(own) > 0, "E2105",
            "'" + images.name + "' has pictures of " + to_string(own) + ", not " + to_string(columns_[0].shape));
    images_.push_back(std::move(images));
  }
  std::pair<const Idx*, int64_t> place(int64_t row) const {
    const int64_t first = images_[0].extents[0];
    return row < first ? std::pair(&images_[0], row) : std::pair(&images_[1], row - first);
  }

  std::vector<Idx> images_;
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

/// IDX files of MNIST and its kin: (N, H, W) bytes of pictures and (N) bytes of labels, plain or gzip'd.
struct IdxReader {
  using Params = ::Params;
  static constexpr auto doc = "IDX files as MNIST's: grey pictures and labels, plain or gzip'd";
  static constexpr int64_t version = 1;

  static Schema<Params> schema() {
    return {{"train_images", &Params::train_images, "file of training pictures"},
            {"train_labels", &Params::train_labels, "file of training labels"},
            {"test_images", &Params::test_images, "file of test pictures; \"\" if there are none"},
            {"test_labels", &Params::test_labels, "file of test labels"}};
  }

  static Sketch sketch(const Params& p, const fs::path& folder) {
    Sketch out{.columns = columns_of(p, folder), .inputs = {find(folder, p.train_images), find(folder, p.train_labels)}};
    if (p.test_images.empty()) return out;
    out.inputs.push_back(find(folder, p.test_images));
    out.inputs.push_back(find(folder, p.test_labels));
    return out;
  }

  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<IdxSamples>(p, folder); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<IdxReader>("idx"); }
