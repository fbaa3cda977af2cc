#include "espalier/engine/views.h"

#include "espalier/error.h"

#include <cstdlib>

namespace espalier::engine {

std::vector<View> views_named(const std::string& name) {
  if (name.empty() || name == "none") return {};
  if (name == "mirror") return {{.share = 0.5}, {.mirrored = true, .share = 0.5}};
  if (name != "mirror_shift") fail("E0422", "no test views are called '" + name + "'", "none, mirror and mirror_shift are there");
  std::vector<View> views;
  for (const bool mirrored : {false, true}) {
    views.push_back({.mirrored = mirrored, .share = 0.25});
    for (const int64_t shift : {-1, 1}) views.push_back({.mirrored = mirrored, .shift = shift, .share = 0.125});
  }
  return views;
}

at::Tensor view_of(const at::Tensor& x, const View& view) {
  at::Tensor seen = view.mirrored ? x.flip(3) : x;
  if (view.shift != 0) {
    const int64_t border = std::abs(view.shift);
    const at::Tensor around = at::reflection_pad2d(seen, {border, border, border, border});
    seen = around.narrow(2, border - view.shift, x.size(2)).narrow(3, border - view.shift, x.size(3));
  }
  return seen.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace espalier::engine
