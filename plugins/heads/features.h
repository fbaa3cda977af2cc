#pragma once

#include <espalier/head.h>

#include <string>

/// What heads of this folder share.
namespace espalier::heads {

/// Pictures as features, by the way of pooling: global_avg, global_max or flatten; vectors stay as they are.
inline Value features(Network& net, const std::string& pooling, Value x) {
  if (net.shape(x).size() == 1) return x;
  if (pooling == "global_max") return net.global_max_pool(x);
  return pooling == "flatten" ? net.flatten(x) : net.global_avg_pool(x);
}

}  // namespace espalier::heads
