#include "espalier/engine/device.h"
#include "espalier/engine/jobs.h"
#include "espalier/engine/messages.h"
#include "espalier/engine/profile.h"
#include "espalier/engine/trainer.h"
#include "espalier/error.h"

#include <ATen/ATen.h>
#include <torch/version.h>

#include <malloc.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <new>

namespace {

using espalier::Json;
using espalier::engine::Channel;
using espalier::engine::End;
using espalier::engine::Failure;
using espalier::engine::Machine;
using espalier::engine::Use;

constexpr int kFailed = 70;
constexpr int kStopped = 75;

/// Memory of activations stays with the process: giving it back to the kernel at every step costs more than the step.
void keep_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
  mallopt(M_ARENA_MAX, 1);
}

void stop_after_step(int) { espalier::engine::request_stop(); }

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = stop_after_step;
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGINT, SIG_IGN);  // the worker decides what an interrupt at the terminal means
  std::signal(SIGPIPE, SIG_IGN);
}

int perform(const Json& job, Channel& channel) {
  const std::string what = job.value("do", std::string("train"));
  const Use use = what == "train" || what == "profile" || what == "machine" ? Use::train : Use::look;
  const Machine machine = espalier::engine::prepare_machine(job.at("trial").value("train", Json::object()), use);
  const char* device = machine.device.is_cpu() ? "cpu" : "cuda";
  const std::string precision = espalier::engine::name_of(machine.arithmetic);
  channel.send({{"hello", {{"torch", TORCH_VERSION}, {"device", device}, {"threads", machine.threads}, {"precision", precision}}}});
  if (what == "train") return train(job, machine, channel) == End::done ? 0 : kStopped;
  if (what == "evaluate") {
    evaluate(job, machine, channel);
  } else if (what == "predict") {
    predict(job, machine, channel);
  } else if (what == "features") {
    features(job, machine, channel);
  } else if (what == "profile") {
    profile(job, machine, channel);
  } else if (what == "views") {
    views(job, machine, channel);
  } else if (what == "machine") {
    channel.send({{"done", {{"device", device}, {"precision", precision}}}});
  } else if (what == "check") {
    check(job, channel);
  } else {
    espalier::fail("E0401", "no job is called '" + what + "'", "train, evaluate, predict, features, profile, views, machine and check are there");
  }
  return 0;
}

int failed(Channel& channel, const Failure& failure) {
  std::cerr << "failed (" << failure.cause << "): " << failure.where << ": " << failure.hint << '\n';
  channel.send({{"failed", {{"cause", failure.cause}, {"where", failure.where}, {"hint", failure.hint}}}});
  return kFailed;
}

bool is_about_memory(const std::string& text) {
  constexpr std::array kPhrases = {"allocate memory", "ried to allocate", "not enough memory", "out of memory", "ALLOC_FAILED"};
  return std::ranges::any_of(kPhrases, [&](const char* phrase) { return text.find(phrase) != std::string::npos; });
}

/// Turns every way of failing into a cause.
int guarded(const Json& job, Channel& channel) {
  try {
    return perform(job, channel);
  } catch (const Failure& failure) {
    return failed(channel, failure);
  } catch (const espalier::Error& error) {
    const espalier::Problem& problem = error.problems().front();
    const bool memory = is_about_memory(problem.message);
    const bool data = problem.code.starts_with("E2");
    return failed(channel, {memory ? "memory" : data ? "data" : "plugin", problem.code + ": " + problem.message, problem.hint});
  } catch (const std::bad_alloc&) {
    return failed(channel, {"memory", "an allocation", "a smaller batch or a smaller network may fit"});
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return failed(channel, {is_about_memory(text) ? "memory" : "plugin", text, ""});
  } catch (const std::exception& error) {
    return failed(channel, {"plugin", error.what(), ""});
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory();
  listen_to_signals();
  const char* descriptor = std::getenv("ESPALIER_CHANNEL");
  if (descriptor == nullptr && argc != 2) {
    std::cerr << "usage: espalier-trainer JOB.json (or with ESPALIER_CHANNEL, the descriptor of a socket to the worker)\n";
    return 2;
  }
  Channel channel(descriptor != nullptr ? std::atoi(descriptor) : -1);
  Json job;
  try {
    if (descriptor != nullptr) {
      job = channel.receive();
    } else {
      std::ifstream file(argv[1]);
      job = Json::parse(file);
    }
  } catch (const std::exception& error) {
    return failed(channel, {"plugin", std::string("the job: ") + error.what(), ""});
  }
  return guarded(job, channel);
}
