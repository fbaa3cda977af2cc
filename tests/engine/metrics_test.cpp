#include "torch_catch.h"
#include "espalier/engine/details.h"
#include "espalier/engine/metrics.h"
#include "espalier/error.h"
#include "espalier/network/metrics.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

using namespace espalier;
using namespace espalier::engine;

namespace {

using at::Tensor;

const double kNone = std::numeric_limits<double>::quiet_NaN();

Tensor rows(std::vector<double> values, int64_t columns) {
  return at::tensor(values, at::kDouble).view({static_cast<int64_t>(values.size()) / columns, columns});
}

double value(const std::string& name, const Answers& answers) { return metric(name, answers).value(); }

/// Six samples of three classes; two of them are answered wrongly.
Answers three_classes() {
  return {.kind = Answer::classes,
          .predicted = rows({0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.3, 0.3, 0.4, 0.5, 0.4, 0.1, 0.2, 0.2, 0.6, 0.6, 0.1, 0.3}, 3),
          .truth = at::tensor({0, 1, 2, 1, 2, 2}, at::kLong)};
}

/// Five samples of two classes, two of which share a score.
Answers two_classes() {
  return {.kind = Answer::yes_or_no,
          .predicted = rows({0.9, 0.1, 0.6, 0.4, 0.6, 0.4, 0.2, 0.8, 0.7, 0.3}, 2),
          .truth = at::tensor({0, 0, 1, 1, 0}, at::kLong)};
}

Output output_of(const Json& decode) {
  Output output;
  output.head = "y";
  output.decode = decode;
  return output;
}

}  // namespace

// Figures beside each check are computed by hand; scikit-learn 1.9 gives the same.
TEST_CASE("classes are scored as by hand") {
  const Answers answers = three_classes();
  // Truth 0 1 2 1 2 2, said 0 1 2 0 2 0.
  CHECK(value("accuracy", answers) == Approx(4.0 / 6.0));
  CHECK(value("top_2", answers) == Approx(1.0));
  CHECK(value("precision", answers) == Approx((1.0 / 3.0 + 1.0 + 1.0) / 3.0));
  CHECK(value("recall", answers) == Approx((1.0 + 0.5 + 2.0 / 3.0) / 3.0));
  CHECK(value("f1", answers) == Approx((0.5 + 2.0 / 3.0 + 0.8) / 3.0));
  CHECK(value("log_loss", answers) == Approx(-(std::log(0.7) + std::log(0.8) + 2.0 * std::log(0.4) + std::log(0.6) + std::log(0.3)) / 6.0));
  // Each class against the rest: all pairs are in order.
  CHECK(value("auc", answers) == Approx(1.0));
  Answers worse = answers;
  worse.truth = at::tensor({0, 1, 2, 1, 0, 2}, at::kLong);
  // Of 0: 0.7 and 0.2 against 0.1, 0.3, 0.5, 0.6: 5 of 8. Of 1: all 8. Of 2: 0.4 and 0.3 against 0.1, 0.1, 0.1, 0.6: 6 of 8.
  CHECK(value("auc", worse) == Approx((5.0 / 8.0 + 1.0 + 6.0 / 8.0) / 3.0));
}

TEST_CASE("classes that nobody is or says do not count in means") {
  Answers answers = three_classes();
  answers.predicted = at::cat({answers.predicted, at::zeros({6, 1}, at::kDouble)}, 1);
  CHECK(value("f1", answers) == Approx(value("f1", three_classes())));
  CHECK(value("auc", answers) == Approx(value("auc", three_classes())));
}

TEST_CASE("the area under the curve counts pairs, ties half") {
  // Positives 0.4 and 0.8 against 0.1, 0.4, 0.3: 1 + 1/2 + 1 + 3 of 6.
  CHECK(value("auc", two_classes()) == Approx(5.5 / 6.0));
  Answers one = two_classes();
  one.truth = at::zeros({5}, at::kLong);
  CHECK_FALSE(metric("auc", one).has_value());
}

TEST_CASE("calibration is the distance of confidence and accuracy") {
  // Confidences 0.9, 0.6, 0.6, 0.8, 0.7 in bins of their own but for the two 0.6, of which one is right.
  const double expected = (std::abs(1.0 - 0.9) + 2.0 * std::abs(0.5 - 0.6) + std::abs(1.0 - 0.8) + std::abs(1.0 - 0.7)) / 5.0;
  CHECK(value("calibration_error", two_classes()) == Approx(expected));
  const Reliability bins = reliability(two_classes());
  CHECK(bins.samples.sum().item<double>() == 5.0);
  CHECK(bins.samples[8].item<double>() == 2.0);  // 8/15 to 9/15
  CHECK(bins.accuracy[8].item<double>() == 0.5);
}

TEST_CASE("labels are scored one by one, and unknown ones do not count") {
  const Answers answers{.kind = Answer::labels,
                        .predicted = rows({0.9, 0.2, 0.6, 0.7, 0.1, 0.9}, 2),
                        .truth = rows({1.0, 0.0, 0.0, 1.0, kNone, 0.0}, 2)};
  CHECK(value("accuracy", answers) == Approx(3.0 / 5.0));
  CHECK(value("exact_match", answers) == Approx(1.0 / 3.0));
  // First label: 1 right of 2 said, 1 there. Second: 1 right of 2 said, 1 there.
  CHECK(value("precision", answers) == Approx(0.5));
  CHECK(value("recall", answers) == Approx(1.0));
  CHECK(value("f1", answers) == Approx(2.0 / 3.0));
  CHECK(value("auc", answers) == Approx((1.0 + 0.5) / 2.0));
  CHECK(value("log_loss", answers) == Approx(-(std::log(0.9) + std::log(0.8) + std::log(0.4) + std::log(0.7) + std::log(0.1)) / 5.0));
  const Json found = details(output_of({{"kind", "classes"}, {"names", {"a", "b"}}}), answers);
  CHECK(found.at("by_class").at(1).at("name") == "b");
  CHECK(found.at("by_class").at(0).at("samples") == 1);
  CHECK_FALSE(found.contains("confusion"));
}

TEST_CASE("numbers are scored as by hand, each against its own variance") {
  const Answers answers{.kind = Answer::number,
                        .predicted = rows({1.0, 10.0, 3.0, 30.0, 3.0, 99.0}, 2),
                        .truth = rows({1.0, 10.0, 2.0, 20.0, 3.0, kNone}, 2)};
  CHECK(value("mse", answers) == Approx((1.0 + 100.0) / 5.0));
  CHECK(value("rmse", answers) == Approx(std::sqrt(101.0 / 5.0)));
  CHECK(value("mae", answers) == Approx(11.0 / 5.0));
  CHECK(value("median_absolute_error", answers) == 0.0);
  // 1 - 1/2 and 1 - 100/50.
  CHECK(value("r2", answers) == Approx((0.5 - 1.0) / 2.0));
  const Answers same{.kind = Answer::number, .predicted = rows({1.0, 2.0}, 1), .truth = rows({5.0, 5.0}, 1)};
  CHECK_FALSE(metric("r2", same).has_value());
}

TEST_CASE("without samples nothing is scored, and nothing is of another kind") {
  const Answers none{.kind = Answer::classes, .predicted = at::zeros({0, 3}, at::kDouble), .truth = at::zeros({0}, at::kLong)};
  const Output output = output_of({{"kind", "class"}, {"names", {"a", "b", "c", "d", "e", "f"}}});
  for (const std::string name : {"accuracy", "precision", "auc", "log_loss", "calibration_error", "top_2"}) {
    INFO(name);
    CHECK_FALSE(metric(name, none).has_value());
  }
  CHECK(details(output, none).empty());
  CHECK_THROWS_AS(metric("mse", three_classes()), Error);
  CHECK_THROWS_AS(metric("exact_match", three_classes()), Error);
}

TEST_CASE("every metric of the table is computed") {
  for (const Metric& entry : metrics()) {
    INFO(entry.name);
    for (const std::string& kind : entry.kinds) {
      const Answers answers = kind == "class" ? three_classes()
                              : kind == "classes" ? Answers{Answer::labels, rows({0.9, 0.2, 0.1, 0.7}, 2), rows({1.0, 0.0, 0.0, 1.0}, 2)}
                                                  : Answers{Answer::number, rows({1.0, 2.0}, 1), rows({1.0, 3.0}, 1)};
      CHECK(metric(entry.name == "top_K" ? "top_2" : entry.name, answers).has_value());
    }
  }
}

TEST_CASE("errors are told by ranges of the target that hold as many samples") {
  std::vector<double> truth, answer;
  for (int i = 0; i < 40; ++i) {
    truth.push_back(i < 20 ? 5.0 : i);  // half of them are the same
    answer.push_back(truth.back() + (i < 20 ? 1.0 : -2.0));
  }
  const Json found = details(output_of({{"kind", "number"}}), {Answer::number, rows(answer, 1), rows(truth, 1)});
  const Json& ranges = found.at("by_range");
  CHECK(ranges.front() == Json{{"from", 5.0}, {"to", 5.0}, {"samples", 20}, {"bias", 1.0}, {"mae", 1.0}, {"rmse", 1.0}});
  CHECK(ranges.back().at("to") == 39.0);
  CHECK(ranges.back().at("bias") == -2.0);
  int64_t samples = 0;
  for (const Json& range : ranges) samples += range.at("samples").get<int64_t>();
  CHECK(samples == 40);
  CHECK(found.at("residuals").size() == 40);
}

TEST_CASE("a confusion has the truth in rows") {
  const Json found = details(output_of({{"kind", "class"}, {"names", {"a", "b", "c"}}}), three_classes());
  CHECK(found.at("confusion") == Json({{1, 0, 0}, {1, 1, 0}, {1, 0, 2}}));
  CHECK(found.at("by_class").at(2).at("recall").get<double>() == Approx(2.0 / 3.0));
  CHECK(found.at("reliability").size() == 15);
}
