#pragma once

#include "espalier/data/prepared.h"
#include "espalier/json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// What prepared data hold, for people: {"sizes": {split: rows}, "targets": [...]}. A target is
/// {"column", "kind": "class" or "number", "labels", "counts": {split: [one a label]}}, a number's also
/// {"summary": {split: {"mean", "deviation", "least", "most", "missing"}}, "unit", "bin": width of a bin}. `columns` are the
/// columns to look at; empty: all. The source's own column of splits is no target.
Json content_stats(const Prepared& prepared, const Splits& splits, const std::vector<std::string>& columns = {});

/// Rows of each label of a target, over all splits.
std::vector<int64_t> label_sums(const Json& target);

/// The first column of pictures, or nullptr.
const ColumnView* picture_column(const Prepared& prepared);
/// At most `count` of the rows, spread evenly: the same for the same split.
std::vector<int64_t> sample_rows(const std::vector<int64_t>& rows, int64_t count);
/// "frog" or "age 31": the first target of a row, among `columns` if that is not empty.
std::string row_caption(const Prepared& prepared, int64_t row, const std::vector<std::string>& columns = {});

/// The picture of a row in a column of pictures.
Picture read_picture(const ColumnView& image, int64_t row);

/// Samples beside other views of them.
struct ViewSheet {
  std::string from;                            ///< the part of the network that gives them
  std::vector<std::string> captions;           ///< one a row
  std::vector<std::vector<Picture>> rows;      ///< the sample as it is, then its views
};
/// A self-contained SVG document of sheets, one below the other.
std::string views_svg(const std::string& title, const std::vector<ViewSheet>& sheets);

/// A self-contained SVG document: the bars of `stats` and below them a sheet of `rows`.
std::string stats_svg(const std::string& title, const Json& stats, const Prepared& prepared, const std::vector<int64_t>& rows,
                      const std::vector<std::string>& columns = {});

/// Bytes as text that a page can hold (RFC 4648).
std::string base64(const unsigned char* bytes, size_t count);

}  // namespace espalier
