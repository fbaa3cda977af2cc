#include "espalier/network/analysis.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <map>

extern char** environ;  // NOLINT: POSIX wants it declared by the program

namespace espalier {

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// What a reader of the picture wants to know of a layer: "conv 3x3 / 2, 64".
std::string label(const Layer& layer) {
  const Json& set = layer.set;
  std::string out = layer.op;
  if (layer.op == "input") return set.at("name").get<std::string>();
  if (set.contains("kernel")) {
    out += fmt::format(" {0}x{0}", set.at("kernel").get<int64_t>());
    if (const auto stride = set.at("stride").get<int64_t>(); stride != 1) out += fmt::format(" / {}", stride);
  }
  if (set.value("groups", int64_t{1}) != 1) out += ", in groups";
  if (set.contains("filters")) out += fmt::format(", {}", set.at("filters").get<int64_t>());
  if (set.contains("units")) out += fmt::format(" {}", set.at("units").get<int64_t>());
  if (set.contains("rate")) out += fmt::format(" {:.3g}", set.at("rate").get<double>());
  return out;
}

const char* fill(const Layer& layer) {
  if (layer.op == "input") return "#dbe9f6";
  if (layer.training_only) return "#f3f3f3";
  return layer.weights.empty() ? "#ffffff" : "#fdebd0";
}

std::string node(const Layer& layer) {
  return fmt::format("  n{} [label={}, fillcolor=\"{}\"{}];\n", layer.id, quoted(label(layer)), fill(layer),
                     layer.training_only ? ", style=\"filled,dashed\"" : "");
}

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

/// Starts `dot -Tsvg` between `connection` and nothing else.
pid_t start_dot(int connection) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, connection, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, connection, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string program = "dot";
  std::string format = "-Tsvg";
  char* arguments[] = {program.data(), format.data(), nullptr};
  pid_t child = -1;
  const int error = posix_spawnp(&child, "dot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT)
    fail("E0501", "graphviz is not installed, so no picture can be drawn", "install it: apt install graphviz");
  if (error != 0) fail("E0501", fmt::format("graphviz cannot be started: {}", std::strerror(error)));
  return child;
}

/// Sends all of `text`; stops quietly if the other side has gone, whose exit status tells why.
void send_all(int connection, const std::string& text) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  ::shutdown(connection, SHUT_WR);
}

std::string receive_all(int connection) {
  std::string out;
  char buffer[1 << 14];
  for (;;) {
    const ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

std::string dot(const Network& net) {
  std::string out =
      "digraph network {\n  node [shape=box, style=filled, fontname=\"Helvetica\"];\n"
      "  edge [fontname=\"Helvetica\", fontsize=10];\n  graph [fontname=\"Helvetica\", labeljust=l];\n";
  std::map<std::string, std::string> parts;
  for (const Layer& layer : net.layers()) parts[layer.from.substr(0, layer.from.find('/'))] += node(layer);
  size_t number = 0;
  for (const auto& [part, nodes] : parts) {
    if (part.empty())
      out += nodes;
    else
      out += fmt::format("  subgraph cluster_{} {{\n  label={};\n{}  }}\n", number++, quoted(part), nodes);
  }
  for (const Layer& layer : net.layers())
    for (const int source : layer.in)
      out += fmt::format("  n{} -> n{} [label={}];\n", source, layer.id, quoted(" " + to_string(net.shape({source}))));
  for (size_t i = 0; i < net.outputs().size(); ++i) {
    const Output& output = net.outputs()[i];
    out += fmt::format("  out{} [label={}, shape=ellipse, fillcolor=\"#d5f0dc\"];\n  n{} -> out{} [label={}];\n", i,
                       quoted(output.head), output.layer, i,
                       quoted(" " + to_string(net.shape({output.layer}))));
  }
  return out + "}\n";
}

std::string svg(const std::string& dot_source) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail("E0501", fmt::format("graphviz cannot be started: {}", std::strerror(errno)));
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const pid_t child = start_dot(theirs.get());
  theirs.close();
  send_all(ours.get(), dot_source);
  std::string picture = receive_all(ours.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  require(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !picture.empty(), "E0501",
          "graphviz did not draw the network: dot ended with an error");
  return picture;
}

}  // namespace espalier
