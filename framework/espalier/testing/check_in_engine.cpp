#include "espalier/data/files.h"
#include "espalier/error.h"
#include "espalier/testing/checks.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace espalier {

namespace fs = std::filesystem;

namespace {

/// A word that the shell leaves as it is.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// What a program writes to standard output, and how it ended.
std::pair<std::string, int> output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  require(pipe != nullptr, "E0111", "cannot start " + command);
  std::string text;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) text.push_back(static_cast<char>(c));
  return {text, pclose(pipe)};
}

}  // namespace

std::optional<fs::path> find_trainer() {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "espalier-trainer";
  return !error && fs::exists(beside, error) ? std::optional(beside) : std::nullopt;
}

std::vector<std::string> check_in_engine(const fs::path& trainer, const std::vector<Candidate>& networks) {
  if (networks.empty()) return {};
  Json job = {{"format", 1}, {"do", "check"}, {"trial", {{"train", {{"threads", 1}}}, {"networks", Json::array()}}},
              {"attempt", Json::object()}};
  for (const Candidate& one : networks) job["trial"]["networks"].push_back({{"name", one.name}, {"network", one.network}});
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "job.json";
  std::ofstream(file) << job.dump();
  const auto [text, status] = output_of("env -u ESPALIER_CHANNEL " + quoted(trainer.string()) + " " + quoted(file.string()) + " 2>&1");
  std::string last;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const Json message = Json::parse(line, nullptr, false);
    if (message.is_object() && message.contains("done")) return message["done"].at("wrong").get<std::vector<std::string>>();
    last = line;
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {fmt::format("the trainer ended with {} while it tried {}: {}", code, networks.front().name, last)};
}

}  // namespace espalier
