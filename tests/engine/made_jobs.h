#pragma once

#include "trainer_process.h"

#include "espalier/json.h"
#include "espalier/network.h"

#include <filesystem>
#include <string>

namespace espalier::test {

/// Standardised pictures of made data through augmentation, convolution, batch norm, pooling and dropout: (features).
Value trunk(Network& net);
/// The trunk with one head on a column of made data: classes by the classification's losses, or numbers.
Json class_network();
Json number_network();

/// A job that trains a network for four epochs, judged by a metric.
Json job_for(const Json& data, const Json& network, const std::string& metric, bool maximize);
Json writing_to(Json job, const std::filesystem::path& folder);
/// The same job from the last checkpoint that was told.
Json going_on_from(Json job, const Outcome& outcome);
/// The same job scores a split with what was trained.
Json evaluating(Json job, const Outcome& trained, const std::string& split);

std::string bytes_of(const std::filesystem::path& file);

}  // namespace espalier::test
