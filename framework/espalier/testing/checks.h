#pragma once

#include "espalier/registry/registry.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// Each returns what is wrong with one plugin, a sentence each; nothing if it keeps the laws of its kind.
std::vector<std::string> check_block(const Registry& registry, const BlockType& block);
std::vector<std::string> check_head(const HeadType& head);
std::vector<std::string> check_tuner(const TunerType& tuner);
std::vector<std::string> check_scheduler(const SchedulerType& scheduler);
/// An example is a folder with the reader's settings in `settings.json` beside small real files: what the reader makes of
/// them, whole and damaged, is then checked too. A child process that reads them is given `patience`.
std::vector<std::string> check_reader(const ReaderType& reader, const std::optional<std::filesystem::path>& example,
                                      std::chrono::seconds patience = std::chrono::seconds(60));

/// A network of one plugin with some settings, for the engine to try.
struct Candidate {
  std::string name;     ///< says the plugin and the settings
  Json network;         ///< its document
  double work = 0.0;    ///< estimated operations of trying it
};

/// Small networks that try a plugin's settings, as many as a second or two allows; the defaults come first if they are
/// not too big.
std::vector<Candidate> candidates(const Registry& registry, const BlockType& block);
std::vector<Candidate> candidates(const HeadType& head);

/// espalier-trainer beside this program, if it is there.
std::optional<std::filesystem::path> find_trainer();
/// What the trainer finds wrong with networks, a sentence each.
std::vector<std::string> check_in_engine(const std::filesystem::path& trainer, const std::vector<Candidate>& networks);

}  // namespace espalier
