#pragma once

#include "espalier/data/prepare.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// A dataset that a description knows.
struct DatasetInfo {
  std::string name;
  std::string description;
  std::string licence;
  std::string source;
  std::filesystem::path folder;  ///< where its files lie; "" if they are not here
};
/// All datasets that are described in `paths`, by name.
std::vector<DatasetInfo> list_datasets(const std::vector<std::filesystem::path>& paths);

/// Puts the files of a dataset where every pipeline finds them; returns that folder. With `from` (a folder or an archive)
/// nothing is downloaded; downloads resume. Contents are compared with the description. Throws E2401 to E2403, E0411.
std::filesystem::path fetch_dataset(const std::string& dataset, const std::vector<std::filesystem::path>& paths,
                                    const std::filesystem::path& from = {}, const Progress& progress = {});

/// Unpacks a tar or zip archive, compressed or not, without the first `strip` folders of each name. Throws E2402.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& folder, int strip, const Progress& progress = {});

}  // namespace espalier
