// Writes the checkpoints of the engine one over the other; says each one once
// it was acknowledged; then judges what is there. Usage: checkpoint_steps save FOLDER, checkpoint_steps check-save FOLDER SAID.
#include "espalier/engine/checkpoint.h"

#include "espalier/error.h"

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <string>

using namespace espalier;
using namespace espalier::engine;

namespace {

TensorFile content_of(int64_t version) {
  TensorFile content;
  for (const char* name : {"a.weight", "b.weight"})
    content.tensors[name] = {.shape = {40, 100}, .values = std::vector<float>(4000, static_cast<float>(version))};
  content.state = {{"epoch", version}};
  return content;
}

void save(const std::filesystem::path& folder) {
  for (int64_t version = 1; version <= 4; ++version) {
    write_tensors(folder / "last.ckpt", content_of(version));
    const std::string text = std::to_string(version) + "\n";
    require(write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "E0001", "cannot say what was done");
  }
}

void check(const std::filesystem::path& folder, const std::filesystem::path& said) {
  int64_t acknowledged = 0;
  std::ifstream in(said);
  for (int64_t version = 0; in >> version;) acknowledged = version;
  if (!std::filesystem::exists(folder / "last.ckpt")) {
    require(acknowledged == 0, "E0001", "what was acknowledged is gone");
    return;
  }
  const TensorFile found = read_tensors(folder / "last.ckpt");  // throws if it is damaged
  const auto version = found.state.at("epoch").get<int64_t>();
  require(version == acknowledged || version == acknowledged + 1, "E0001",
          "version " + std::to_string(acknowledged) + " was acknowledged, " + std::to_string(version) + " is there");
  require(found.tensors.at("b.weight").values == content_of(version).tensors.at("b.weight").values, "E0001", "weights of another version");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 2 && arguments[0] == "save") save(arguments[1]);
    else if (arguments.size() == 3 && arguments[0] == "check-save") check(arguments[1], arguments[2]);
    else return 2;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 3;
  }
}
