#include "catch.h"
#include "espalier/study/ensemble.h"

#include <cmath>

using namespace espalier;

namespace {

const RowValues kClasses{.width = 1, .values = {0, 1, 2, 0}};

/// Probabilities of three classes: so much for the true one of each row, the rest shared.
RowValues sure(const std::vector<double>& of_true) {
  RowValues out{.width = 3, .values = {}};
  for (size_t row = 0; row < of_true.size(); ++row)
    for (int c = 0; c < 3; ++c) out.values.push_back(c == static_cast<int>(kClasses.values[row]) ? of_true[row] : (1.0 - of_true[row]) / 2.0);
  return out;
}

}  // namespace

TEST_CASE("losses are those of the book") {
  CHECK(mean_loss(ColumnKind::class_label, kClasses, sure({0.5, 0.5, 0.5, 0.25})) == Approx((3 * std::log(2.0) + std::log(4.0)) / 4));
  CHECK(mean_loss(ColumnKind::class_label, {.width = 1, .values = {1, 0}}, {.width = 1, .values = {0.8, 0.4}}) ==
        Approx(-(std::log(0.8) + std::log(0.6)) / 2));
  CHECK(mean_loss(ColumnKind::number, {.width = 1, .values = {1, 2}}, {.width = 1, .values = {1, 4}}) == Approx(2.0));
  CHECK(mean_loss(ColumnKind::class_labels, {.width = 2, .values = {1, 0}}, {.width = 2, .values = {0.5, 0.5}}) == Approx(std::log(2.0)));
  CHECK(std::isfinite(mean_loss(ColumnKind::class_label, kClasses, sure({0, 1, 1, 1}))));
}

TEST_CASE("models that err on other rows are taken together, and a bad one is left out") {
  const std::vector<RowValues> models{sure({0.9, 0.9, 0.1, 0.9}), sure({0.1, 0.9, 0.9, 0.9}), sure({0.1, 0.1, 0.1, 0.1})};
  const auto taken = choose_ensemble(ColumnKind::class_label, kClasses, models, 6);
  CHECK(taken[0] > 0);
  CHECK(taken[1] > 0);
  CHECK(taken[2] == 0);
  const double together = mean_loss(ColumnKind::class_label, kClasses, mean_prediction(models, taken));
  for (const RowValues& model : models) CHECK(together < mean_loss(ColumnKind::class_label, kClasses, model));
}

TEST_CASE("one model that nothing betters stands alone") {
  const std::vector<RowValues> models{sure({0.99, 0.99, 0.99, 0.99}), sure({0.6, 0.6, 0.6, 0.6})};
  CHECK(choose_ensemble(ColumnKind::class_label, kClasses, models, 5) == std::vector<int64_t>{1, 0});
}

TEST_CASE("the mean of numbers weighs each model as often as it was taken") {
  const std::vector<RowValues> models{{.width = 1, .values = {0, 3}}, {.width = 1, .values = {3, 0}}};
  CHECK(mean_prediction(models, {2, 1}).values == std::vector<double>{1, 2});
}
