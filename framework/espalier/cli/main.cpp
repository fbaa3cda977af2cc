#include "espalier/cli/command.h"
#include "espalier/cli/signals.h"
#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace espalier::cli {
namespace {

/// Verbs under a heading, as `espalier --help` lists them.
struct Group {
  std::string heading;
  std::vector<Verb> verbs;
};

std::vector<Group> groups() {
  std::vector<Verb> results = result_verbs();
  for (Verb& verb : predict_verbs()) results.push_back(std::move(verb));
  std::vector<Verb> runs = run_verbs();
  for (std::vector<Verb> more : {worker_verbs(), gc_verbs()})
    for (Verb& verb : more) runs.push_back(std::move(verb));
  return {{"pipelines", pipeline_verbs()}, {"runs", std::move(runs)}, {"results", std::move(results)},
          {"data", data_verbs()}, {"plugins", plugin_verbs()}};
}

std::string overview(const std::vector<Group>& all) {
  std::string out = "espalier: from a pipeline in YAML to a searched, trained and reported model\n\n"
                    "usage: espalier VERB [WORDS] [--json] [--help]\n";
  for (const Group& group : all) {
    out += "\n" + group.heading + "\n";
    for (const Verb& verb : group.verbs) out += hang(fmt::format("  {:<14} ", verb.name), verb.help, terminal_width(stdout));
  }
  return out + "\nexample: espalier run pipelines/fashion_mnist_quick.yaml search.budget.time=2m\n"
               "'espalier VERB --help' tells more\n";
}

/// Finds the verb of one or two words; removes them from `words`.
Verb take_verb(const std::vector<Group>& all, std::vector<std::string>& words) {
  std::vector<std::string> names;
  std::vector<std::string> siblings;
  for (const Group& group : all)
    for (const Verb& verb : group.verbs) {
      const auto parts = static_cast<std::ptrdiff_t>(std::count(verb.name.begin(), verb.name.end(), ' ') + 1);
      if (parts <= static_cast<std::ptrdiff_t>(words.size()) &&
          join({words.begin(), words.begin() + parts}, " ") == verb.name) {
        words.erase(words.begin(), words.begin() + parts);
        return verb;
      }
      names.push_back(verb.name);
      if (verb.name.rfind(words[0] + " ", 0) == 0) siblings.push_back(verb.name.substr(words[0].size() + 1));
    }
  if (!siblings.empty()) {
    const bool named = words.size() > 1 && words[1].rfind('-', 0) != 0;
    const std::string near = named ? nearest(words[1], siblings) : "";
    const std::string message = named ? fmt::format("'{}' has no verb '{}'", words[0], words[1])
                                      : fmt::format("'{}' needs a second word", words[0]);
    throw Error(Problem{.code = "E0001",
                        .message = message,
                        .hint = did_you_mean(near.empty() ? near : words[0] + " " + near),
                        .notes = {fmt::format("verbs of '{}': {}", words[0], join(siblings))}});
  }
  const std::string near = nearest(words[0], names);
  throw Error(Problem{.code = "E0001",
                      .message = fmt::format("unknown verb '{}'", words[0]),
                      .hint = did_you_mean(near),
                      .notes = {"verbs: " + join(names)}});
}

int report(const Error& error, bool json) {
  if (json) print_json(to_json(error.problems()));
  for (const Problem& problem : error.problems())
    fmt::print(stderr, "{}", espalier::render(problem, wants_colour(stderr)));
  return error.exit_code();
}

int run_program(std::vector<std::string> words) {
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  try {
    const std::vector<Group> all = groups();
    if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
      fmt::print("{}", overview(all));
      return words.empty() ? 2 : 0;
    }
    if (words[0] == "--version") {
      fmt::print("espalier {}\n", ESPALIER_VERSION);
      return 0;
    }
    const Verb verb = take_verb(all, words);
    const Call call = parse_call(verb, words);
    if (call.has("help")) {
      fmt::print("{}", usage(verb));
      return 0;
    }
    return verb.run(call);
  } catch (const Error& error) {
    return report(error, json);
  } catch (const std::system_error& error) {
    // fmt throws where a reader has gone away ("| head"): nobody is left to be told.
    if (error.code().value() == EPIPE) return 0;
    return report(Error(Problem{.code = "E4002", .message = error.what()}), json);
  } catch (const std::bad_alloc&) {
    return report(Error(Problem{.code = "E4001", .message = "out of memory"}), json);
  } catch (const std::exception& error) {
    // Whatever ends here is a mistake of the program itself: said in one line, without a trace.
    return report(Error(Problem{.code = "E4002", .message = fmt::format("unexpected: {}", error.what())}), json);
  }
}

}  // namespace
}  // namespace espalier::cli

int main(int count, char** values) {
  espalier::cli::ignore_broken_pipes();
  const int code = espalier::cli::run_program({values + 1, values + count});
  // A reader that went away ("| head") is no mistake; a full disk is one.
  if (std::fflush(stdout) != 0 && errno != EPIPE) {
    std::perror("espalier: writing results");
    return code == 0 ? 1 : code;
  }
  return code;
}
