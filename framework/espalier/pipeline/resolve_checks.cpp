// What can be told once all is resolved: ties that lead nowhere, settings that nothing asked for.
#include "espalier/pipeline/resolve.h"

#include <fmt/format.h>

namespace espalier {

void Resolver::check_ties() {
  std::vector<std::string> names;
  for (const auto& [name, known] : known_) names.push_back(name);
  const auto settle = [&](const std::string& name) {
    for (size_t dot = name.find('.'); known_.find(name) == known_.end() && dot != std::string::npos; dot = std::string::npos) {
      const Leaf* block = assignments_.find(name.substr(0, dot) + ".block");
      if (block != nullptr && block->value.is_scalar()) return name.substr(0, dot) + "." + block->value.text + name.substr(dot);
    }
    return name;
  };
  for (const auto& [path, tie] : ties_) {
    const std::string target = settle(tie.first);
    const auto found = known_.find(target);
    if (found == known_.end()) {
      const std::string near = nearest(tie.first, names);
      problems_.add("E0404", fmt::format("{} is tied to '{}', which is no setting", path, tie.first), tie.second,
                    near.empty() ? "" : fmt::format("did you mean '{}'?", near));
      continue;
    }
    const auto own = known_.find(path);
    if (own != known_.end() && own->second.type != found->second.type)
      problems_.add("E0404", fmt::format("{} and {} are of different types", path, target), tie.second);
    if (own != known_.end() && own->second.chain.rfind(found->second.chain, 0) != 0)
      problems_.add("E0404", fmt::format("{} does not always exist while {} does", target, path), tie.second);
    std::string at = target;
    for (size_t steps = 0; ties_.contains(at); at = settle(ties_.at(at).first))
      if (at == path || ++steps > ties_.size()) {
        problems_.add("E0404", fmt::format("{} is tied to itself", path), tie.second);
        break;
      }
  }
}

void Resolver::note_unused() {
  for (const auto& [path, leaf] : assignments_.all()) {
    const std::string top = path.substr(0, path.find('.'));
    if (used_.contains(path) || top == "data" || top == "search" || top == "run" || top == "seed" || path.ends_with(".from")) continue;
    std::string why = "what it belongs to is not chosen";
    const Leaf* block = assignments_.find(top + ".block");
    if (block != nullptr && block->value.is_scalar()) why = fmt::format("the block of '{}' is {}", top, block->value.text);
    pipeline_.notes.push_back(fmt::format("{} is unused: {}", path, why));
  }
}

}  // namespace espalier
