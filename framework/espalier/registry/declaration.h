#pragma once

#include "espalier/registry/registry.h"

#include <string>
#include <vector>

namespace espalier {

Json to_json(const Domain& domain);
Domain domain_from_json(const Json& document);
/// A setting with its domain and, for lists, its item.
Json to_json(const SettingType& setting);
SettingType setting_from_json(const Json& document);
Json to_json(const Declaration& declaration);
Declaration declaration_from_json(const Json& document);

/// Everything that a library declares, without its functions.
Json describe(const Plugin& plugin);
/// Back again; library and hash are the caller's.
std::vector<Provided> provided_from_json(const Json& described);

/// What is wrong with a value of this setting: "is not among 16, 32"; "" if it is legal.
std::string why_illegal(const SettingType& setting, const Json& value);

/// The first thing wrong with what a library declares: "block 'dense': setting 'units': ..."; "" if nothing is.
std::string why_badly_declared(const std::vector<Provided>& provided);

}  // namespace espalier
