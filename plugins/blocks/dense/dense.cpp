#include <espalier/block.h>

using namespace espalier;

namespace {

/// Fully connected layers with optional batch norm and dropout: any -> (units).
struct Dense {
  static constexpr auto doc = "fully connected layers: dense, batch norm, ReLU, dropout";

  struct Params {
    int64_t units = 64;
    int64_t layers = 1;
    bool batch_norm = false;
    double dropout = 0.0;
  };

  static Schema<Params> schema() {
    return {
        {"units", &Params::units, one_of(16, 32, 64, 128, 256, 512, 1024).within(1, 65536), "features of each layer"},
        {"layers", &Params::layers, between(1, 3).within(1, 16), "number of layers"},
        {"batch_norm", &Params::batch_norm, yes_or_no(), "normalise before the activation"},
        {"dropout", &Params::dropout, one_of(0.0, 0.25, 0.5).within(0.0, 0.95), "fraction of features zeroed"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    if (net.shape(x).size() > 1) x = net.flatten(x);
    for (int64_t i = 0; i < p.layers; ++i) {
      x = net.dense(x, p.units, !p.batch_norm);
      if (p.batch_norm) x = net.batch_norm(x);
      x = net.dropout(net.relu(x), p.dropout);
    }
    return x;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Dense>("dense"); }
