#pragma once

#include "espalier/json.h"
#include "espalier/network.h"
#include "espalier/params.h"
#include "espalier/samples.h"
#include "espalier/space.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#if __cplusplus < 202002L || !defined(__cpp_exceptions) || !defined(__cpp_rtti)
#error "espalier plugins need C++20, exceptions and RTTI"
#endif

namespace espalier {

/// Raised when the SDK changes: hundreds are the major version (must be equal), units the minor one (a plugin's must
/// not be above the host's).
inline constexpr uint32_t kApiVersion = 100;

/// What is to be predicted, as a head sees it.
struct Target {
  std::string column;
  ColumnKind kind = ColumnKind::class_label;
  std::vector<std::string> names = {};  ///< classes, labels, or parts of a vector of numbers
};

/// What a head makes of its input.
struct HeadOutput {
  Value output;                      ///< logits (classes or 1), or standardised numbers
  Json loss;                         ///< {"name": ..., settings}
  std::vector<std::string> metrics;  ///< the first one is the objective
  Json decode;                       ///< how predictions become answers
};

struct BlockType {
  std::string name;
  std::string doc;
  Declaration declaration;
  size_t inputs_min = 1;
  size_t inputs_max = 1;  ///< SIZE_MAX: any number
  std::function<Value(Network&, const Json& settings, const std::vector<Value>&)> build;
};

struct HeadType {
  std::string name;
  std::string doc;
  Declaration declaration;
  std::vector<ColumnKind> accepts;
  std::function<HeadOutput(Network&, const Json& settings, Value, const Target&)> build;
};

struct TunerType {
  std::string name;
  std::string doc;
  Declaration declaration;
  /// Pure (law): the same space, history and random give the same proposal. Nothing: the space is used up.
  std::function<std::optional<Proposal>(const Json& settings, const Space&, const History&, Random&, const Feasible&)> propose;
};

struct SchedulerType {
  std::string name;
  std::string doc;
  Declaration declaration;
  /// Pure (law). `full`: epochs of a whole training, the most that any trial may spend.
  std::function<Step(const Json& settings, double full, const History&, Random&)> next;
};

struct ReaderType {
  std::string name;
  std::string doc;
  int64_t version = 1;  ///< raised when the same files give other samples: part of the cache key
  Declaration declaration;
  std::function<Sketch(const Json& settings, const std::filesystem::path& folder)> sketch;
  std::function<std::unique_ptr<Samples>(const Json& settings, const std::filesystem::path& folder)> open;
};

/// What one library provides; filled once by the library's `fill`.
class Plugin {
 public:
  Plugin();
  ~Plugin();

  /// `T` has Params, schema(), doc and build(Network&, const Params&, Value) or (..., const std::vector<Value>&).
  template <class T>
  void block(const std::string& name);
  template <class T>
  void head(const std::string& name);
  template <class T>
  void tuner(const std::string& name);
  template <class T>
  void scheduler(const std::string& name);
  template <class T>
  void reader(const std::string& name);

  std::vector<BlockType> blocks;
  std::vector<HeadType> heads;
  std::vector<TunerType> tuners;
  std::vector<SchedulerType> schedulers;
  std::vector<ReaderType> readers;
};

namespace detail {

template <class T>
concept HasDoc = requires {
  { T::doc } -> std::convertible_to<std::string>;
};
template <class T>
concept Described = requires {
  typename T::Params;
  { T::schema() } -> std::same_as<Schema<typename T::Params>>;
};
template <class T>
concept OneInput = requires(Network& n, const typename T::Params& p, Value x) {
  { T::build(n, p, x) } -> std::same_as<Value>;
};
template <class T>
concept ManyInputs = requires(Network& n, const typename T::Params& p, const std::vector<Value>& xs) {
  { T::build(n, p, xs) } -> std::same_as<Value>;
};

}  // namespace detail

template <class T>
void Plugin::block(const std::string& name) {
  static_assert(detail::HasDoc<T>, "espalier: a block says what it is in 'static constexpr auto doc = \"...\"'");
  static_assert(detail::Described<T>, "espalier: a block needs 'struct Params' and 'static Schema<Params> schema()'");
  static_assert(detail::OneInput<T> || detail::ManyInputs<T>,
                "espalier: a block needs 'static Value build(Network&, const Params&, Value)' "
                "(or 'const std::vector<Value>&' for several inputs)");
  const Schema<typename T::Params> schema = T::schema();
  BlockType type{.name = name, .doc = T::doc, .declaration = schema.declaration(), .inputs_min = 1, .inputs_max = 1, .build = {}};
  if constexpr (detail::OneInput<T>) {
    type.build = [schema](Network& net, const Json& settings, const std::vector<Value>& xs) {
      return T::build(net, schema.read(settings), xs.at(0));
    };
  } else {
    type.inputs_max = SIZE_MAX;
    type.build = [schema](Network& net, const Json& settings, const std::vector<Value>& xs) {
      return T::build(net, schema.read(settings), xs);
    };
  }
  blocks.push_back(std::move(type));
}

/// `T` has Params, schema(), doc, accepts (vector of ColumnKind) and
/// build(Network&, const Params&, Value, const Target&) -> HeadOutput.
template <class T>
void Plugin::head(const std::string& name) {
  static_assert(detail::Described<T>, "espalier: a head needs 'struct Params' and 'static Schema<Params> schema()'");
  const Schema<typename T::Params> schema = T::schema();
  heads.push_back({.name = name, .doc = T::doc, .declaration = schema.declaration(), .accepts = T::accepts(),
                   .build = [schema](Network& net, const Json& settings, Value x, const Target& target) -> HeadOutput {
                     return T::build(net, schema.read(settings), x, target);
                   }});
}

/// `T` has Params, schema(), doc and propose(const Params&, const Space&, const History&, Random&, const Feasible&).
template <class T>
void Plugin::tuner(const std::string& name) {
  static_assert(detail::Described<T>, "espalier: a tuner needs 'struct Params' and 'static Schema<Params> schema()'");
  const Schema<typename T::Params> schema = T::schema();
  tuners.push_back({.name = name, .doc = T::doc, .declaration = schema.declaration(),
                    .propose = [schema](const Json& settings, const Space& space, const History& history, Random& random,
                                        const Feasible& feasible) -> std::optional<Proposal> {
                      return T::propose(schema.read(settings), space, history, random, feasible);
                    }});
}

/// `T` has Params, schema(), doc and next(const Params&, double full, const History&, Random&) -> Step.
template <class T>
void Plugin::scheduler(const std::string& name) {
  static_assert(detail::Described<T>, "espalier: a scheduler needs 'struct Params' and 'static Schema<Params> schema()'");
  const Schema<typename T::Params> schema = T::schema();
  schedulers.push_back({.name = name, .doc = T::doc, .declaration = schema.declaration(),
                        .next = [schema](const Json& settings, double full, const History& history, Random& random) -> Step {
                          return T::next(schema.read(settings), full, history, random);
                        }});
}

/// `T` has Params, schema(), doc, version, sketch(const Params&, const path&) -> Sketch and
/// open(const Params&, const path&) -> unique_ptr<Samples>.
template <class T>
void Plugin::reader(const std::string& name) {
  static_assert(detail::Described<T>, "espalier: a reader needs 'struct Params' and 'static Schema<Params> schema()'");
  const Schema<typename T::Params> schema = T::schema();
  readers.push_back({.name = name, .doc = T::doc, .version = T::version, .declaration = schema.declaration(),
                     .sketch = [schema](const Json& settings, const std::filesystem::path& folder) -> Sketch {
                       return T::sketch(schema.read(settings), folder);
                     },
                     .open = [schema](const Json& settings, const std::filesystem::path& folder) -> std::unique_ptr<Samples> {
                       return T::open(schema.read(settings), folder);
                     }});
}

}  // namespace espalier

/// Plain data, read from the file before any code of the plugin runs. Fields are only ever added at the end.
struct EspalierPluginHeader {
  char magic[8];                    ///< "ESPALIER" without a terminator
  uint32_t header_size;             ///< sizeof(EspalierPluginHeader) of the plugin's SDK
  uint32_t api;                     ///< espalier::kApiVersion of the plugin's SDK
  char build[64];                   ///< what must agree where C++ types cross, see espalier::build_string()
  char torch[32];                   ///< "" for plugins that do not link LibTorch
  void (*fill)(espalier::Plugin&);  ///< registers what the library provides
};

namespace espalier {

/// Standard library, string ABI, sanitizers and the sizes of the types that cross: equal for compatible builds.
consteval EspalierPluginHeader make_plugin_header(void (*fill)(Plugin&)) {
  EspalierPluginHeader h{{'E', 'S', 'P', 'A', 'L', 'I', 'E', 'R'}, sizeof(EspalierPluginHeader), kApiVersion, {}, {}, fill};
  size_t n = 0;
  auto put = [&](const char* s) {
    while (*s != '\0') h.build[n++] = *s++;
  };
  auto number = [&](size_t v) {
    char digits[20] = {};
    size_t k = 0;
    do {
      digits[k++] = static_cast<char>('0' + v % 10);
      v /= 10;
    } while (v != 0);
    while (k != 0) h.build[n++] = digits[--k];
  };
#ifdef _GLIBCXX_RELEASE
  put("libstdc++");
  number(_GLIBCXX_RELEASE);
#else
  put("other");
#endif
#if defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
  put(" cxx11");
#endif
#ifdef _GLIBCXX_DEBUG
  put(" debug");
#endif
#ifdef __SANITIZE_ADDRESS__
  put(" asan");
#endif
#ifdef __SANITIZE_THREAD__
  put(" tsan");
#endif
  put(" json");
  number(NLOHMANN_JSON_VERSION_MAJOR);
  put(".");
  number(NLOHMANN_JSON_VERSION_MINOR);
  put(" layout ");
  number(sizeof(std::string));
  put(".");
  number(sizeof(SettingType));
  put(".");
  number(sizeof(BlockType));
  put(".");
  number(sizeof(Network));
  return h;
}

/// What the headers of plugins that this libespalier can open say in `build`.
std::string build_string();

}  // namespace espalier

/// Defines the one symbol of a plugin library:
///
///     ESPALIER_PLUGIN(plugin) { plugin.block<Residual>("residual"); }
#define ESPALIER_PLUGIN(plugin)                                                                       \
  static void espalier_fill(espalier::Plugin& plugin);                                                \
  extern "C" __attribute__((visibility("default"))) constinit const EspalierPluginHeader espalier_plugin; \
  constinit const EspalierPluginHeader espalier_plugin = espalier::make_plugin_header(&espalier_fill); \
  static void espalier_fill(espalier::Plugin& plugin)
