#pragma once

#include "espalier/json.h"
#include "espalier/shape.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// A decoded picture: (height, width, channels), interleaved, 8 bits a channel, 1 (grey) or 3 (RGB) channels.
struct Picture {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;
};

/// What a column of samples is.
enum class ColumnKind { image, number, numbers, class_label, class_labels, id };
std::string to_string(ColumnKind kind);

/// A named column. Values stand row by row; pictures are decoded on demand by `Samples::picture`.
struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::number;
  std::vector<std::string> names = {};   ///< classes, or the parts of `numbers` and `class_labels`
  Shape shape = {};                      ///< of an image: (C, H, W), empty if it varies; else empty
  std::string unit = {};
  std::vector<double> numbers = {};      ///< number (rows), numbers and class_labels (rows x names.size()); NaN: missing
  std::vector<int64_t> labels = {};      ///< class_label: index into `names`; -1: missing
  std::vector<std::string> ids = {};     ///< id
};

/// A row or a picture that cannot be used; counted by cause and left out. `cause` is a short phrase that is the same
/// for all of its kind ("truncated picture"), `detail` tells this one.
struct Rejected {
  std::string cause;
  std::string detail;
};

/// What a reader found. Fields are in memory; pictures come one by one.
class Samples {
 public:
  virtual ~Samples() = default;

  virtual int64_t rows() const = 0;
  /// All columns; images without values. Splits that the source itself gives are the class column "split"
  /// with names among train, validation, test.
  virtual const std::vector<Column>& columns() const = 0;
  /// Decodes a picture, from several threads at once. Throws Rejected.
  virtual Picture picture(const std::string& column, int64_t row) const = 0;
  /// Where a row comes from, for people: "data_batch_1.bin:17", "01/nm0000001.jpg".
  virtual std::string origin(int64_t row) const = 0;
  /// Why rows were refused while reading (impossible dates, wrong labels): (cause, detail) each once per row.
  virtual const std::vector<Rejected>& rejected() const = 0;
};

/// What a reader can say before it reads: used by `check`, within milliseconds.
struct Sketch {
  std::vector<Column> columns;                 ///< without values
  std::vector<std::filesystem::path> inputs;   ///< every file whose content decides the samples
};

}  // namespace espalier
