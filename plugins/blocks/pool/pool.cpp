#include <espalier/block.h>

using namespace espalier;

namespace {

/// (C, H, W) -> (C) for the global kinds, (C, H / kernel, W / kernel) for the others.
struct Pool {
  static constexpr auto doc = "takes the maximum or the mean of windows, or of the whole picture";

  struct Params {
    std::string kind = "global_avg";
    int64_t kernel = 2;
  };

  static Schema<Params> schema() {
    return {{"kind", &Params::kind, one_of("global_avg", "global_max", "avg", "max"), "what is taken, and of what"},
            {"kernel", &Params::kernel, one_of(2, 3, 4).within(1, 64),
             "pixels of a window and between windows, unless global"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    if (p.kind == "global_avg") return net.global_avg_pool(x);
    if (p.kind == "global_max") return net.global_max_pool(x);
    const PoolOptions options{.kernel = p.kernel, .stride = p.kernel};
    return p.kind == "avg" ? net.avg_pool(x, options) : net.max_pool(x, options);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Pool>("pool"); }
