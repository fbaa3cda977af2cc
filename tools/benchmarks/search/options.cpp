#include "options.h"

#include "espalier/error.h"

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace espalier::bench {

namespace {

std::pair<std::string, Json> name_and_settings(const std::string& word) {
  const size_t brace = word.find('{');
  if (brace == std::string::npos) return {word, Json::object()};
  const Json settings = Json::parse(word.substr(brace), nullptr, false);
  require(settings.is_object(), "E0001", fmt::format("'{}': what stands after the name is no JSON object", word));
  return {word.substr(0, brace), settings};
}

}  // namespace

Options read_options(int argc, char** argv) {
  namespace po = boost::program_options;
  Options o;
  o.threads = std::max(1U, std::thread::hardware_concurrency());
  po::options_description described("espalier_bench_search list|single|curves|proposals|store|memory [options]");
  described.add_options()
      ("what", po::value(&o.what)->required(), "list, single, curves, proposals, store or memory")
      ("data", po::value(&o.data), "folder of tables and surrogates")
      ("folder", po::value(&o.folder), "where a store is made")
      ("task", po::value(&o.tasks), "a task; may be repeated")
      ("tuner", po::value(&o.tuners), "a tuner, with settings 'tpe{\"candidates\": 64}'; may be repeated")
      ("scheduler", po::value(&o.schedulers), "a scheduler, for curves; may be repeated")
      ("checkpoint", po::value(&o.checkpoints), "number of trials (curves: of full trainings) at which to look; may be repeated")
      ("workers", po::value(&o.workers), "simulated workers, for curves; may be repeated")
      ("seeds", po::value(&o.seeds), "number of seeds, from 0")
      ("threads", po::value(&o.threads), "studies at a time")
      ("no-first", po::bool_switch(&o.no_first), "the tuner decides on the first trial too");
  po::positional_options_description position;
  position.add("what", 1);
  po::variables_map found;
  po::store(po::command_line_parser(argc, argv).options(described).positional(position).run(), found);
  po::notify(found);
  require(o.seeds > 0 && o.threads > 0, "E0001", "seeds and threads are at least 1");
  require(o.what == "list" || !o.checkpoints.empty(), "E0001", "no checkpoint is given");
  require(std::ranges::is_sorted(o.checkpoints), "E0001", "checkpoints ascend");
  require(std::ranges::find(o.workers, size_t{0}) == o.workers.end(), "E0001", "workers are at least 1");
  return o;
}

std::vector<Player> players(const Options& options, const Registry& registry) {
  std::vector<Player> out;
  for (const std::string& word : options.tuners) {
    const auto [name, settings] = name_and_settings(word);
    out.push_back({.label = word, .tuner = &registry.tuner(name), .settings = settings});
  }
  return out;
}

std::vector<Conductor> conductors(const Options& options, const Registry& registry) {
  std::vector<Conductor> out;
  for (const std::string& word : options.schedulers) {
    const auto [name, settings] = name_and_settings(word);
    out.push_back({.label = word, .scheduler = &registry.scheduler(name), .settings = settings});
  }
  return out;
}

}  // namespace espalier::bench
