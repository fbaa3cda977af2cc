#include <espalier/reader.h>

#include <matio.h>
#include <pictures.h>

#include <algorithm>
#include <cmath>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

struct Params {
  std::string file = "imdb.mat";
  std::string name = "imdb";
};

/// The struct of a MATLAB 5 file, of which fields are taken out by name.
class Struct {
 public:
  Struct(const fs::path& file, const std::string& name) : file_(file.string()) {
    const std::unique_ptr<mat_t, int (*)(mat_t*)> in(Mat_Open(file.c_str(), MAT_ACC_RDONLY), Mat_Close);
    require(in != nullptr, "E2105", "'" + file_ + "' is no MATLAB file");
    variable_.reset(Mat_VarRead(in.get(), name.c_str()));
    require(variable_ && variable_->class_type == MAT_C_STRUCT, "E2105", "'" + file_ + "' holds no struct '" + name + "'");
  }

  std::vector<double> numbers(const std::string& name) const {
    const matvar_t& v = *field(name);
    std::vector<double> out(count(v));
    for (size_t i = 0; i < out.size(); ++i) out[i] = number(v, i);
    return out;
  }
  std::vector<std::string> texts(const std::string& name) const {
    const matvar_t& v = *field(name);
    require(v.class_type == MAT_C_CELL, "E2105", "field '" + name + "' of '" + file_ + "' holds no texts");
    std::vector<std::string> out;
    for (size_t i = 0; i < count(v); ++i) out.push_back(text(static_cast<matvar_t**>(v.data)[i]));
    return out;
  }

 private:
  const matvar_t* field(const std::string& name) const {
    const matvar_t* out = Mat_VarGetStructFieldByName(variable_.get(), name.c_str(), 0);
    require(out != nullptr, "E2105", "'" + file_ + "' lacks field '" + name + "'");
    // matio gives what it could read of a file that was cut short.
    const bool whole = count(*out) == 0 || (out->data != nullptr && out->nbytes / static_cast<size_t>(std::max(out->data_size, 1)) >= count(*out));
    require(whole, "E2105", "field '" + name + "' of '" + file_ + "' is damaged");
    return out;
  }
  static size_t count(const matvar_t& v) {
    size_t n = 1;
    for (int i = 0; i < v.rank; ++i) n *= v.dims[i];
    return n;
  }
  double number(const matvar_t& v, size_t i) const {
    switch (v.data_type) {
      case MAT_T_DOUBLE: return static_cast<const double*>(v.data)[i];
      case MAT_T_SINGLE: return static_cast<double>(static_cast<const float*>(v.data)[i]);
      case MAT_T_INT32: return static_cast<const int32_t*>(v.data)[i];
      case MAT_T_UINT32: return static_cast<const uint32_t*>(v.data)[i];
      case MAT_T_INT16: return static_cast<const int16_t*>(v.data)[i];
      case MAT_T_UINT16: return static_cast<const uint16_t*>(v.data)[i];
      case MAT_T_INT8: return static_cast<const int8_t*>(v.data)[i];
      case MAT_T_UINT8: return static_cast<const uint8_t*>(v.data)[i];
      default: fail("E2105", "'" + file_ + "' has numbers of an unexpected type");
    }
  }
  static std::string text(const matvar_t* v) {
    if (v == nullptr || v->data == nullptr) return "";
    const size_t n = count(*v);
    std::string out;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t c = v->data_size == 2 ? static_cast<const uint16_t*>(v->data)[i] : static_cast<const uint8_t*>(v->data)[i];
      // Latin letters of two-byte texts become UTF-8; bytes of one-byte texts are UTF-8 already.
      if (v->data_size == 1 || c < 0x80) {
        out += static_cast<char>(c);
      } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 0x3F));
      } else {
        out += '?';
      }
    }
    return out;
  }

  std::string file_;
  std::unique_ptr<matvar_t, void (*)(matvar_t*)> variable_{nullptr, Mat_VarFree};
};

/// Years from a MATLAB day number of birth to 1 July of a year; the day number of 1 January 1970 is 719529.
double age_in(double year, double born) {
  const double y = year - 1970.0;
  const double leap_days = std::floor((year - 1969.0) / 4.0) - std::floor((year - 1901.0) / 100.0) + std::floor((year - 1601.0) / 400.0);
  const bool leap = std::fmod(year, 4.0) == 0.0 && (std::fmod(year, 100.0) != 0.0 || std::fmod(year, 400.0) == 0.0);
  const double july = 719529.0 + 365.0 * y + leap_days + 181.0 + (leap ? 1.0 : 0.0);
  return (july - born) / 365.2425;
}

std::vector<Column> columns_without_values() {
  return {{.name = "image", .kind = ColumnKind::image},
          {.name = "age", .kind = ColumnKind::number, .names = {}, .shape = {}, .unit = "years"},
          {.name = "gender", .kind = ColumnKind::class_label, .names = {"female", "male"}},
          {.name = "person", .kind = ColumnKind::id},
          {.name = "face_score", .kind = ColumnKind::number},
          {.name = "second_face", .kind = ColumnKind::number, .names = {}, .shape = {}, .unit = "boolean"},
          {.name = "second_face_score", .kind = ColumnKind::number}};
}

class ImdbSamples : public Samples {
 public:
  ImdbSamples(const Params& p, const fs::path& folder) : folder_((folder / p.file).parent_path()), columns_(columns_without_values()) {
    const Struct source(folder / p.file, p.name);
    const std::vector<double> born = source.numbers("dob");
    const std::vector<double> taken = source.numbers("photo_taken");
    const std::vector<double> gender = source.numbers("gender");
    const std::vector<double> score = source.numbers("face_score");
    const std::vector<double> second = source.numbers("second_face_score");
    const std::vector<std::string> path = source.texts("full_path");
    const std::vector<std::string> name = source.texts("name");
    for (const size_t n : {taken.size(), gender.size(), score.size(), second.size(), path.size(), name.size()})
      require(n == born.size(), "E2105", "the fields of '" + p.file + "' differ in length");
    for (size_t i = 0; i < born.size(); ++i) {
      // Day numbers before 1850 are placeholders for an unknown birthday.
      const double age = age_in(taken[i], born[i]);
      if (std::isnan(age) || born[i] < 675700.0 || age < 0.0 || age > 120.0) {
        rejected_.push_back({"impossible date", path[i]});
        continue;
      }
      paths_.push_back(path[i]);
      columns_[1].numbers.push_back(std::floor(age));
      columns_[2].labels.push_back(std::isnan(gender[i]) ? -1 : static_cast<int64_t>(gender[i] != 0.0));
      columns_[3].ids.push_back(name[i]);
      columns_[4].numbers.push_back(score[i]);
      columns_[5].numbers.push_back(std::isfinite(second[i]) ? 1.0 : 0.0);
      columns_[6].numbers.push_back(std::isfinite(second[i]) ? second[i] : std::nan(""));
    }
  }

  int64_t rows() const override { return static_cast<int64_t>(paths_.size()); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override { return pictures::decode(folder_ / paths_[static_cast<size_t>(row)]); }
  std::string origin(int64_t row) const override { return paths_[static_cast<size_t>(row)]; }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  fs::path folder_;
  std::vector<Column> columns_;
  std::vector<std::string> paths_;
  std::vector<Rejected> rejected_;
};

/// IMDB-WIKI: imdb.mat (MATLAB 5) beside the folders of pictures that its full_path names.
struct ImdbReader {
  using Params = ::Params;
  static constexpr auto doc = "faces of IMDB-WIKI: imdb.mat and folders of JPEG files";
  static constexpr int64_t version = 2;

  static Schema<Params> schema() {
    return {{"file", &Params::file, "MATLAB file beside the folders of pictures"},
            {"name", &Params::name, "struct in it: imdb or wiki"}};
  }

  static Sketch sketch(const Params& p, const fs::path& folder) {
    require(fs::is_regular_file(folder / p.file), "E2101", "there is no file '" + (folder / p.file).string() + "'");
    Sketch out{.columns = columns_without_values(), .inputs = {folder / p.file}};
    for (const auto& entry : fs::recursive_directory_iterator((folder / p.file).parent_path()))
      if (pictures::is_picture(entry.path())) out.inputs.push_back(entry.path());
    std::sort(out.inputs.begin(), out.inputs.end());
    return out;
  }

  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<ImdbSamples>(p, folder); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<ImdbReader>("imdb"); }
