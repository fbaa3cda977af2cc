#pragma once

#include "espalier/json.h"
#include "espalier/samples.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

/// One mapped column of a cache: `values` points into the mapping, valid as long as the Prepared lives.
struct ColumnView {
  std::string name;
  ColumnKind kind = ColumnKind::number;
  Shape shape;                     ///< of one row: (H, W, C) for images, () for scalars, (K) for vectors
  std::string type;                ///< "uint8", "int64", "float32"; ids are "string": padded with zeros, see Prepared::text
  std::vector<std::string> names;  ///< classes or parts
  std::string unit;
  size_t text_size = 0;            ///< bytes of a string
  int64_t rows = 0;
  const void* values = nullptr;

  template <class T>
  const T* as() const { return static_cast<const T*>(values); }
};

/// Rows of each split, ascending.
struct Splits {
  std::vector<int64_t> train;
  std::vector<int64_t> validation;
  std::vector<int64_t> test;
};

/// An opened cache (immutable, mapped, shared between processes).
class Prepared {
 public:
  /// Opens `folder`/data.h5 after checking size and checksum (once per inode and time). Throws E2xxx.
  static Prepared open(const std::filesystem::path& folder);
  Prepared(Prepared&&) noexcept;
  Prepared& operator=(Prepared&&) noexcept;
  ~Prepared();

  int64_t rows() const;
  const std::vector<ColumnView>& columns() const;
  /// Throws E2xxx with the nearest name.
  const ColumnView& column(const std::string& name) const;
  /// The value of an id column.
  std::string text(const ColumnView& column, int64_t row) const;
  /// Where row `i` comes from.
  std::string origin(int64_t row) const;
  /// The manifest: key fields, counts, what was left out and why.
  const Json& manifest() const;

 private:
  Prepared();
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads a split file (index arrays). Throws E2xxx.
Splits read_splits(const std::filesystem::path& file);

}  // namespace espalier
