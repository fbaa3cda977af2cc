#include <espalier/reader.h>

#include <pictures.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

struct Params {
  std::string file;
  std::string folder = ".";
  std::string separator = ",";
};

using Record = std::vector<std::string>;

/// RFC 4180: quoted fields may hold separators, doubled quotes and line ends.
std::vector<Record> parse(const fs::path& file, char separator) {
  std::ifstream in(file, std::ios::binary);
  require(in.good(), "E2101", "cannot open '" + file.string() + "'");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<Record> out;
  Record record;
  std::string field;
  bool quoted = false;
  auto end_record = [&] {
    record.push_back(field);
    field.clear();
    if (record.size() > 1 || !record[0].empty()) out.push_back(record);
    record.clear();
  };
  for (size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') field += c;
      else if (i + 1 < text.size() && text[i + 1] == '"') field += text[++i];
      else quoted = false;
    } else if (c == '"' && field.empty()) {
      quoted = true;
    } else if (c == separator) {
      record.push_back(field);
      field.clear();
    } else if (c == '\n') {
      end_record();
    } else if (c != '\r') {
      field += c;
    }
  }
  require(!quoted, "E2105", "'" + file.string() + "' ends within a quoted field");
  if (!field.empty() || !record.empty()) end_record();
  require(out.size() > 1, "E2105", "'" + file.string() + "' has no rows below its header");
  return out;
}

/// A number, NaN for an empty field, nothing for text.
std::optional<double> number(const std::string& text) {
  if (text.empty()) return std::nan("");
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// A column is of pictures if its values are names of picture files, of numbers if all are, else of texts.
Column column_of(const std::string& name, const std::vector<std::string>& values) {
  Column out{.name = name, .kind = ColumnKind::number};
  const auto picture = [](const std::string& v) { return v.empty() || pictures::is_picture(v); };
  const bool empty = std::all_of(values.begin(), values.end(), [](const std::string& v) { return v.empty(); });
  if (!empty && std::all_of(values.begin(), values.end(), picture)) out.kind = ColumnKind::image;
  for (const std::string& value : values) {
    if (out.kind != ColumnKind::number) break;
    const std::optional<double> v = number(value);
    if (v) out.numbers.push_back(*v);
    else out.kind = ColumnKind::id;
  }
  if (out.kind == ColumnKind::number) return out;
  out.numbers.clear();
  if (out.kind == ColumnKind::id) out.ids = values;
  return out;
}

class CsvSamples : public Samples {
 public:
  CsvSamples(const Params& p, const fs::path& folder) : folder_(folder / p.folder), name_(fs::path(p.file).filename().string()) {
    require(p.separator.size() == 1, "E2105", "reader csv_images: 'separator' is one character, not '" + p.separator + "'");
    std::vector<Record> records = parse(folder / p.file, p.separator[0]);
    header_ = records[0];
    for (size_t i = 1; i < records.size(); ++i) {
      const std::string place = name_ + ":" + std::to_string(i + 1);
      if (records[i].size() == header_.size()) {
        records_.push_back(std::move(records[i]));
        places_.push_back(place);
      } else {
        rejected_.push_back({"wrong number of fields", place});
      }
    }
    for (size_t c = 0; c < header_.size(); ++c) {
      std::vector<std::string> values;
      for (const Record& record : records_) values.push_back(record[c]);
      columns_.push_back(column_of(header_[c], values));
    }
  }

  int64_t rows() const override { return static_cast<int64_t>(records_.size()); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string& column, int64_t row) const override {
    const auto at = static_cast<size_t>(std::find(header_.begin(), header_.end(), column) - header_.begin());
    const std::string& file = records_[static_cast<size_t>(row)].at(at);
    if (file.empty()) throw Rejected{"missing file", origin(row)};
    return pictures::decode(folder_ / file);
  }
  std::string origin(int64_t row) const override { return places_[static_cast<size_t>(row)]; }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

  /// The pictures that are there.
  std::vector<fs::path> files() const {
    std::set<fs::path> out;
    for (size_t c = 0; c < header_.size(); ++c)
      if (columns_[c].kind == ColumnKind::image)
        for (const Record& record : records_)
          if (!record[c].empty() && fs::is_regular_file(folder_ / record[c])) out.insert(folder_ / record[c]);
    return {out.begin(), out.end()};
  }

 private:
  fs::path folder_;
  std::string name_;
  Record header_;
  std::vector<Record> records_;
  std::vector<std::string> places_;
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

/// A table whose rows name their pictures; the first line names the fields.
struct CsvImages {
  using Params = ::Params;
  static constexpr auto doc = "a CSV table whose rows name their pictures";
  static constexpr int64_t version = 1;

  static Schema<Params> schema() {
    return {{"file", &Params::file, "CSV file whose first line names the fields"},
            {"folder", &Params::folder, "folder of the pictures"},
            {"separator", &Params::separator, "character between fields"}};
  }
  static Sketch sketch(const Params& p, const fs::path& folder) {
    const CsvSamples samples(p, folder);
    Sketch out{.columns = samples.columns(), .inputs = samples.files()};
    out.inputs.insert(out.inputs.begin(), folder / p.file);
    return out;
  }
  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<CsvSamples>(p, folder); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<CsvImages>("csv_images"); }
