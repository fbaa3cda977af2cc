#include "espalier/registry/registry.h"

#include "espalier/registry/cache.h"
#include "espalier/registry/declaration.h"
#include "espalier/registry/elf.h"
#include "espalier/registry/library.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <set>
#include <sstream>

namespace espalier {

namespace fs = std::filesystem;

std::string to_string(PluginKind kind) {
  switch (kind) {
    case PluginKind::block: return "block";
    case PluginKind::head: return "head";
    case PluginKind::tuner: return "tuner";
    case PluginKind::scheduler: return "scheduler";
    case PluginKind::reader: return "reader";
  }
  return "";
}

struct Registry::State {
  std::vector<Provided> provided;
  std::vector<Refused> refused;
  mutable std::map<fs::path, std::unique_ptr<Plugin>> open;

  const Plugin& library(const fs::path& path) const;
};

namespace {

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  require(in.good(), "E1002", fmt::format("{} cannot be read", path.string()));
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Absolute paths of the *.so files of a folder, by name; none where there is no such folder.
std::vector<fs::path> libraries_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    std::error_code unreadable;
    if (entry.path().extension() == ".so" && !entry.is_directory(unreadable)) out.push_back(fs::absolute(entry.path()));
  }
  std::ranges::sort(out);
  return out;
}

Json to_known(const Refusal& refusal) { return {{"refused", {refusal.code, refusal.text, refusal.hint}}}; }

/// Looks at a library's bytes, then in a child process. The bool says whether the answer may be remembered.
std::pair<Json, bool> examine(const fs::path& path, const std::string& bytes) {
  if (const auto refusal = inspect_bytes(bytes)) return {to_known(*refusal), refusal->by_content};
  const auto probed = probe_library(path);
  if (const auto* refusal = std::get_if<Refusal>(&probed)) return {to_known(*refusal), refusal->by_content};
  const Json& declares = std::get<Json>(probed);
  if (const std::string why = why_badly_declared(provided_from_json(declares)); !why.empty())
    return {to_known({"E1007", "declares something wrong: " + why}), true};
  return {{{"declares", declares}}, true};
}

struct Known {
  Json answer;
  std::string sha256;
};

Known look_up(RegistryCache& cache, const fs::path& path) {
  std::string sha256 = cache.known_hash(path);
  const Json* known = sha256.empty() ? nullptr : cache.content(sha256);
  if (known != nullptr) return {*known, sha256};
  const std::string bytes = read_file(path);
  sha256 = sha256_hex(bytes);
  cache.remember_file(path, sha256);
  if (known = cache.content(sha256); known != nullptr) return {*known, sha256};
  auto [answer, lasting] = examine(path, bytes);
  if (lasting) cache.remember_content(sha256, answer);
  return {std::move(answer), sha256};
}

Refused refused_by(const Json& refused, const fs::path& path) {
  return {path, to_problem({refused.at(0), refused.at(1), refused.at(2)}, path.filename().string())};
}

std::string plural(PluginKind kind) { return to_string(kind) + "s"; }

template <class T>
const T& named(const std::vector<T>& types, const std::string& name, const fs::path& library) {
  const auto found = std::ranges::find(types, name, &T::name);
  require(found != types.end(), "E1009", fmt::format("{} no longer provides '{}'", library.filename().string(), name));
  return *found;
}

[[noreturn]] void fail_unknown(const Registry& registry, PluginKind kind, const std::string& name) {
  const std::vector<std::string> names = registry.names(kind);
  Problem problem{.code = "E0304", .message = fmt::format("unknown {} '{}'", to_string(kind), name)};
  if (const std::string near = nearest(name, names); !near.empty()) problem.hint = fmt::format("did you mean '{}'?", near);
  problem.notes.push_back(names.empty() ? fmt::format("there are no {}: is the plugin path right?", plural(kind))
                                        : fmt::format("{}: {}", plural(kind), join(names)));
  for (const Refused& refused : registry.refused())
    if (refused.library.stem() == name) problem.notes.push_back(refused.problem.message);
  throw Error(problem);
}

const Provided& provided_or_fail(const Registry& registry, PluginKind kind, const std::string& name) {
  const Provided* found = registry.find(kind, name);
  if (found == nullptr) fail_unknown(registry, kind, name);
  return *found;
}

}  // namespace

const Plugin& Registry::State::library(const fs::path& path) const {
  auto& plugin = open[path];
  if (plugin == nullptr) {
    // Checked again, for the file may be another one by now; a wrong one must not be opened.
    if (const auto refusal = inspect_bytes(read_file(path))) throw Error(to_problem(*refusal, path.filename().string()));
    plugin = open_library(path);
  }
  return *plugin;
}

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;
Registry::~Registry() = default;

Registry Registry::scan(const std::vector<fs::path>& paths) {
  Registry registry;
  State& state = *registry.state_;
  RegistryCache cache;
  std::map<std::pair<PluginKind, std::string>, size_t> first;  // index into provided
  std::set<fs::path> seen;
  for (const fs::path& folder : paths) {
    for (const fs::path& path : libraries_in(folder)) {
      std::error_code broken_link;
      if (!seen.insert(fs::weakly_canonical(path, broken_link)).second) continue;
      try {
        const Known known = look_up(cache, path);
        if (const auto refused = known.answer.find("refused"); refused != known.answer.end()) {
          state.refused.push_back(refused_by(*refused, path));
          continue;
        }
        for (Provided& one : provided_from_json(known.answer.at("declares"))) {
          one.library = path;
          one.library_sha256 = known.sha256;
          const auto [earlier, is_first] = first.try_emplace({one.kind, one.name}, state.provided.size());
          if (is_first) {
            state.provided.push_back(std::move(one));
          } else if (const Provided& other = state.provided[earlier->second]; other.library_sha256 != known.sha256) {
            state.refused.push_back({path, {.code = "E1008", .message = fmt::format("{} provides {} '{}', which comes from {} already",
                                            path.filename().string(), to_string(one.kind), one.name, other.library.string())}});
          }
        }
      } catch (const Error& error) {
        state.refused.push_back({path, error.problems().front()});
      } catch (const Json::exception& error) {
        state.refused.push_back({path, {.code = "E1007", .message = fmt::format("{} declares something that cannot be read: {}",
                                        path.filename().string(), error.what())}});
      }
    }
  }
  std::ranges::sort(state.provided, [](const Provided& a, const Provided& b) {
    return std::tie(a.kind, a.name) < std::tie(b.kind, b.name);
  });
  cache.save();
  return registry;
}

std::vector<fs::path> Registry::default_paths(const std::vector<fs::path>& extra) {
  std::vector<fs::path> out = extra;
  if (const char* variable = std::getenv("ESPALIER_PLUGIN_PATH"); variable != nullptr) {
    std::istringstream folders(variable);
    for (std::string folder; std::getline(folders, folder, ':');)
      if (!folder.empty()) out.emplace_back(folder);
  }
  // The same from the build tree and from an installation: lib/libespalier.so and lib/espalier/plugins.
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&fail_unknown), &here) != 0 && here.dli_fname != nullptr) {
    std::error_code unknown;
    const fs::path library = fs::weakly_canonical(here.dli_fname, unknown);
    if (!unknown) out.push_back(library.parent_path() / "espalier" / "plugins");
  }
  return out;
}

const std::vector<Provided>& Registry::provided() const { return state_->provided; }
const std::vector<Refused>& Registry::refused() const { return state_->refused; }

const Provided* Registry::find(PluginKind kind, const std::string& name) const {
  const auto found = std::ranges::find_if(state_->provided, [&](const Provided& p) { return p.kind == kind && p.name == name; });
  return found == state_->provided.end() ? nullptr : &*found;
}

std::vector<std::string> Registry::names(PluginKind kind) const {
  std::vector<std::string> out;
  for (const Provided& one : state_->provided)
    if (one.kind == kind) out.push_back(one.name);
  return out;
}

const BlockType& Registry::block(const std::string& name) const {
  const fs::path& library = provided_or_fail(*this, PluginKind::block, name).library;
  return named(state_->library(library).blocks, name, library);
}

const HeadType& Registry::head(const std::string& name) const {
  const fs::path& library = provided_or_fail(*this, PluginKind::head, name).library;
  return named(state_->library(library).heads, name, library);
}

const TunerType& Registry::tuner(const std::string& name) const {
  const fs::path& library = provided_or_fail(*this, PluginKind::tuner, name).library;
  return named(state_->library(library).tuners, name, library);
}

const SchedulerType& Registry::scheduler(const std::string& name) const {
  const fs::path& library = provided_or_fail(*this, PluginKind::scheduler, name).library;
  return named(state_->library(library).schedulers, name, library);
}

const ReaderType& Registry::reader(const std::string& name) const {
  const fs::path& library = provided_or_fail(*this, PluginKind::reader, name).library;
  return named(state_->library(library).readers, name, library);
}

}  // namespace espalier
