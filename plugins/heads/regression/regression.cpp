#include "../features.h"

#include <espalier/head.h>

using namespace espalier;

namespace {

/// (C, H, W) or (features) -> one standardised number a target value; or, a value, a logit for each bin (DLDL-v2,
/// arXiv:1807.01906) or for each step from one level to the next (CORAL, arXiv:1901.07884).
struct Regression {
  static constexpr auto kLosses = "regression loss";
  static constexpr auto doc = "one number or several";

  struct Params {
    double dropout = 0.0;
    std::string pooling = "global_avg";
    Slot loss{"mse"};
  };

  static Schema<Params> schema() {
    return {
        {"dropout", &Params::dropout, one_of(0.0, 0.25, 0.5).within(0.0, 0.95), "fraction of features zeroed"},
        {"pooling", &Params::pooling, one_of("global_avg", "global_max", "flatten"), "how pictures become features"},
        {"loss", &Params::loss, kLosses, {"mse", "mae", "huber", "bins", "ordinal"},
         "what is minimised, in standard deviations of the target: mse, mae, huber; bins: distance to a label spread over bins, and "
         "of their expectation; ordinal: whether the answer lies above each of ordered levels. Predicted is the expectation."}};
  }

  static std::vector<ColumnKind> accepts() { return {ColumnKind::number, ColumnKind::numbers}; }

  static HeadOutput build(Network& net, const Params& p, Value x, const Target& target) {
    const bool several = target.kind == ColumnKind::numbers;
    require(!several || !target.names.empty(), "E0312",
            "'" + target.column + "' has no numbers; regression needs one or more");
    x = net.dropout(heads::features(net, p.pooling, x), p.dropout);
    HeadOutput out;
    const int64_t numbers = several ? std::ssize(target.names) : 1;
    out.loss = loss_document(kLosses, p.loss);
    out.metrics = {"mse", "mae", "rmse", "r2"};
    out.decode = {{"kind", several ? "numbers" : "number"}};
    if (out.loss.contains("bins")) out.decode["bins"] = out.loss["bins"];
    const int64_t bins = out.loss.value("bins", int64_t{1});
    if (p.loss.name == "ordinal") {
      out.output = net.thresholds(net.dense(x, numbers, false), bins - 1);
      out.decode["activation"] = "sigmoid";
    } else {
      out.output = net.dense(x, numbers * bins);
      if (p.loss.name == "bins") out.decode["activation"] = "softmax";
    }
    if (several) out.decode["names"] = target.names;
    return out;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.head<Regression>("regression"); }
