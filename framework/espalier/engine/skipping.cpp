#include "espalier/engine/skipping.h"

#include "espalier/engine/device.h"
#include "espalier/random.h"

#include <algorithm>
#include <limits>

namespace espalier::engine {

namespace {

constexpr const char* kKnown = "losses/known";
constexpr const char* kNoted = "losses/noted";

}  // namespace

Skipping::Skipping(const std::vector<int64_t>& train, int64_t skipped, uint64_t seed, at::Device device) : skipped_(skipped), seed_(seed) {
  if (!active()) return;
  place_.resize(static_cast<size_t>(std::ranges::max(train)) + 1);
  for (size_t i = 0; i < train.size(); ++i) place_[static_cast<size_t>(train[i])] = static_cast<int64_t>(i);
  known_ = at::full({std::ssize(train)}, std::numeric_limits<double>::infinity(), at::TensorOptions(at::kFloat).device(device));
  noted_ = known_.clone();
}

std::vector<int64_t> Skipping::rest(const std::vector<int64_t>& order, int64_t epoch) const {
  if (!active()) return order;
  const at::Tensor losses = known_.cpu();
  const auto loss = [this, values = losses.const_data_ptr<float>()](int64_t row) { return values[place_[static_cast<size_t>(row)]]; };
  std::vector<int64_t> easier = order;
  std::ranges::stable_sort(easier, {}, loss);
  easier.resize(std::max(easier.size() / 2, static_cast<size_t>(skipped_)));
  Random random(derive_seed(seed_, static_cast<uint64_t>(epoch)));
  shuffle(easier, random);
  std::vector<bool> out(place_.size());
  for (int64_t i = 0; i < skipped_; ++i) out[static_cast<size_t>(easier[static_cast<size_t>(i)])] = true;
  std::vector<int64_t> rest;
  for (const int64_t row : order)
    if (!out[static_cast<size_t>(row)]) rest.push_back(row);
  return rest;
}

void Skipping::note(std::span<const int64_t> rows, const at::Tensor& losses) {
  std::vector<int64_t> places;
  for (const int64_t row : rows) places.push_back(place_[static_cast<size_t>(row)]);
  noted_.index_copy_(0, sent_to(noted_.device(), at::tensor(places, at::kLong)), losses.detach().to(at::kFloat));
}

void Skipping::save(TensorFile& file) const {
  if (!active()) return;
  put_values(file, kKnown, known_);
  put_values(file, kNoted, noted_);
}

void Skipping::finish_epoch() {
  if (active()) known_.copy_(noted_);
}

void Skipping::restore(const TensorFile& file) {
  if (!active()) return;
  get_values(file, kKnown, known_);
  get_values(file, kNoted, noted_);
}

}  // namespace espalier::engine
