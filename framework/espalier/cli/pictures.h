#pragma once

#include "espalier/json.h"
#include "espalier/registry/registry.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::cli {

/// Decodes picture files with the installed image_folder reader, brings them to the size and the channels of the network's
/// picture input, and writes their bytes below `scratch`: {"path", "shape": [N, H, W, C]} for the trainer.
/// Throws E0010 if the network takes no picture, E2060 for a file that is none.
Json write_pictures(const std::vector<std::string>& files, const Json& network, const Registry& registry,
                    const std::filesystem::path& scratch);

}  // namespace espalier::cli
