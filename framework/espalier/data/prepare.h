#pragma once

#include "espalier/data/prepared.h"
#include "espalier/plugin.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// Gives a reader by name (the registry, seen from data).
using FindReader = std::function<const ReaderType&(const std::string& name)>;

/// What preparing needs to know. `data` is the resolved `data` section of a pipeline (pipelines.md section 4).
struct DataRequest {
  Json data;
  uint64_t seed = 0;                                   ///< of split and take
  std::vector<std::filesystem::path> dataset_paths;    ///< where datasets/*.yaml are looked for
  std::filesystem::path cache;                         ///< $ESPALIER_CACHE or ~/.cache/espalier
  std::filesystem::path pipeline_folder;               ///< relative paths are relative to this
  std::vector<std::string> used = {};                  ///< columns the graph reads: rows without a value there are left
                                                       ///< out of the splits; empty: every declared column
  std::optional<std::vector<std::string>> images = {}; ///< image columns the graph reads, sorted: no other picture is looked
                                                       ///< at; nothing: all
  bool verify = false;                                 ///< reads every input again, whatever is remembered of it
};

/// Columns with kinds, shapes after `prepare`, and class names: known without reading samples.
struct DataSketch {
  std::vector<Column> columns;
  bool has_test = false;          ///< a test split will exist
  int64_t train_rows = 0;         ///< expected sizes if known (description or manifest), else 0
  int64_t validation_rows = 0;
  int64_t test_rows = 0;
  const Column* find(const std::string& name) const;
};

/// Milliseconds; reads the description and at most the reader's sketch. Throws E04xx or E2xxx.
DataSketch sketch_data(const DataRequest& request, const FindReader& readers);

/// Where prepared data lies.
struct Preparation {
  std::filesystem::path folder;      ///< of the cache
  std::string key;
  std::filesystem::path splits;      ///< file of index arrays
  std::string splits_key;
  bool built = false;                ///< false: it was there
  double seconds = 0.0;
  std::string reason;                ///< why it was or will be built: which field of the key differs from the nearest
  Json left_out;                     ///< [{"cause", "count", "examples": [...]}]
};

/// Called now and then while building: what is going on, and how far (0..1).
using Progress = std::function<void(const std::string& what, double fraction)>;

/// Finds or builds the cache and the splits. One builder among many; the others wait for it. Throws E2xxx.
Preparation prepare_data(const DataRequest& request, const FindReader& readers, const Progress& progress = {});

/// What `prepare_data` would do, and why, without doing it (`plan`, `data why`).
Preparation explain_data(const DataRequest& request, const FindReader& readers);

}  // namespace espalier
