#pragma once

#include <optional>
#include <string>

namespace espalier {

/// A decimal integer as pipelines write it: optional sign, digits, no leading zero; nothing if `text` is anything else.
std::optional<long long> read_integer(const std::string& text);

/// A finite decimal number as pipelines write it (`0.1`, `1`, `1e-4`); nothing if `text` is anything else.
std::optional<double> read_number(const std::string& text);

/// Seconds of `10m`, `1.5h`, `200ms`; nothing if `text` is anything else.
std::optional<double> read_time(const std::string& text);

/// Bytes of `2GiB`, `16GB`; nothing if `text` is anything else.
std::optional<double> read_size(const std::string& text);

/// The factor of a unit of time (seconds) or size (bytes); nothing for other words.
std::optional<double> time_unit(const std::string& unit);
std::optional<double> size_unit(const std::string& unit);

}  // namespace espalier
