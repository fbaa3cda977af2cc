#include "surrogate.h"

#include "catch.h"

#include <filesystem>
#include <iostream>

using namespace espalier;
using namespace espalier::bench;

namespace fs = std::filesystem;

TEST_CASE("surrogates foretell what their descriptions say", "[surrogate]") {
  int count = 0;
  std::error_code absent;
  for (const fs::directory_entry& entry : fs::directory_iterator(ESPALIER_SEARCHES, absent)) {
    if (entry.path().extension() != ".json" || !entry.path().stem().string().starts_with("yahpo_")) continue;
    const Surrogate surrogate(entry.path());
    const Json& vectors = surrogate.header().at("test_vectors");
    for (size_t i = 0; i < vectors.at("y").size(); ++i) {
      const std::vector<double> y = surrogate.evaluate(vectors.at("x_cat")[i], vectors.at("x_cont")[i]);
      REQUIRE(y.size() == vectors["y"][i].size());
      for (size_t k = 0; k < y.size(); ++k) CHECK(y[k] == Approx(vectors["y"][i][k].get<double>()).epsilon(5e-5));
      ++count;
    }
  }
  if (count == 0) std::cout << "skipped: there are no surrogates in '" ESPALIER_SEARCHES "'\n";
}
