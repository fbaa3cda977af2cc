#pragma once

#include "espalier/data/prepared.h"
#include "espalier/json.h"

#include <filesystem>
#include <memory>
#include <string>

namespace espalier::report {

/// Everything that the page shows, as one document: {"name", "objective", "trials", "scores", "network", "data", ...}.
/// What a study does not have (yet) is null or empty. Throws E3xxx if there is no study.
Json gather(const std::filesystem::path& study);

/// Class balance or histogram, sizes of splits and some pictures, from the cache that a trial document names. Null if the
/// cache is gone: a report of an old study is still a report.
Json gather_data(const Json& trial_document);

/// The cache of a trial; `prepared` is empty if it is gone.
struct CacheOfTrial {
  std::shared_ptr<Prepared> prepared;
  Splits splits;
};
CacheOfTrial open_cache(const Json& trial_document);
/// {"height", "width", "channels", "data"} of one row of an image column.
Json picture_of(const ColumnView& image, int64_t row);

/// Text of a file; "" if there is none.
std::string read_text(const std::filesystem::path& file);
/// Document of a file; null if there is none or it is none.
Json read_json(const std::filesystem::path& file);

/// The page around the document. `charts` is the charting library's script, or "".
std::string write_page(const Json& document, const std::string& charts);
/// The script of an installed Chart.js: beside the installation, else Debian's; "" if there is none.
std::string chart_library();

}  // namespace espalier::report
