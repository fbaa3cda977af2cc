#include "file.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <bit>
#include <fstream>

namespace espalier::bench {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

Json read_header(const std::filesystem::path& file) {
  std::ifstream in(file);
  require(in.good(), "E2001", fmt::format("cannot read '{}'", file.string()));
  Json document = Json::parse(in, nullptr, false);
  require(!document.is_discarded(), "E2001", fmt::format("'{}' is not JSON", file.string()));
  return document;
}

std::vector<float> read_floats(const std::filesystem::path& file, size_t count) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  require(in.good(), "E2001", fmt::format("cannot read '{}'", file.string()));
  const auto size = static_cast<size_t>(in.tellg());
  require(size == count * sizeof(float), "E2001",
          fmt::format("'{}' holds {} bytes where its description says {}", file.string(), size, count * sizeof(float)));
  in.seekg(0);
  std::vector<float> out(count);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(size));
  require(in.good(), "E2001", fmt::format("cannot read '{}'", file.string()));
  return out;
}

}  // namespace espalier::bench
