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

struct Record {
  std::vector<std::string> fields;
  int64_t line = 0;  ///< on which it begins, from 1
};

/// RFC 4180: quoted fields may hold separators, doubled quotes and line ends. Blanks around fields that are not quoted, and
/// blank lines, mean nothing.
class Parser {
 public:
  Parser(std::string text, char separator) : text_(std::move(text)), separator_(separator) {}

  /// False if the text ends within a quoted field.
  bool parse(std::vector<Record>& out) {
    for (at_ = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (inside_) add_quoted(c);
      else if (c == '"' && trimmed().empty()) quoted_ = inside_ = true, field_.clear();
      else if (c == separator_) end_field();
      else if (c == '\n') end_record(out);
      else field_ += c;
    }
    if (!field_.empty() || !record_.fields.empty()) end_record(out);
    return !inside_;
  }

 private:
  void add_quoted(char c) {
    if (c != '"') field_ += c;
    else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') field_ += text_[++at_];
    else inside_ = false, whole_ = field_.size();
  }
  std::string trimmed() const {
    const auto blank = [&](char c) { return c == ' ' || c == '\r' || (c == '\t' && separator_ != '\t'); };
    size_t begin = 0;
    size_t end = field_.size();
    while (begin < end && blank(field_[begin])) ++begin;
    while (end > begin && blank(field_[end - 1])) --end;
    return field_.substr(begin, end - begin);
  }
  void end_field() {
    // Blanks behind the closing quote are no part of a quoted field.
    const std::string outside = quoted_ ? field_.substr(whole_) : "";
    const bool blank = outside.find_first_not_of(" \t\r") == std::string::npos;
    record_.fields.push_back(quoted_ && blank ? field_.substr(0, whole_) : trimmed());
    field_.clear();
    quoted_ = false;
    whole_ = 0;
  }
  void end_record(std::vector<Record>& out) {
    end_field();
    if (record_.fields.size() > 1 || !record_.fields[0].empty()) out.push_back(record_);
    record_ = {.fields = {}, .line = line_};
  }

  std::string text_;
  char separator_;
  size_t at_ = 0;
  int64_t line_ = 1;
  bool inside_ = false;  ///< of quotes
  bool quoted_ = false;  ///< the field began with a quote
  size_t whole_ = 0;     ///< characters of a quoted field
  std::string field_;
  Record record_{.fields = {}, .line = 1};
};

std::vector<Record> parse(const fs::path& file, char separator) {
  std::ifstream in(file, std::ios::binary);
  require(in.good() && fs::is_regular_file(file), "E2101", "cannot open '" + file.string() + "'");
  std::vector<Record> out;
  require(Parser(std::string{std::istreambuf_iterator<char>(in), {}}, separator).parse(out), "E2105",
          "'" + file.string() + "' ends within a quoted field");
  require(out.size() > 1, "E2105", "'" + file.string() + "' has no rows below its header");
  return out;
}

/// Names of the fields; one without a name (pandas writes such an index) is called after its place.
std::vector<std::string> header_of(const Record& first, const fs::path& file) {
  std::vector<std::string> out = first.fields;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].empty()) out[i] = "field_" + std::to_string(i + 1);
    require(std::find(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(i), out[i]) == out.begin() + static_cast<std::ptrdiff_t>(i),
            "E2105", "'" + file.string() + "' has two fields called '" + out[i] + "'");
  }
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

/// True if names of JPEG and PNG files are at least half of the values that are there: the others are then left out by cause.
bool names_pictures(const std::vector<std::string>& values) {
  const auto there = std::ranges::count_if(values, [](const std::string& v) { return !v.empty(); });
  return there > 0 && 2 * std::ranges::count_if(values, [](const std::string& v) { return pictures::is_picture(v); }) >= there;
}

/// The splits of a column that names nothing else; empty if it does.
std::vector<std::string> splits_in(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const char* name : {"train", "validation", "test"})
    if (std::ranges::find(values, name) != values.end()) out.emplace_back(name);
  const auto other = [&](const std::string& v) { return !v.empty() && std::ranges::find(out, v) == out.end(); };
  return std::ranges::any_of(values, other) ? std::vector<std::string>() : out;
}

/// A column is of pictures if its values are names of picture files, of numbers if all are, else of texts; `split` may hold
/// the splits.
Column column_of(const std::string& name, const std::vector<std::string>& values) {
  Column out{.name = name, .kind = ColumnKind::number};
  if (names_pictures(values)) {
    out.kind = ColumnKind::image;
    return out;
  }
  if (name == "split") out.names = splits_in(values);
  if (!out.names.empty()) {
    out.kind = ColumnKind::class_label;
    for (const std::string& value : values)
      out.labels.push_back(value.empty() ? -1 : std::ranges::find(out.names, value) - out.names.begin());
    return out;
  }
  for (const std::string& value : values) {
    const std::optional<double> v = number(value);
    if (!v) {
      out.kind = ColumnKind::id;
      out.numbers.clear();
      out.ids = values;
      return out;
    }
    out.numbers.push_back(*v);
  }
  return out;
}

class CsvSamples : public Samples {
 public:
  CsvSamples(const Params& p, const fs::path& folder) : folder_(folder / p.folder), name_(fs::path(p.file).filename().string()) {
    require(p.separator.size() == 1, "E2105", "reader csv_images: 'separator' is one character, not '" + p.separator + "'");
    std::vector<Record> records = parse(folder / p.file, p.separator[0]);
    header_ = header_of(records[0], folder / p.file);
    for (size_t i = 1; i < records.size(); ++i) {
      if (records[i].fields.size() == header_.size()) records_.push_back(std::move(records[i]));
      else rejected_.push_back({"wrong number of fields", place(records[i])});
    }
    for (size_t c = 0; c < header_.size(); ++c) {
      std::vector<std::string> values;
      for (const Record& record : records_) values.push_back(record.fields[c]);
      columns_.push_back(column_of(header_[c], values));
    }
  }

  int64_t rows() const override { return static_cast<int64_t>(records_.size()); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string& column, int64_t row) const override {
    const auto at = static_cast<size_t>(std::find(header_.begin(), header_.end(), column) - header_.begin());
    const std::string& file = records_[static_cast<size_t>(row)].fields.at(at);
    if (file.empty()) throw Rejected{"missing file", origin(row)};
    return pictures::decode(folder_ / file);
  }
  std::string origin(int64_t row) const override { return place(records_[static_cast<size_t>(row)]); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

  /// The pictures that are there.
  std::vector<fs::path> files() const {
    std::set<fs::path> out;
    for (size_t c = 0; c < header_.size(); ++c)
      if (columns_[c].kind == ColumnKind::image)
        for (const Record& record : records_)
          if (!record.fields[c].empty() && fs::is_regular_file(folder_ / record.fields[c])) out.insert(folder_ / record.fields[c]);
    return {out.begin(), out.end()};
  }

 private:
  std::string place(const Record& record) const { return name_ + ":" + std::to_string(record.line); }

  fs::path folder_;
  std::string name_;
  std::vector<std::string> header_;
  std::vector<Record> records_;
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

/// A table whose rows name their pictures; the first line names the fields.
struct CsvImages {
  using Params = ::Params;
  static constexpr auto doc = "a CSV table whose rows name their pictures; a field 'split' of train, validation, test is obeyed";
  static constexpr int64_t version = 2;

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
