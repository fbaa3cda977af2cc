#pragma once

#include "espalier/network.h"

#include <string>
#include <vector>

namespace espalier {

/// One way to score answers. The names stand in pipelines, stores and reports after the split: val_accuracy, test_mse.
struct Metric {
  std::string name;                ///< "top_K" stands for top_2, top_3, ...
  bool maximize = true;            ///< more is better
  std::vector<std::string> kinds;  ///< of answers: "class" (one of several), "classes" (any of several), "number"
  std::string doc;
};

/// Every metric there is, in the order in which they are shown.
const std::vector<Metric>& metrics();

/// The entry of a name without split and node: "accuracy", "top_5". Nullptr if there is none.
const Metric* find_metric(const std::string& name);
/// The K of "top_K", else 0.
int64_t places_of(const std::string& name);

/// "val_accuracy", or "label.val_accuracy" where the network has several heads; `split` is "val_", "test_" or "train_".
std::string score_name(const std::string& head, size_t heads, const std::string& split, const std::string& metric);
/// "accuracy" of "label.val_accuracy": a score's name without its node and split.
std::string bare_metric(const std::string& score);
/// Whether more of a score is better; of what is no metric (losses, seconds) less is.
bool is_maximized(const std::string& score);

/// Whether a head's answers can be scored so.
bool has_metric(const Output& output, const std::string& name);
/// All that a head's answers are scored by in an evaluation; of top_K only top_5.
std::vector<std::string> metrics_of(const Output& output);

}  // namespace espalier
