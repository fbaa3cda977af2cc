#include <espalier/head.h>

using namespace espalier;

namespace {

/// (C, H, W) or (features) -> one standardised number a target value.
struct Regression {
  static constexpr auto doc = "one number or several";

  struct Params {
    double dropout = 0.0;
    std::string pooling = "global_avg";
    std::string loss = "mse";
  };

  static Schema<Params> schema() {
    return {
        {"dropout", &Params::dropout, one_of(0.0, 0.25, 0.5).within(0.0, 0.95), "fraction of features zeroed"},
        {"pooling", &Params::pooling, one_of("global_avg", "global_max", "flatten"), "how pictures become features"},
        {"loss", &Params::loss, one_of("mse", "mae", "huber"),
         "what is minimised, in standard deviations of the target"}};
  }

  static std::vector<ColumnKind> accepts() { return {ColumnKind::number, ColumnKind::numbers}; }

  static Value features(Network& net, const Params& p, Value x) {
    if (net.shape(x).size() == 1) return x;
    if (p.pooling == "global_max") return net.global_max_pool(x);
    return p.pooling == "flatten" ? net.flatten(x) : net.global_avg_pool(x);
  }

  static HeadOutput build(Network& net, const Params& p, Value x, const Target& target) {
    const bool several = target.kind == ColumnKind::numbers;
    require(!several || !target.names.empty(), "E0312",
            "'" + target.column + "' has no numbers; regression needs one or more");
    x = net.dropout(features(net, p, x), p.dropout);
    HeadOutput out;
    out.output = net.dense(x, several ? static_cast<int64_t>(target.names.size()) : 1);
    out.loss = {{"name", p.loss}};
    out.metrics = {"mse", "mae", "r2"};
    out.decode = {{"kind", several ? "numbers" : "number"}};
    if (several) out.decode["names"] = target.names;
    return out;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.head<Regression>("regression"); }
