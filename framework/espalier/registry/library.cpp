#include "espalier/registry/library.h"

#include "espalier/registry/child.h"
#include "espalier/registry/declaration.h"

#include <boost/core/demangle.hpp>
#include <boost/dll/shared_library.hpp>
#include <fmt/format.h>

#include <cfenv>
#include <dlfcn.h>
#include <fcntl.h>
#include <regex>
#include <typeinfo>
#include <unistd.h>

namespace espalier {

namespace {

/// Restores rounding and denormals: a library linked with -ffast-math changes them for the whole process.
class KeepFloatingPoint {
 public:
  KeepFloatingPoint() { std::fegetenv(&saved_); }
  ~KeepFloatingPoint() { std::fesetenv(&saved_); }
  KeepFloatingPoint(const KeepFloatingPoint&) = delete;
  KeepFloatingPoint& operator=(const KeepFloatingPoint&) = delete;

 private:
  std::fenv_t saved_{};
};

/// The loader's sentence with C++ names as a person writes them, without the path that the message has already.
std::string readable(std::string text, const std::filesystem::path& path) {
  if (text.starts_with(path.string() + ": ")) text.erase(0, path.string().size() + 2);
  std::smatch symbol;
  if (std::regex_search(text, symbol, std::regex("_Z\\w+")))
    text = symbol.prefix().str() + boost::core::demangle(symbol.str().c_str()) + symbol.suffix().str();
  return text;
}

struct Opened {
  std::unique_ptr<Plugin> plugin;
  std::optional<Refusal> refusal;
};

Opened open(const std::filesystem::path& path) {
  namespace dll = boost::dll;
  const KeepFloatingPoint keep;
  const auto mode = dll::load_mode::rtld_now | dll::load_mode::rtld_local | static_cast<dll::load_mode::type>(RTLD_NODELETE);
  boost::system::error_code code;
  dlerror();
  const dll::shared_library library(boost::filesystem::path(path.string()), code, mode);
  if (code || !library.is_loaded()) {
    const char* text = dlerror();
    return {nullptr, Refusal{"E1009", "cannot be loaded: " + readable(text != nullptr ? text : code.message(), path), "", false}};
  }
  if (!library.has("espalier_plugin")) return {nullptr, Refusal{"E1001", "is a library without the symbol espalier_plugin"}};
  const auto& header = library.get<const EspalierPluginHeader>("espalier_plugin");
  auto plugin = std::make_unique<Plugin>();
  try {
    header.fill(*plugin);
  } catch (const std::exception& e) {
    return {nullptr, Refusal{"E1006", fmt::format("threw while registering: {}: {}", boost::core::demangle(typeid(e).name()), e.what())}};
  } catch (...) {
    return {nullptr, Refusal{"E1006", "threw something that is no exception while registering"}};
  }
  return {std::move(plugin), std::nullopt};
}

/// What a library declares, or why it is refused.
Json look_into(const std::filesystem::path& path) {
  // What a library prints while it is loaded is not our output.
  if (const int nothing = ::open("/dev/null", O_RDWR); nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
  }
  Opened opened = open(path);
  if (opened.refusal) return {{"refused", {opened.refusal->code, opened.refusal->text, opened.refusal->hint, opened.refusal->by_content}}};
  return {{"declares", describe(*opened.plugin)}};
}

}  // namespace

std::unique_ptr<Plugin> open_library(const std::filesystem::path& path) {
  Opened opened = open(path);
  if (opened.refusal) throw Error(to_problem(*opened.refusal, path.filename().string()));
  return std::move(opened.plugin);
}

std::variant<Json, Refusal> probe_library(const std::filesystem::path& path) {
  const Answer answer = ask_child([&] { return look_into(path); }, "while it was loaded");
  if (!answer.died.empty()) return Refusal{"E1005", answer.died, "", answer.in_time};
  const Json& said = answer.document;
  if (const auto refused = said.find("refused"); refused != said.end())
    return Refusal{refused->at(0), refused->at(1), refused->at(2), refused->at(3)};
  return said.at("declares");
}

}  // namespace espalier
