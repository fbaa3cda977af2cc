#pragma once

#include "espalier/pipeline/pipeline.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace espalier {

/// The weights that a block begins with, and the file they come from.
struct Pretrained {
  std::string node;
  std::filesystem::path file;
  std::string sha256;                                       ///< of the whole file
  std::vector<std::pair<std::string, std::string>> loaded;  ///< weight_key in the network, tensor in the file
  std::vector<std::string> report;                          ///< a line each: what is loaded, what is not, on both sides
};

/// Of every block with `weights`. Parts of a block are loaded whole or not at all: it is a mistake if the file holds one
/// tensor of a part and lacks another (E0215, with the nearest name), if a shape differs (E0216), if nothing fits, if the
/// file is not what `weights_sha256` says (E0214), or if the graph prepares pixels in another way than the file's metadata
/// asks for (E0217). `on_problem` is told each, with the node; nothing is loaded there.
using OnPretrainedProblem = std::function<void(const std::string& node, const Problem& problem)>;
std::vector<Pretrained> find_pretrained(const Pipeline& pipeline, const Settings& settings, const Network& network,
                                        const OnPretrainedProblem& on_problem);

/// As above; throws one Error with every problem.
std::vector<Pretrained> find_pretrained(const Pipeline& pipeline, const Settings& settings, const Network& network);

/// As a trial document holds them: [{"node", "file", "sha256", "tensors": {weight_key: tensor}}, ...].
Json to_document(const std::vector<Pretrained>& all);

/// SHA-256 of every file of weights that a pipeline names, by its path as written.
Json weights_hashes(const Pipeline& pipeline);

/// What is wrong with how a graph prepares the pixels that enter a layer, or "". `wanted` is {"mean", "std"}, each a number
/// a channel for pixels in 0 to 1.
std::string why_other_pixels(const Network& network, int layer, const Json& wanted);

}  // namespace espalier
