#pragma once

#include "espalier/json.h"
#include "espalier/params.h"
#include "espalier/spec/tree.h"

#include <optional>
#include <string>

namespace espalier {

/// Reads a scalar by the type of its place. Nothing if it is of another type; the mistake (E0202) is noted with `path`.
std::optional<Json> read_scalar(Type type, const std::string& path, const Tree& tree, Problems& problems);

/// Notes E0207 and returns false if `value` is outside of what the setting allows.
bool is_legal(const SettingType& type, const Json& value, const std::string& path, const Place& place, Problems& problems);

/// The smallest and largest legal number: the declared bounds, else those of the domain.
std::optional<double> least_of(const Domain& domain);
std::optional<double> most_of(const Domain& domain);

/// A value as a person writes it: `64`, `0.1`, `resnet`.
std::string show_value(const Json& value);

/// Seconds, bytes, a share (`all`, a count, a fraction); nothing with a note if the text is none.
std::optional<double> read_time_at(const std::string& path, const Tree& tree, Problems& problems);
std::optional<double> read_size_at(const std::string& path, const Tree& tree, Problems& problems);
std::optional<Json> read_share(const Tree& tree);

}  // namespace espalier
