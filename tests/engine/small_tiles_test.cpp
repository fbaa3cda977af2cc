#include "torch_catch.h"

#include "convolutions.h"

#include <iostream>

using namespace espalier::engine;
using namespace espalier::test;

namespace {

/// True, and said, where the processor cannot.
bool is_missing() {
  if (suits_winograd(at::zeros({1, 16, 4, 4}, at::kBFloat16), at::zeros({16, 16, 3, 3}))) return false;
  std::cout << "skipped: this processor does not multiply pairs of bfloat16\n";
  return true;
}

}  // namespace

TEST_CASE("a convolution by small tiles is LibTorch's in float32, forwards and backwards, but for the rounding of bfloat16") {
  if (is_missing()) return;
  at::manual_seed(4);
  // Odd and even sizes, chunks of output channels that are not whole, rows of products that are not, channels that are not a
  // register's, a single pixel; the large ones are taken by tiles in all directions, the small ones by oneDNN for the output.
  for (const Convolution& c : {Convolution{3, 64, 64, 8, 8, true}, {5, 64, 128, 15, 15, false}, {2, 80, 96, 7, 9, true}, {1, 64, 64, 2, 2, false},
                               {2, 256, 48, 6, 4, true}, {4, 24, 64, 11, 5, false}, {3, 18, 16, 5, 5, true}, {2, 32, 32, 1, 1, false}})
    check_convolution(c, at::kBFloat16, 0.01);
}

TEST_CASE("small tiles give the same bits each time") {
  if (!is_missing()) check_same_bits(at::kBFloat16);
}
