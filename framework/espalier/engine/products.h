#pragma once

#include <algorithm>
#include <cstdint>

namespace espalier::engine {

constexpr int64_t kTileRows = 6;      ///< rows of products that fit the registers beside
constexpr int64_t kTileColumns = 64;  ///< columns: filters of more output channels come in chunks

/// Columns of the chunk that begins at channel `first`.
inline int64_t chunk_width(int64_t channels, int64_t first) { return std::min(kTileColumns, channels - first); }

/// `rows` x `columns` sums over `steps`, in float32, of a times b: a at [row * a_row + step * a_step], b at [step * b_step + column];
/// added to c where `add`. `Factor` is a float, or several numbers whose products with those of the other side are summed.
template <class Factor>
struct Products {
  const Factor* a;
  int64_t a_row, a_step;
  const Factor* b;
  int64_t b_step;
  float* c;
  int64_t c_row;
  int64_t rows, columns, steps;
  bool add;
};

}  // namespace espalier::engine
