#pragma once

#include "espalier/space.h"

#include <map>
#include <string>
#include <vector>

namespace espalier {

/// For every name the fewest of its last parts that no other name ends in: `depth` for `trunk.vanilla.depth`, but
/// `sgd.learning_rate` beside `adam.learning_rate`.
std::map<std::string, std::string> short_names(const std::vector<std::string>& names);

/// A setting's name below the one that it hangs on: `depth` for `trunk.resnet.depth` while `trunk.block` is resnet.
std::string name_below(const std::string& name, const std::string& parent, const std::string& value);

/// "1 setting", "3 settings".
std::string counted(size_t count, const std::string& noun);
/// "1 epoch", "2.5 epochs".
std::string counted_epochs(double epochs);

/// True if a value lies in the domain of an axis; steps are not looked at.
bool holds(const Axis& axis, const Json& value);

}  // namespace espalier
