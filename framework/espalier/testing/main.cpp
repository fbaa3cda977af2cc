#include "espalier/registry/registry.h"
#include "espalier/testing/checks.h"

#include <fmt/format.h>

#include <cstdio>

using namespace espalier;

namespace {

using Example = std::optional<std::filesystem::path>;

std::vector<std::string> check(const Registry& registry, const Provided& provided, const Example& example) {
  switch (provided.kind) {
    case PluginKind::block: return check_block(registry, registry.block(provided.name));
    case PluginKind::head: return check_head(registry.head(provided.name));
    case PluginKind::tuner: return check_tuner(registry.tuner(provided.name));
    case PluginKind::scheduler: return check_scheduler(registry.scheduler(provided.name));
    case PluginKind::reader: return check_reader(registry.reader(provided.name), example);
  }
  return {};
}

/// What the engine finds wrong with a block or a head.
std::vector<std::string> check_in_engine(const Registry& registry, const Provided& provided, const std::filesystem::path& trainer) {
  if (provided.kind == PluginKind::block) return check_in_engine(trainer, candidates(registry, registry.block(provided.name)));
  if (provided.kind == PluginKind::head) return check_in_engine(trainer, candidates(registry.head(provided.name)));
  return {};
}

/// Number of things wrong with a library, each printed.
int run(const std::filesystem::path& library, const Example& example) {
  // Blocks of slots come from the libraries beside it and from the installation.
  const Registry registry = Registry::scan(Registry::default_paths({library.parent_path()}));
  const std::optional<std::filesystem::path> trainer = find_trainer();
  int wrong = 0, plugins = 0;
  for (const Refused& refused : registry.refused())
    if (refused.library == library) fmt::print("{}", render(refused.problem)), ++wrong;
  for (const Provided& provided : registry.provided()) {
    if (provided.library != library) continue;
    ++plugins;
    std::vector<std::string> found = check(registry, provided, example);
    const bool trains = provided.kind == PluginKind::block || provided.kind == PluginKind::head;
    if (trains && !trainer)
      fmt::print("skipped: training of {} '{}': there is no espalier-trainer beside this program\n", to_string(provided.kind), provided.name);
    if (provided.kind == PluginKind::reader && !example)
      fmt::print("skipped: samples of reader '{}': there is no folder 'example' beside its sources\n", provided.name);
    if (trains && trainer && found.empty()) found = check_in_engine(registry, provided, *trainer);
    for (const std::string& sentence : found) fmt::print("wrong: {}\n", sentence);
    if (found.empty()) fmt::print("good: {} '{}'\n", to_string(provided.kind), provided.name);
    wrong += static_cast<int>(found.size());
  }
  if (plugins == 0 && wrong == 0) fmt::print("wrong: {} provides nothing\n", library.string()), ++wrong;
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  const bool help = argc > 1 && std::string(argv[1]) == "--help";
  if (argc < 2 || argc > 3 || help) {
    fmt::print("usage: espalier-conformance PLUGIN.so [EXAMPLE]\n\n"
               "Tests that what a plugin library provides keeps the laws of its kind. EXAMPLE is a folder of small files for its\n"
               "readers, with their settings in settings.json.\n");
    return help ? 0 : 2;
  }
  try {
    const auto whole = [](const char* path) { return std::filesystem::absolute(path).lexically_normal(); };
    return run(whole(argv[1]), argc > 2 ? Example(whole(argv[2])) : std::nullopt) == 0 ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "{}", error.what());
    return error.exit_code();
  }
}
