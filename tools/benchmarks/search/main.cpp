#include "cost.h"
#include "documents.h"
#include "espalier/error.h"
#include "tasks.h"

#include <fmt/format.h>

#include <iostream>

using namespace espalier;
using namespace espalier::bench;

namespace {

Json list_document(const Tasks& tasks, const Registry& registry) {
  Json out = {{"tasks", Json::array()},
              {"tuners", registry.names(PluginKind::tuner)},
              {"schedulers", registry.names(PluginKind::scheduler)}};
  for (const auto& [name, make] : tasks) out["tasks"].push_back(name);
  return out;
}

Json document(const Options& options) {
  const Registry registry = Registry::scan(Registry::default_paths());
  if (options.what == "list") return list_document(find_tasks(options.data), registry);
  if (options.what == "single") return single_document(options, find_tasks(options.data), registry);
  if (options.what == "curves") return curves_document(options, find_tasks(options.data), registry);
  if (options.what == "proposals") return proposals_document(options, registry);
  if (options.what == "store") return store_document(options, registry);
  if (options.what == "memory") return memory_document(options, registry);
  fail("E0001", fmt::format("'{}' is not list, single, curves, proposals, store or memory", options.what));
}

}  // namespace

/// Prints one JSON document.
int main(int argc, char** argv) {
  try {
    std::cout << document(read_options(argc, argv)).dump() << "\n";
    return 0;
  } catch (const Error& error) {
    for (const Problem& problem : error.problems()) std::cerr << render(problem) << "\n";
    return error.exit_code();
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
