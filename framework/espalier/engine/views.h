#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace espalier::engine {

/// How a picture is looked at once more, and the share of what is seen in the average.
struct View {
  bool mirrored = false;
  int64_t shift = 0;  ///< pixels down and to the right; the border is reflected
  double share = 1.0;
};

/// "none": empty; "mirror": as it is and mirrored; "mirror_shift": these, and both shifted by a pixel either way, at half
/// the weight together (the six views of airbench94, arXiv:2404.00498). Throws E0422 for another name.
std::vector<View> views_named(const std::string& name);

/// Pictures (B, C, H, W) through a view.
at::Tensor view_of(const at::Tensor& x, const View& view);

}  // namespace espalier::engine
