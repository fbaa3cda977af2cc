#pragma once

#include "espalier/plugin.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

/// The first reader of a built plugin library; nullptr if there is no such library.
inline const espalier::ReaderType* reader_of_plugin(const std::string& name) {
  static std::map<std::string, espalier::Plugin> loaded;
  if (!loaded.contains(name)) {
    const char* given = std::getenv("ESPALIER_TEST_PLUGINS");
    const std::filesystem::path folder = given != nullptr ? std::filesystem::path(given)
        : std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "lib/espalier/plugins";
    void* library = dlopen((folder / (name + ".so")).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    static_cast<const EspalierPluginHeader*>(dlsym(library, "espalier_plugin"))->fill(loaded[name]);
  }
  return &loaded[name].readers.at(0);
}
