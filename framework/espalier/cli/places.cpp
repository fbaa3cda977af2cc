#include "espalier/cli/places.h"

#include "espalier/spec/tree.h"
#include "espalier/store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

fs::path program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// `kind` ("datasets", "pipelines") of the installation or of the source tree that the program was built in: looked for
/// above the program, so that either tree can be moved.
std::optional<fs::path> shared_folder(const std::string& kind) {
  std::error_code error;
  for (fs::path above = program().parent_path(); !above.empty(); above = above.parent_path()) {
    for (const fs::path& candidate : {above / "share" / "espalier" / kind, above / kind})
      if (fs::is_directory(candidate, error)) return candidate;
    if (above == above.root_path()) break;
  }
  return std::nullopt;
}

bool is_number(const std::string& word) {
  return !word.empty() && word.size() < 10 && word.find_first_not_of("0123456789") == std::string::npos;
}

/// The part after the last '-': what tells apart two studies of one pipeline.
std::string hash_of(const std::string& name) {
  const size_t dash = name.rfind('-');
  return dash == std::string::npos ? "" : name.substr(dash + 1);
}

[[noreturn]] void fail_study(const std::string& word, const std::vector<std::string>& names) {
  const std::string near = nearest(word, names);
  Problem problem{.code = "E0005", .message = fmt::format("there is no study '{}'", word)};
  problem.hint = did_you_mean(near);
  problem.notes = {names.empty() ? "no study lies here yet: espalier run PIPELINE makes one" : "studies: " + join(names)};
  throw Error(problem);
}

}  // namespace

std::vector<fs::path> dataset_paths() {
  std::vector<fs::path> out = {"datasets"};
  std::stringstream listed(environment("ESPALIER_DATASET_PATH"));
  for (std::string part; std::getline(listed, part, ':');)
    if (!part.empty()) out.emplace_back(part);
  if (const auto shared = shared_folder("datasets")) out.push_back(*shared);
  return out;
}

fs::path cache_folder() {
  if (const std::string given = environment("ESPALIER_CACHE"); !given.empty()) return given;
  if (const std::string base = environment("XDG_CACHE_HOME"); !base.empty()) return fs::path(base) / "espalier";
  if (const std::string home = environment("HOME"); !home.empty()) return fs::path(home) / ".cache" / "espalier";
  return fs::temp_directory_path() / "espalier-cache";
}

fs::path trainer() {
  const fs::path beside = program().parent_path() / "espalier-trainer";
  std::error_code error;
  if (!fs::exists(beside, error))
    fail("E0006", fmt::format("the program that trains is not there: {}", beside.string()),
         "build it with -DESPALIER_BUILD_TRAINER=ON (needs LibTorch)");
  return beside;
}

Registry scan_registry(const Call& call) {
  std::vector<fs::path> extra;
  for (const std::string& folder : call.values("plugin-path")) extra.emplace_back(folder);
  return Registry::scan(Registry::default_paths(extra));
}

fs::path find_pipeline(const std::string& word) {
  std::error_code error;
  if (fs::is_regular_file(word, error)) return word;
  std::vector<fs::path> folders = {"pipelines"};
  if (const auto shared = shared_folder("pipelines")) folders.push_back(*shared);
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    for (const std::string ending : {"", ".yaml", ".yml", ".json"})
      if (fs::is_regular_file(folder / (word + ending), error)) return folder / (word + ending);
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const std::string near = nearest(fs::path(word).stem().string(), names);
  Problem problem{.code = "E0004", .message = fmt::format("there is no pipeline '{}'", word), .hint = did_you_mean(near)};
  if (!names.empty()) problem.notes.push_back("pipelines: " + join(names));
  throw Error(problem);
}

PipelineRequest pipeline_request(const Call& call, size_t first) {
  PipelineRequest request{.file = find_pipeline(call.word(first, "the pipeline's file")),
                          .variants = call.values("variant"),
                          .profile = profile_file(call),
                          .dataset_paths = dataset_paths(),
                          .cache = cache_folder()};
  for (size_t i = first + 1; i < call.words.size(); ++i) {
    const std::string& word = call.words[i];
    if (word.find('=') == std::string::npos && word.rfind('~', 0) != 0)
      fail("E0007", fmt::format("'{}' is neither PATH=VALUE nor ~PATH", word), "only overrides follow the pipeline's file");
    request.overrides.push_back(word);
  }
  return request;
}

Pipeline load(const Call& call, const Registry& registry) { return load_pipeline(pipeline_request(call), registry); }

fs::path profile_file(const Call& call) {
  if (call.has("profile")) return call.value("profile");
  if (const std::string named = environment("ESPALIER_PROFILE"); !named.empty()) return named;
  std::error_code error;
  const fs::path usual = fs::path(environment("HOME")) / ".config" / "espalier" / "profile.yaml";
  return fs::is_regular_file(usual, error) ? usual : fs::path();
}

fs::path studies_folder(const Call& call) {
  if (call.has("studies")) return call.value("studies");
  if (const fs::path profile = profile_file(call); !profile.empty()) {
    Problems problems;
    const Tree tree = read_yaml(profile, problems);
    problems.raise();
    const Tree* run = tree.find("run");
    const Tree* folder = run == nullptr ? nullptr : run->find("folder");
    if (folder != nullptr && folder->is_scalar()) return fs::absolute(profile.parent_path() / folder->text).lexically_normal();
  }
  return "studies";
}

fs::path studies_folder(const Call& call, const Pipeline& pipeline) {
  const Json run = pipeline.resolved.value("run", Json::object());
  if (!call.has("studies") && run.contains("folder")) return run.at("folder").get<std::string>();
  return studies_folder(call);
}

std::vector<fs::path> list_studies(const fs::path& studies) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(studies, error))
    if (has_study(entry.path())) found.emplace_back(fs::last_write_time(entry.path() / "lock.json", error), entry.path());
  std::sort(found.begin(), found.end());
  std::vector<fs::path> out;
  for (const auto& [time, folder] : found) out.push_back(folder);
  return out;
}

StudyPlace find_study(const std::string& word, const fs::path& studies) {
  if (has_study(word)) return {word};
  const size_t slash = word.rfind('/');
  if (slash != std::string::npos) {
    const std::string trial = word.substr(slash + 1);
    if (is_number(trial) || trial == "best" || trial.empty()) {
      StudyPlace place = find_study(word.substr(0, slash), studies);
      if (is_number(trial)) place.trial = std::stoll(trial);
      place.best = trial == "best";
      return place;
    }
  }
  const std::vector<fs::path> folders = list_studies(studies);
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.filename().string());
  if (folders.empty()) fail_study(word, names);
  if (word == "latest") return {folders.back()};
  if (word == "best") return {.folder = folders.back(), .best = true};
  if (has_study(studies / word)) return {studies / word};
  std::vector<fs::path> matches;
  for (const fs::path& folder : folders)
    if (const std::string name = folder.filename().string();
        name.rfind(word, 0) == 0 || hash_of(name).rfind(word, 0) == 0)
      matches.push_back(folder);
  if (matches.size() == 1) return {matches.front()};
  if (matches.empty() && is_number(word)) return {.folder = folders.back(), .trial = std::stoll(word)};
  if (matches.empty()) fail_study(word, names);
  std::vector<std::string> matched;
  for (const fs::path& folder : matches) matched.push_back(folder.filename().string());
  throw Error(Problem{.code = "E0005", .message = fmt::format("several studies begin with '{}'", word),
                      .notes = {"studies: " + join(matched)}});
}

}  // namespace espalier::cli
