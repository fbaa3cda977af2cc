#include <espalier/block.h>

using namespace espalier;

namespace {

/// Several inputs -> one: (C1, H, W), (C2, H, W) -> (C1 + C2, H, W), or equal shapes -> the same.
struct Merge {
  static constexpr auto doc = "makes one of several inputs";

  struct Params {
    std::string how = "concat";
  };

  static Schema<Params> schema() {
    return {{"how", &Params::how, one_of("concat", "add"),
             "side by side along channels or features, or summed (equal shapes)"}};
  }

  static Value build(Network& net, const Params& p, const std::vector<Value>& xs) {
    return p.how == "add" ? net.add(xs) : net.concat(xs);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Merge>("merge"); }
