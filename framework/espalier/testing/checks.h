#pragma once

#include "espalier/registry/registry.h"

#include <string>
#include <vector>

namespace espalier {

/// Each returns what is wrong with one plugin, a sentence each; nothing if it keeps the laws of its kind.
std::vector<std::string> check_block(const Registry& registry, const BlockType& block);
std::vector<std::string> check_head(const HeadType& head);
std::vector<std::string> check_tuner(const TunerType& tuner);
std::vector<std::string> check_scheduler(const SchedulerType& scheduler);
std::vector<std::string> check_reader(const ReaderType& reader);

}  // namespace espalier
