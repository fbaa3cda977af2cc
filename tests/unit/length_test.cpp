#include "catch.h"

#include "espalier/network/length.h"

using namespace espalier;

TEST_CASE("a training's length follows from its settings and its rows") {
  struct Row {
    const char* train;
    int64_t rows, batch, accumulate, steps_per_epoch, steps, epochs;
  };
  const std::vector<Row> rows = {
      {R"({"epochs": 3, "batch": 10})", 100, 10, 1, 10, 30, 3},
      {R"({"epochs": 3, "batch": 10})", 109, 10, 1, 10, 30, 3},                     // what fills no batch is left out
      {R"({"epochs": 2, "batch": 64})", 50, 50, 1, 1, 2, 2},                        // unless it is all there is
      {R"({"epochs": 2.5, "batch": 10})", 100, 10, 1, 10, 25, 3},                   // the last epoch is cut short
      {R"({"epochs": {"count": 0.01}, "batch": 10})", 100, 10, 1, 10, 1, 1},        // one step at least
      {R"({"epochs": 2, "batch": 10, "accumulate": 4})", 100, 10, 4, 2, 4, 2},
      {R"({"epochs": 2, "batch": 10, "accumulate": 99})", 100, 10, 10, 1, 2, 2},    // all batches of an epoch at most
      {R"({"epochs": 3, "batch": 10, "skip_easy": 0.25})", 100, 10, 1, 7, 21, 3},
      {R"({"epochs": 3, "batch": 10, "skip_easy": 0.5})", 2, 1, 1, 1, 3, 3},
      {R"({"epochs": {"max": 30, "patience": 2, "min_delta": 0.1}, "batch": 10})", 0, 1, 1, 1, 30, 30}};
  for (const Row& row : rows) {
    CAPTURE(row.train, row.rows);
    const Length length = training_length(Json::parse(row.train), row.rows);
    CHECK(length.batch == row.batch);
    CHECK(length.accumulate == row.accumulate);
    CHECK(length.steps_per_epoch == row.steps_per_epoch);
    CHECK(length.steps == row.steps);
    CHECK(length.epochs == row.epochs);
  }
  const Length early = training_length(Json::parse(rows.back().train), 10);
  CHECK(early.patience == 2);
  CHECK(early.min_delta == 0.1);
  CHECK(training_length(Json::parse(rows.front().train), 10).patience == 0);
}
