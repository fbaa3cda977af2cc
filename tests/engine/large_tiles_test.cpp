#include "torch_catch.h"

#include "convolutions.h"

using namespace espalier::engine;
using namespace espalier::test;

TEST_CASE("a convolution by large tiles is LibTorch's, forwards and backwards, but for some rounding") {
  at::manual_seed(4);
  // Odd and even sizes, chunks of output channels that are not whole, rows of products that are not, channels that are not whole
  // registers, a single pixel; the large ones are taken by tiles in all directions, the small ones by oneDNN.
  for (const Convolution& c : {Convolution{3, 64, 64, 8, 8, true}, {5, 64, 128, 15, 15, false}, {2, 80, 96, 7, 9, true}, {1, 64, 64, 2, 2, false},
                               {2, 256, 48, 6, 4, true}, {4, 24, 64, 11, 5, false}, {3, 40, 72, 5, 5, true}, {2, 32, 32, 1, 1, false}})
    check_convolution(c, at::kFloat, 2e-5);
}

TEST_CASE("large tiles give the same bits each time") { check_same_bits(at::kFloat); }

TEST_CASE("tiles are for 3 x 3 filters over channels that registers can take") {
  const auto pictures = [](int64_t channels, at::ScalarType type) { return at::zeros({1, channels, 4, 4}, type); };
  const auto filters = [](int64_t out, int64_t in, int64_t size) { return at::zeros({out, in, size, size}); };
  CHECK(suits_winograd(pictures(24, at::kFloat), filters(16, 24, 3)));
  CHECK_FALSE(suits_winograd(pictures(20, at::kFloat), filters(64, 20, 3)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kFloat), filters(64, 64, 5)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kHalf), filters(64, 64, 3)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(64, 64, 5)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(64, 32, 3)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(70, 64, 3)));
  CHECK_FALSE(suits_winograd(pictures(3, at::kBFloat16), filters(64, 3, 3)));
}
