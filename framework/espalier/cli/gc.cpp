#include "espalier/cli/places.h"
#include "espalier/cli/studies.h"
#include "espalier/pipeline/names.h"
#include "espalier/study/files.h"
#include "espalier/study/retention.h"

#include <fmt/format.h>

namespace espalier::cli {

namespace {

/// As the pipeline of the study says under run.keep, unless a flag says otherwise.
Retention retention_of(const Call& call, const std::filesystem::path& folder) {
  const Registry registry = scan_registry(call);
  Retention retention = load_pipeline(kept_request(folder, {}), registry).keep;
  if (const std::string given = call.value("keep"); !given.empty()) {
    if (given != "all" && given != "best" && given != "best_and_last")
      fail("E0004", fmt::format("--keep takes all, best or best_and_last, not '{}'", given));
    retention.checkpoints = given;
  }
  return retention;
}

int gc(const Call& call) {
  const std::filesystem::path folder = find_study(call.words.empty() ? "latest" : call.words[0], studies_folder(call)).folder;
  const Retention retention = retention_of(call, folder);
  // Nobody may be training while files go.
  const FolderLock lock(folder);
  const std::unique_ptr<Store> store = open_store(folder);
  const std::vector<Removable> files = removable_files(folder, *store, objectives_of(*store).front().maximize, retention);
  const bool is_dry = call.has("dry-run");
  int64_t bytes = 0;
  Json list = Json::array();
  for (const Removable& file : files) {
    bytes += file.bytes;
    list.push_back({{"file", file.file.string()}, {"bytes", file.bytes}, {"reason", file.reason}});
  }
  if (!is_dry) bytes = remove_files(folder, files);
  if (call.json()) {
    print_json({{"study", folder.string()}, {"removed", !is_dry}, {"bytes", bytes}, {"files", list}});
    return 0;
  }
  for (const Removable& file : files) fmt::print("{:>9}  {}: {}\n", format_bytes(static_cast<double>(file.bytes)), file.file.string(), file.reason);
  fmt::print("{} {} in {}\n", is_dry ? "would free" : "freed", format_bytes(static_cast<double>(bytes)), counted(files.size(), "file"));
  return 0;
}

}  // namespace

std::vector<Verb> gc_verbs() {
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  return {{"gc", "removes checkpoints and weights of a study that are not needed any more", "[STUDY]", "espalier gc latest --dry-run",
           {studies, {"dry-run", "says what would go and why, and removes nothing"}, {"keep", "all, best or best_and_last (run.keep)", "RULE"}}, gc}};
}

}  // namespace espalier::cli
