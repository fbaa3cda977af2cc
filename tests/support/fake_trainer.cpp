// Speaks the trainer's protocol and does what the trial's settings say under "behaviour": for tests of what stands above.
#include <nlohmann/json.hpp>

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <new>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

constexpr int kChannel = 3;
/// Of a whole training that says nothing else.
constexpr int64_t kEpochs = 3;

void send(const Json& message) {
  const std::string text = message.dump();
  std::string out;
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((text.size() >> shift) & 0xff);
  out += text;
  for (size_t done = 0; done < out.size();) {
    const ssize_t n = write(kChannel, out.data() + done, out.size() - done);
    if (n <= 0) _exit(1);
    done += static_cast<size_t>(n);
  }
}

void read_exactly(char* bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    const ssize_t n = read(kChannel, bytes + done, count - done);
    if (n <= 0) _exit(1);
    done += static_cast<size_t>(n);
  }
}

Json receive() {
  unsigned char head[4];
  read_exactly(reinterpret_cast<char*>(head), sizeof head);
  std::string text(head[0] | head[1] << 8 | head[2] << 16 | head[3] << 24, '\0');
  read_exactly(text.data(), text.size());
  return Json::parse(text);
}

/// Scores depend on the trial and the epoch only, as a deterministic training's would; later folds are harder, and so are later
/// seeds where they are to differ.
double score(const Json& trial, int64_t epoch) {
  const double x = trial["settings"].value("x", 0.0);
  const std::string rows = trial.value("data", Json::object()).value("splits", "");
  double ease = rows.starts_with("fold") ? 1.0 - 0.1 * (rows[4] - '0') : 1.0;
  if (trial["settings"].value("behaviour", "") == "noisy") ease = 1.0 - 0.1 * (trial["part"].get<std::string>().back() - '0');
  return ease * 1.0 / (1.0 + (x - 3.0) * (x - 3.0)) * (1.0 - 1.0 / static_cast<double>(epoch + 1));
}

void write_text(const std::filesystem::path& file, const std::string& text) { std::ofstream(file) << text; }

/// What is said of an epoch: without rows to validate on there is a loss only.
Json metrics(const Json& trial, int64_t epoch) {
  const std::string rows = trial.value("data", Json::object()).value("splits", "");
  if (rows == "whole" || trial["settings"].value("behaviour", "") == "unvalidated") return {{"loss", 1.0}};
  return {{"val_accuracy", score(trial, epoch)}, {"val_loss", trial["settings"].value("x", 0.0)}};
}

/// ", fold 2" of a training that is part of a trial.
std::string part_of(const Json& job) { return job["trial"].contains("part") ? ", " + job["trial"]["part"].get<std::string>() : ""; }

/// Epochs of a whole training: as its document counts them, unless the settings make up their own.
int64_t length_of(const Json& trial, const Json& settings) {
  const Json train = trial.value("train", Json::object());
  const Json epochs = train.value("epochs", Json::object());
  return settings.value("epochs", epochs.is_object() ? epochs.value("count", kEpochs) : kEpochs);
}

int train(const Json& job, const Json& settings, const std::string& behaviour) {
  const Json& attempt = job["attempt"];
  const std::filesystem::path write = attempt["write"].get<std::string>();
  int64_t epoch = attempt["from"].get<int64_t>();
  // Whoever goes on must have been given the checkpoint of the epochs that are done.
  if (epoch > 0) {
    std::string saved;
    std::ifstream(attempt["read"].get<std::string>()) >> saved;
    if (saved != std::to_string(epoch)) return 9;
  }
  const int64_t epochs = attempt["until"].is_number() ? attempt["until"].get<int64_t>() : length_of(job["trial"], settings);
  if (behaviour == "warns") send({{"warning", "something is odd"}});
  while (epoch < epochs) {
    ++epoch;
    if (const double seconds = settings.value("seconds", 0.0); seconds > 0.0) usleep(static_cast<useconds_t>(seconds * 1e6));
    send({{"epoch", epoch}, {"metrics", metrics(job["trial"], epoch)}, {"seconds", 0.0}});
    const std::string name = "epoch-" + std::to_string(epoch) + ".ckpt";
    write_text(write / name, std::to_string(epoch));
    send({{"checkpoint", name}, {"sha256", ""}});
    if (behaviour == "stoppable") {
      const Json order = receive();
      return order.contains("stop") ? 75 : 1;
    }
    if (behaviour == "ask_once" && attempt["token"] == 1) {
      const Json order = receive();
      return order.contains("stop") ? 75 : 1;
    }
  }
  write_text(write / "model.safetensors", "weights of " + std::to_string(job["trial"].value("number", int64_t{0})) + part_of(job));
  if (behaviour == "no_score") send({{"done", {{"weights", "model.safetensors"}}}});
  else {
    Json done = metrics(job["trial"], epochs);
    done.update({{"epochs", epochs},
                 {"best_epoch", epochs},
                 {"finished", epochs >= length_of(job["trial"], settings)},
                 {"weights", (write / "model.safetensors").string()}});
    send({{"done", done}});
  }
  return 0;
}

}  // namespace

int main() {
  const char* channel = std::getenv("ESPALIER_CHANNEL");
  if (channel == nullptr || std::string(channel) != "3") return 2;
  const Json job = receive();
  send({{"hello", {{"device", "fake"}}}});
  const Json settings = job["trial"].value("settings", Json::object());
  const std::string behaviour = settings.value("behaviour", "ok");
  if (job["do"] == "evaluate") {
    std::ofstream(std::filesystem::path(job["attempt"]["write"].get<std::string>()) / "count.txt", std::ios::app) << "evaluated\n";
    send({{"done", {{"test_accuracy", 0.5}, {"baseline", {{"test_accuracy", 0.1}}}}}});
    return 0;
  }
  if (job["do"] == "machine") {
    send({{"done", {{"device", "cpu"}}}});
    return 0;
  }
  if (job["do"] != "train") {
    const std::string file = job["attempt"]["write"].get<std::string>() + "/answer.json";
    write_text(file, job.dump());
    send({{"done", {{"file", file}}}});
    return 0;
  }
  if (behaviour == "abort" || (behaviour == "abort_in_fold_2" && part_of(job) == ", fold 2") ||
      (behaviour == "abort_in_refit" && part_of(job) == ", refit"))
    std::abort();
  if (behaviour == "killed") raise(SIGKILL);
  if (behaviour == "segv") raise(SIGSEGV);
  if (behaviour == "early") {
    std::cerr << "bye\n";
    return 4;
  }
  if (behaviour == "throws_memory") throw std::bad_alloc();
  if (behaviour == "memory_exit") return 71;
  if (behaviour == "nan") {
    send({{"failed", {{"cause", "nan"}, {"where", "epoch 2, step 31"}, {"hint", "lower the learning rate"}}}});
    return 70;
  }
  if (behaviour == "unknown_cause") {
    send({{"failed", {{"cause", "mood"}}}});
    return 70;
  }
  if (behaviour == "silent") {
    signal(SIGTERM, SIG_IGN);
    while (true) pause();
  }
  if (behaviour == "frozen") {
    signal(SIGTERM, [](int) { _exit(75); });
    raise(SIGSTOP);
    while (true) pause();
  }
  if (behaviour == "chatty") {
    while (true) {
      send({{"beat", 1}});
      usleep(10000);
    }
  }
  if (behaviour == "fat") {
    std::vector<char> fat(size_t{256} << 20, 'x');
    while (true) {
      send({{"beat", fat[fat.size() / 2]}});
      usleep(10000);
    }
  }
  if (behaviour == "grandchild") {
    if (fork() == 0)
      while (true) pause();
  }
  if (behaviour == "nonsense") {
    if (write(kChannel, "\x05\0\0\0{{{{{", 9) != 9) return 1;
    return 0;
  }
  return train(job, settings, behaviour);
}
