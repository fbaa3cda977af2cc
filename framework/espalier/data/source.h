#pragma once

#include "espalier/data/picture.h"
#include "espalier/data/prepare.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// How a column is made from what a reader gives.
struct ColumnRule {
  std::string name;
  ColumnKind kind = ColumnKind::number;
  std::vector<std::string> fields;     ///< of the reader; one but for numbers and classes
  std::vector<std::string> names = {}; ///< classes, in the order of the reader's
  Shape shape = {};                    ///< (C, H, W) if known
  Json missing;                        ///< a number to fill in, or null
};

/// Where samples come from: a dataset's description or a reader in the pipeline, both resolved.
struct Source {
  std::string dataset;                 ///< "" for a reader in the pipeline
  Json description = Json::object();
  std::string reader;
  Json settings = Json::object();
  std::vector<ColumnRule> rules;       ///< the description's, then the pipeline's
  std::vector<PrepareStep> steps;
  bool strict = false;
};

/// Reads `data`; looks no further than the description. Throws E0410 to E0413.
Source find_source(const DataRequest& request);
/// The description of a dataset (by name or path). Throws E0411 with the nearest name.
Json read_description(const std::string& dataset, const std::vector<std::filesystem::path>& paths,
                      const std::filesystem::path& folder = {});
/// Where fetched data of a dataset lie: $ESPALIER_DATA or ~/.local/share/espalier/data.
std::filesystem::path data_folder();
/// The folder that holds every file of the description: data_folder()/NAME or one of its `local`. "" if there is none.
std::filesystem::path locate(const std::string& dataset, const Json& description);
/// The folder to give to the reader. Throws E2101 that says which files are missing and how to get them.
std::filesystem::path input_folder(const Source& source, const DataRequest& request);
/// The reader's columns under the names and kinds that the rules ask for; columns without a rule stay.
/// `images[i]` is the reader's field of the i-th image column of the result. Throws E0412.
std::vector<Column> apply_rules(std::vector<Column> columns, const std::vector<ColumnRule>& rules,
                                std::vector<std::string>* images = nullptr);

}  // namespace espalier
