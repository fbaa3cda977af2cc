#include "espalier/network/length.h"

#include "espalier/shape.h"

#include <algorithm>
#include <cmath>

namespace espalier {

Length training_length(const Json& train, int64_t rows) {
  rows = std::max<int64_t>(rows, 1);
  Length length;
  length.skipped = static_cast<int64_t>(train.value("skip_easy", 0.0) * static_cast<double>(rows));
  rows -= length.skipped;
  length.batch = std::clamp<int64_t>(train.value("batch", int64_t{256}), 1, rows);
  length.accumulate = std::clamp<int64_t>(train.value("accumulate", int64_t{1}), 1, rows / length.batch);
  // A last batch that is not full is left out, unless it is the only one.
  length.steps_per_epoch = rows / length.batch / length.accumulate;
  const Json& epochs = train.at("epochs");
  double count = 1.0;
  if (epochs.is_number()) {
    count = epochs.get<double>();
  } else if (epochs.contains("count")) {
    count = epochs["count"].get<double>();
  } else {
    count = epochs.at("max").get<double>();
    length.patience = epochs.value("patience", int64_t{0});
    length.min_delta = epochs.value("min_delta", 0.0);
  }
  length.steps = std::max<int64_t>(std::llround(count * static_cast<double>(length.steps_per_epoch)), 1);
  length.epochs = ceil_div(length.steps, length.steps_per_epoch);
  return length;
}

}  // namespace espalier
