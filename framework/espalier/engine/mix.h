#pragma once

#include "espalier/engine/batches.h"
#include "espalier/json.h"
#include "espalier/random.h"

#include <ATen/ATen.h>

#include <optional>
#include <span>
#include <vector>

namespace espalier::engine {

/// A rectangle of a picture, fractions of its extents.
struct Cut {
  double top, bottom, left, right;
};

/// How the samples of a batch are mixed in pairs.
struct Mixing {
  std::vector<int64_t> partners;  ///< of each sample, within the batch
  double share = 1.0;             ///< of the sample itself in the mixture, and of its target in the loss; the rest is its partner's
  std::optional<Cut> cut;      ///< cutmix: what of a picture is its partner's
};

/// Draws mixings as `train.mix` asks: mixup (arXiv:1710.09412) adds a sample and its partner up, cutmix (arXiv:1905.04899)
/// puts a window of the partner into the sample; vectors beside pictures are added up in either.
class Mixer {
 public:
  /// "none" or {"name": mixup | cutmix, "alpha", "probability"} or {"name": "mixup_or_cutmix", "alpha", "cutmix_alpha",
  /// "probability"}. Throws E0424 for another name.
  explicit Mixer(const Json& settings);
  /// Nothing if this batch is left as it is. Windows are whole pixels of the first picture among the inputs, and the share
  /// follows from them; without pictures cutmix adds up.
  std::optional<Mixing> draw(const Inputs& inputs, Random& random) const;

 private:
  double mixup_alpha_ = 0.0;   ///< 0: never
  double cutmix_alpha_ = 0.0;
  double probability_ = 0.0;
};

/// Values (B, ...) of a batch, mixed.
at::Tensor mixed(const at::Tensor& x, const Mixing& mixing);
/// What the partners have: values (B, ...), or targets.
at::Tensor partners_of(const at::Tensor& x, const Mixing& mixing);
Targets partners_of(const Targets& targets, const Mixing& mixing);
/// The rows that mixtures show most of: each sample's own, or its partner's where that has the greater share.
std::vector<int64_t> rows_shown(std::span<const int64_t> rows, const Mixing& mixing);
/// The loss of mixtures from those by the samples' own targets and by their partners'.
at::Tensor mixed_loss(const at::Tensor& own, const at::Tensor& partners, const Mixing& mixing);

}  // namespace espalier::engine
