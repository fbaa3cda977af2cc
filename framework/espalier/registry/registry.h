#pragma once

#include "espalier/error.h"
#include "espalier/plugin.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

/// What kinds of thing a name can be.
enum class PluginKind { block, head, tuner, scheduler, reader };
std::string to_string(PluginKind kind);

/// Who provides a name, and what it declares: kept in the registry cache, so that no library is opened to know it.
struct Provided {
  PluginKind kind;
  std::string name;
  std::string doc;
  Declaration declaration;
  std::filesystem::path library;
  std::string library_sha256;
  size_t inputs_min = 1;                 ///< blocks
  size_t inputs_max = 1;                 ///< blocks
  std::vector<ColumnKind> accepts = {};  ///< heads
  int64_t version = 1;                   ///< readers
};

/// A library that could not be used, and why.
struct Refused {
  std::filesystem::path library;
  Problem problem;
};

/// Names to plugins. Finding reads the cache; a library is opened only when something of it is called.
class Registry {
 public:
  /// Looks through `paths` in order (the first library that provides a name wins; a second one is a Refused "duplicate
  /// name"). Unknown libraries are inspected as files, then opened in a child process; results are kept by content.
  static Registry scan(const std::vector<std::filesystem::path>& paths);
  /// The folders that every program looks through: --plugin-path, $ESPALIER_PLUGIN_PATH, the installation's own.
  static std::vector<std::filesystem::path> default_paths(const std::vector<std::filesystem::path>& extra = {});

  Registry(Registry&&) noexcept;
  Registry& operator=(Registry&&) noexcept;
  ~Registry();

  /// Everything there is, sorted by kind and name.
  const std::vector<Provided>& provided() const;
  const std::vector<Refused>& refused() const;
  /// Nullptr if there is no such name.
  const Provided* find(PluginKind kind, const std::string& name) const;
  std::vector<std::string> names(PluginKind kind) const;

  /// Open the library if need be. Throw an Error (E1xxx; unknown names: E0304 with the nearest name).
  const BlockType& block(const std::string& name) const;
  const HeadType& head(const std::string& name) const;
  const TunerType& tuner(const std::string& name) const;
  const SchedulerType& scheduler(const std::string& name) const;
  const ReaderType& reader(const std::string& name) const;

 private:
  Registry();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier
