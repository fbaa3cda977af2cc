#include "torch_catch.h"

#include "espalier/engine/batches.h"
#include "espalier/engine/skipping.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace espalier;
using namespace espalier::engine;

namespace {

const std::vector<int64_t> kRows = {7, 3, 11, 0, 5, 8, 2, 9, 1, 6};

std::set<int64_t> left_out(const std::vector<int64_t>& rest) {
  std::set<int64_t> out(kRows.begin(), kRows.end());
  for (const int64_t row : rest) CHECK(out.erase(row) == 1);
  return out;
}

}  // namespace

TEST_CASE("an epoch leaves out samples of the easier half, each now and then, and keeps the order of the others") {
  Skipping skipping(kRows, 3, 5, at::kCPU);
  std::set<int64_t> unseen;
  for (int64_t epoch = 0; epoch < 40; ++epoch) unseen.merge(left_out(skipping.rest(kRows, epoch)));
  // Of unseen samples, which are all alike, the first in the order count as the easier.
  CHECK(unseen == std::set<int64_t>(kRows.begin(), kRows.begin() + 5));
  // A sample's loss is its row.
  skipping.note(kRows, at::tensor(kRows, at::kFloat));
  CHECK(left_out(skipping.rest(kRows, 0)) == left_out(Skipping(kRows, 3, 5, at::kCPU).rest(kRows, 0)));  // not before the epoch ends
  skipping.finish_epoch();
  std::set<int64_t> ever;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    const std::vector<int64_t> order = shuffled(kRows, 1, epoch);
    const std::vector<int64_t> rest = skipping.rest(order, epoch);
    CHECK(rest.size() == 7);
    const auto place = [&](int64_t row) { return std::ranges::find(order, row); };
    CHECK(std::ranges::is_sorted(rest, {}, place));
    CHECK(rest == skipping.rest(order, epoch));
    ever.merge(left_out(rest));
  }
  CHECK(ever == std::set<int64_t>{0, 1, 2, 3, 5});
}

TEST_CASE("losses are noted by row, and nothing is left out where nothing shall be") {
  Skipping skipping(kRows, 5, 5, at::kCPU);
  skipping.note(std::vector<int64_t>{9, 6, 8, 2, 1}, at::tensor({0.1, 0.2, 0.3, 0.4, 0.5}, at::kFloat));
  skipping.finish_epoch();
  CHECK(left_out(skipping.rest(kRows, 3)) == std::set<int64_t>{9, 6, 8, 2, 1});
  TensorFile file;
  skipping.save(file);
  Skipping other(kRows, 5, 5, at::kCPU);
  other.restore(file);
  CHECK(left_out(other.rest(kRows, 3)) == std::set<int64_t>{9, 6, 8, 2, 1});
  CHECK(Skipping(kRows, 0, 5, at::kCPU).rest(kRows, 3) == kRows);
}
