#include <espalier/reader.h>

#include <algorithm>
#include <fstream>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;

struct Params {
  std::vector<std::string> train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  std::vector<std::string> test = {"test_batch.bin"};
  std::vector<std::string> labels = {"label"};
  std::vector<int64_t> classes = {10};
};

std::vector<Column> columns_without_values(const Params& p) {
  require(p.labels.size() == p.classes.size(), "E2105", "reader cifar: 'labels' and 'classes' are lists of the same length");
  std::vector<Column> out = {{.name = "image", .kind = ColumnKind::image, .names = {}, .shape = {3, kSide, kSide}}};
  for (size_t i = 0; i < p.labels.size(); ++i) {
    out.push_back({.name = p.labels[i], .kind = ColumnKind::class_label});
    for (int64_t k = 0; k < p.classes[i]; ++k) out.back().names.push_back(std::to_string(k));
  }
  out.push_back({.name = "split", .kind = ColumnKind::class_label, .names = {"train", "test"}});
  return out;
}

struct Batch {
  std::string name;
  std::vector<uint8_t> bytes;
  int64_t first = 0;  ///< row of its first record
};

class CifarSamples : public Samples {
 public:
  CifarSamples(const Params& p, const fs::path& folder)
      : record_(3 * kPlane + static_cast<int64_t>(p.labels.size())), columns_(columns_without_values(p)) {
    for (const std::string& name : p.train) add(folder / name, 0);
    for (const std::string& name : p.test) add(folder / name, 1);
  }

  int64_t rows() const override { return rows_; }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override {
    const Batch& batch = batch_of(row);
    const uint8_t* planes = batch.bytes.data() + (row - batch.first + 1) * record_ - 3 * kPlane;
    Picture out{.height = kSide, .width = kSide, .channels = 3, .pixels = std::vector<uint8_t>(3 * kPlane)};
    for (size_t i = 0; i < kPlane; ++i)
      for (size_t c = 0; c < 3; ++c) out.pixels[3 * i + c] = planes[c * kPlane + i];
    return out;
  }
  std::string origin(int64_t row) const override {
    const Batch& batch = batch_of(row);
    return batch.name + ":" + std::to_string(row - batch.first);
  }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  void add(const fs::path& file, int64_t split) {
    Batch batch{.name = file.filename().string(), .bytes = {}, .first = rows_};
    std::ifstream in(file, std::ios::binary);
    require(in.good() && fs::is_regular_file(file), "E2101", "cannot open '" + file.string() + "'");
    batch.bytes.resize(fs::file_size(file));
    in.read(reinterpret_cast<char*>(batch.bytes.data()), static_cast<std::streamsize>(batch.bytes.size()));
    const auto size = static_cast<int64_t>(batch.bytes.size());
    require(in.good() && size > 0 && size % record_ == 0, "E2105",
            "'" + file.string() + "' has " + std::to_string(size) + " bytes, which are no whole records of " + std::to_string(record_));
    const int64_t records = size / record_;
    for (int64_t r = 0; r < records; ++r)
      for (size_t k = 1; k + 1 < columns_.size(); ++k) {
        const int64_t label = batch.bytes[static_cast<size_t>(r * record_) + k - 1];
        require(label < static_cast<int64_t>(columns_[k].names.size()), "E2105",
                "'" + batch.name + "' has label " + std::to_string(label) + " in record " + std::to_string(r) + "; there are " +
                    std::to_string(columns_[k].names.size()) + " classes");
        columns_[k].labels.push_back(label);
      }
    columns_.back().labels.insert(columns_.back().labels.end(), static_cast<size_t>(records), split);
    rows_ += records;
    batches_.push_back(std::move(batch));
  }
  const Batch& batch_of(int64_t row) const {
    const auto after = std::find_if(batches_.begin(), batches_.end(), [&](const Batch& b) { return b.first > row; });
    return *std::prev(after);
  }

  int64_t record_;  ///< bytes
  int64_t rows_ = 0;
  std::vector<Batch> batches_;
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

/// The binary version of CIFAR-10 and CIFAR-100: label bytes, then 32 x 32 planes of red, green and blue.
struct CifarReader {
  using Params = ::Params;
  static constexpr auto doc = "binary CIFAR files: label bytes, then 32 x 32 planes of red, green and blue";
  static constexpr int64_t version = 1;

  static Schema<Params> schema() {
    return {{"train", &Params::train, Domain{}, "files of training records"},
            {"test", &Params::test, Domain{}, "files of test records"},
            {"labels", &Params::labels, Domain{}, "names of the label bytes of a record, in order"},
            {"classes", &Params::classes, legal(1, 256), "number of classes of each label byte"}};
  }

  static Sketch sketch(const Params& p, const fs::path& folder) {
    Sketch out{.columns = columns_without_values(p), .inputs = {}};
    for (const std::string& name : p.train) out.inputs.push_back(folder / name);
    for (const std::string& name : p.test) out.inputs.push_back(folder / name);
    return out;
  }

  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<CifarSamples>(p, folder); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<CifarReader>("cifar"); }
