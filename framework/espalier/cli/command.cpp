#include "espalier/cli/command.h"

#include "espalier/cli/terminal.h"

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace espalier::cli {

namespace options = boost::program_options;

namespace {

std::vector<Flag> all_flags(const Verb& verb) {
  std::vector<Flag> flags = verb.flags;
  flags.push_back({"json", "one JSON document on standard output"});
  flags.push_back({"plugin-path", "folder with further plugins; may be repeated", "FOLDER"});
  flags.push_back({"variant", "takes a variant of the pipeline, AXIS=NAME; may be repeated", "AXIS=NAME"});
  flags.push_back({"profile", "file with 'run' of this machine: folders of studies and caches", "FILE"});
  flags.push_back({"help", "prints this", "", 'h'});
  return flags;
}

options::options_description describe(const Verb& verb) {
  options::options_description out;
  for (const Flag& flag : all_flags(verb)) {
    const std::string name = flag.letter == '\0' ? flag.name : flag.name + "," + flag.letter;
    if (flag.value.empty())
      out.add_options()(name.c_str(), flag.doc.c_str());
    else
      out.add_options()(name.c_str(), options::value<std::vector<std::string>>(), flag.doc.c_str());
  }
  return out;
}

[[noreturn]] void fail_unknown_option(const Verb& verb, std::string given) {
  given = given.substr(0, given.find('='));
  std::vector<std::string> names;
  for (const Flag& flag : all_flags(verb)) names.push_back("--" + flag.name);
  const std::string near = nearest(given, names);
  throw Error(Problem{.code = "E0002",
                      .message = fmt::format("'{}' has no option '{}'", verb.name, given),
                      .hint = did_you_mean(near),
                      .notes = {"options: " + join(names)}});
}

}  // namespace

std::string Call::value(const std::string& name, const std::string& fallback) const {
  const auto found = options.find(name);
  return found == options.end() || found->second.empty() ? fallback : found->second.back();
}

std::vector<std::string> Call::values(const std::string& name) const {
  const auto found = options.find(name);
  return found == options.end() ? std::vector<std::string>{} : found->second;
}

const std::string& Call::word(size_t index, const std::string& what) const {
  if (index >= words.size()) fail("E0003", what + " is missing", "add --help for the usage and an example");
  return words[index];
}

namespace {

/// A value may begin with '-' ("--sort -seconds"): it is joined to its option, so that it is not taken for one.
std::vector<std::string> with_values_joined(const Verb& verb, const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  const std::vector<Flag> flags = all_flags(verb);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto flag = std::ranges::find_if(flags, [&](const Flag& one) {
      return !one.value.empty() && (arguments[i] == "--" + one.name || (one.letter != '\0' && arguments[i] == std::string("-") + one.letter));
    });
    const bool dashed = i + 1 < arguments.size() && arguments[i + 1].size() > 1 && arguments[i + 1][0] == '-' && arguments[i + 1][1] != '-';
    if (flag != flags.end() && dashed) out.push_back("--" + flag->name + "=" + arguments[++i]);
    else out.push_back(arguments[i]);
  }
  return out;
}

}  // namespace

Call parse_call(const Verb& verb, const std::vector<std::string>& arguments) {
  namespace style = options::command_line_style;
  const options::options_description known = describe(verb);
  Call call;
  try {
    // No guessing: a shortened name that works today would mean something else tomorrow.
    const auto parsed = options::command_line_parser(with_values_joined(verb, arguments))
                            .options(known)
                            .style(style::default_style & ~style::allow_guessing)
                            .allow_unregistered()
                            .run();
    for (const auto& option : parsed.options) {
      if (option.position_key >= 0 || option.string_key.empty()) {
        for (const std::string& word : option.value) call.words.push_back(word);
      } else if (option.unregistered) {
        fail_unknown_option(verb, option.original_tokens.empty() ? option.string_key : option.original_tokens.front());
      } else {
        auto& values = call.options[option.string_key];
        values.insert(values.end(), option.value.begin(), option.value.end());
      }
    }
  } catch (const options::error& error) {
    fail("E0002", fmt::format("{}: {}", verb.name, error.what()), "add --help for the usage and an example");
  }
  return call;
}

std::string usage(const Verb& verb) {
  const int width = terminal_width(stdout);
  std::string out = hang("", verb.help, width) + fmt::format("\nusage: espalier {} {}\n\n", verb.name, verb.arguments);
  for (const Flag& flag : all_flags(verb)) {
    const std::string letter = flag.letter == '\0' ? "    " : fmt::format("-{}, ", flag.letter);
    out += hang(fmt::format("  {}{:<24} ", letter, "--" + flag.name + (flag.value.empty() ? "" : " " + flag.value)), flag.doc, width);
  }
  return out + fmt::format("\nexample: {}\n", verb.example);
}

std::string did_you_mean(const std::string& near) { return near.empty() ? "" : fmt::format("did you mean '{}'?", near); }

void print_json(const Json& document) {
  // Paths and messages may hold bytes that are no UTF-8: a document with a replacement sign beats no document.
  fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
}

Json to_json(const std::vector<Problem>& problems) {
  Json errors = Json::array();
  for (const Problem& problem : problems) {
    Json entry = {{"code", problem.code}, {"message", problem.message}};
    if (!problem.where.file.empty()) entry["file"] = problem.where.file;
    if (problem.where.line > 0) {
      entry["line"] = problem.where.line;
      entry["column"] = problem.where.column;
      entry["length"] = problem.where.length;
    }
    if (!problem.hint.empty()) entry["hint"] = problem.hint;
    if (!problem.notes.empty()) entry["notes"] = problem.notes;
    errors.push_back(std::move(entry));
  }
  return {{"errors", std::move(errors)}};
}

}  // namespace espalier::cli
