#include "../features.h"

#include <espalier/head.h>

using namespace espalier;

namespace {

/// (C, H, W) or (features) -> one logit for two classes, else one a class or label.
struct Classification {
  static constexpr auto kLosses = "classification loss";
  static constexpr auto doc = "one of several classes, or any of several labels";

  struct Params {
    double dropout = 0.0;
    std::string pooling = "global_avg";
    Slot loss{"cross_entropy"};
    std::string class_weights = "none";
    bool bias = true;
    double logit_scale = 1.0;
  };

  static Schema<Params> schema() {
    return {
        {"dropout", &Params::dropout, one_of(0.0, 0.25, 0.5).within(0.0, 0.95), "fraction of features zeroed"},
        {"pooling", &Params::pooling, one_of("global_avg", "global_max", "flatten"), "how pictures become features"},
        {"loss", &Params::loss, kLosses, {"cross_entropy", "focal"},
         "what is minimised: cross entropy (binary for two classes, and for each of several labels), or focal, in which answers that "
         "are right already count less (arXiv:1708.02002)"},
        {"class_weights", &Params::class_weights, one_of("none", "balanced"),
         "balanced: rare classes count as much as frequent ones"},
        {"bias", &Params::bias, Domain{}, "add a bias to the logits"},
        {"logit_scale", &Params::logit_scale, legal(1e-6, 1e3), "multiplies the logits; below 1 for features that are not averaged"}};
  }

  static std::vector<ColumnKind> accepts() { return {ColumnKind::class_label, ColumnKind::class_labels}; }

  static HeadOutput build(Network& net, const Params& p, Value x, const Target& target) {
    const bool several = target.kind == ColumnKind::class_labels;
    require(target.names.size() >= (several ? 1U : 2U), "E0312",
            "'" + target.column + "' has " + std::to_string(target.names.size()) +
                " classes; classification needs two or more");
    const bool binary = !several && target.names.size() == 2;
    x = net.dropout(heads::features(net, p.pooling, x), p.dropout);
    HeadOutput out;
    out.output = net.dense(x, binary ? 1 : static_cast<int64_t>(target.names.size()), p.bias);
    if (p.logit_scale != 1.0) out.output = net.scale(out.output, p.logit_scale);
    out.loss = loss_document(kLosses, p.loss);
    out.loss["class_weights"] = p.class_weights;
    out.metrics = {"accuracy"};
    out.decode = {{"kind", several ? "classes" : "class"},
                  {"activation", several || binary ? "sigmoid" : "softmax"},
                  {"names", target.names}};
    return out;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.head<Classification>("classification"); }
