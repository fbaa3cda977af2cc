// Each build of this file has one thing wrong, chosen by a macro.
#include <espalier/block.h>

#include <cstdlib>
#include <stdexcept>

using namespace espalier;

namespace {

struct Part {
  static constexpr auto doc =
#ifdef NO_DOC
      "";
#else
      "does nothing";
#endif
  struct Params {
#ifdef BAD_DEFAULT
    int64_t depth = 9;
#else
    int64_t depth = 1;
#endif
  };
  static Schema<Params> schema() { return {{"depth", &Params::depth, between(1, 3), "how deep"}}; }
  static Value build(Network&, const Params&, Value x) { return x; }
};

[[maybe_unused]] void register_part(Plugin& plugin) { plugin.block<Part>("part"); }

#if defined(OTHER_API) || defined(OTHER_BUILD)
consteval EspalierPluginHeader changed() {
  EspalierPluginHeader header = make_plugin_header(&register_part);
#ifdef OTHER_API
  header.api = 2 * kApiVersion;
#else
  header.build[0] = 'X';
#endif
  return header;
}
#endif

#ifdef CRASHES
__attribute__((constructor)) void crash() { std::abort(); }
#endif
#ifdef LEAVES
__attribute__((constructor)) void leave() { std::_Exit(7); }
#endif

}  // namespace

#ifdef UNRESOLVED
void nobody_defines_this();
#endif

#if defined(NO_SYMBOL)
extern "C" __attribute__((visibility("default"))) int another_symbol() { return 1; }
#elif defined(OTHER_API) || defined(OTHER_BUILD)
extern "C" __attribute__((visibility("default"))) constinit const EspalierPluginHeader espalier_plugin;
constinit const EspalierPluginHeader espalier_plugin = changed();
#else
ESPALIER_PLUGIN(plugin) {
#if defined(THROWS)
  register_part(plugin);
  throw std::runtime_error("no licence");
#elif defined(BAD_NAME)
  plugin.block<Part>("Bad-Name");
#elif defined(TWICE)
  plugin.block<Part>("part");
  plugin.block<Part>("part");
#elif defined(NOTHING)
  static_cast<void>(plugin);
#else
#ifdef UNRESOLVED
  nobody_defines_this();
#endif
  register_part(plugin);
#endif
}
#endif
