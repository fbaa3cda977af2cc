#pragma once

#include "espalier/params.h"
#include "espalier/registry/registry.h"

#include <map>
#include <string>
#include <vector>

namespace espalier {

/// Everything that is picked by name in a pipeline, with what each name declares: plugins of the registry and what the
/// trainer itself knows (optimizers, schedules, averages, preparing steps).
class Catalogue {
 public:
  explicit Catalogue(const Registry& registry);

  /// Nullptr if there is no such name of this kind.
  const Declaration* find(const std::string& kind, const std::string& name) const;
  /// All names of a kind, sorted.
  std::vector<std::string> names(const std::string& kind) const;
  /// All kinds, sorted.
  std::vector<std::string> kinds() const;
  const Registry& registry() const { return *registry_; }

 private:
  const Registry* registry_;
  std::map<std::string, std::map<std::string, Declaration>> kinds_;
};

/// The keys of `train`.
const Declaration& train_declaration();

/// What a member of `train.groups` takes beside `scale`, and what `scale` multiplies.
const Declaration& group_declaration();
const Declaration& scale_declaration();

/// What `freeze` of a block takes where it is a map.
const Declaration& freeze_declaration();

/// The settings that every block has beside its own, and those of every head.
const Declaration& common_block_settings();
const Declaration& common_head_settings();

}  // namespace espalier
