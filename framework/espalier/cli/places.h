#pragma once

#include "espalier/cli/command.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/registry/registry.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

/// Folders with descriptions of data sets: ./datasets, $ESPALIER_DATASET_PATH, those of the installation.
std::vector<std::filesystem::path> dataset_paths();
/// $ESPALIER_CACHE, else espalier/ in the user's cache folder.
std::filesystem::path cache_folder();
/// espalier-trainer beside this program. Throws E0006 if it is not there.
std::filesystem::path trainer();

/// What is installed, with the folders of --plugin-path.
Registry scan_registry(const Call& call);

/// A pipeline's file by path, or by name in ./pipelines and the installation's. Throws E0004 with the nearest name.
std::filesystem::path find_pipeline(const std::string& word);
/// The request that the words from `first` on (file, then overrides) and --variant make.
PipelineRequest pipeline_request(const Call& call, size_t first = 0);
/// Pipeline of the call's words.
Pipeline load(const Call& call, const Registry& registry);

/// A study's folder, and a trial where one was named.
struct StudyPlace {
  std::filesystem::path folder;
  std::optional<int64_t> trial = {};
  bool best = false;   ///< STUDY/best
};
/// Where studies lie: --studies FOLDER, else run.folder of the profile, else ./studies.
std::filesystem::path studies_folder(const Call& call);
/// The same for a study of this pipeline, whose own run.folder counts.
std::filesystem::path studies_folder(const Call& call, const Pipeline& pipeline);
/// The file with this machine's `run`: --profile, else $ESPALIER_PROFILE, else ~/.config/espalier/profile.yaml if it is
/// there; "" for none.
std::filesystem::path profile_file(const Call& call);
/// Folders below `studies` that hold a study.db, oldest first.
std::vector<std::filesystem::path> list_studies(const std::filesystem::path& studies);
/// "latest", a path, a name, the beginning of a name or of its hash; with "/3" or "/best" a trial of it. A number alone is
/// a trial of the latest. Throws E0005 with the nearest name, or the list if several begin so.
StudyPlace find_study(const std::string& word, const std::filesystem::path& studies);

}  // namespace espalier::cli
