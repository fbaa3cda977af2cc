#include "catch.h"

#include "espalier/registry/registry.h"

#include <cstdlib>
#include <unistd.h>

using namespace espalier;
namespace fs = std::filesystem;

TEST_CASE("every wrong library is refused with its own message, and none harms the program") {
  const fs::path cache = fs::temp_directory_path() / ("espalier-bad-plugins-" + std::to_string(getpid()));
  setenv("ESPALIER_CACHE", cache.c_str(), 1);
  const std::map<std::string, std::pair<std::string, std::string>> expected = {
      {"no_symbol", {"E1001", "no_symbol.so is a library without the symbol espalier_plugin"}},
      {"other_api", {"E1003", "other_api.so was built for espalier plugin API 2.0; this is 1.0; rebuild it"}},
      {"other_build", {"E1004", "other_build.so was built as 'X"}},
      {"crashes", {"E1005", "crashes.so crashed while it was loaded: Aborted"}},
      {"leaves", {"E1005", "leaves.so ended the process while it was loaded, with exit code 7"}},
      {"throws", {"E1006", "throws.so threw while registering: std::runtime_error: no licence"}},
      {"bad_default", {"E1007", "bad_default.so declares something wrong: block 'part': setting 'depth': the default 9 is not in 1 to 3"}},
      {"bad_name", {"E1007", "bad_name.so declares something wrong: block 'Bad-Name': the name is not snake_case"}},
      {"no_doc", {"E1007", "no_doc.so declares something wrong: block 'part': it has no doc"}},
      {"twice", {"E1007", "twice.so declares something wrong: block 'part': it is registered twice"}},
      {"nothing", {"E1007", "nothing.so declares something wrong: it registers nothing"}},
      {"unresolved", {"E1009", "unresolved.so cannot be loaded: undefined symbol: nobody_defines_this()"}}};
  // The second time from the cache: the same words.
  for (int time = 0; time < 2; ++time) {
    const Registry registry = Registry::scan({BAD_PLUGINS});
    CHECK(registry.provided().empty());
    CHECK(registry.refused().size() == expected.size());
    for (const Refused& refused : registry.refused()) {
      INFO(refused.library);
      const auto one = expected.find(refused.library.stem());
      REQUIRE(one != expected.end());
      CHECK(refused.problem.code == one->second.first);
      CHECK_THAT(refused.problem.message, Catch::Matchers::StartsWith(one->second.second));
    }
  }
  fs::remove_all(cache);
}
