#pragma once

#include "espalier/error.h"
#include "espalier/json.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace espalier::cli {

/// An option of a verb: `--name` or, with `letter`, also `-l`.
struct Flag {
  std::string name;
  std::string doc;
  std::string value = {};   ///< what it takes ("FILE"); "" for a switch
  char letter = '\0';
};

/// A parsed command line: the words that are not options, and the options that were given.
struct Call {
  std::vector<std::string> words;
  std::map<std::string, std::vector<std::string>> options;

  bool has(const std::string& name) const { return options.count(name) != 0; }
  /// The last value given, or `fallback`.
  std::string value(const std::string& name, const std::string& fallback = "") const;
  std::vector<std::string> values(const std::string& name) const;
  bool json() const { return has("json"); }
  /// The word at `index`; throws E0003 that names what is missing.
  const std::string& word(size_t index, const std::string& what) const;
};

/// One verb of the program. `name` may have two parts ("data fetch").
struct Verb {
  std::string name;
  std::string help;        ///< one line
  std::string arguments;   ///< "PIPELINE [PATH=VALUE ...]"
  std::string example;
  std::vector<Flag> flags;
  std::function<int(const Call&)> run;  ///< returns the exit code
};

std::vector<Verb> pipeline_verbs();
std::vector<Verb> run_verbs();
std::vector<Verb> worker_verbs();
std::vector<Verb> gc_verbs();
std::vector<Verb> result_verbs();
std::vector<Verb> predict_verbs();
std::vector<Verb> data_verbs();
std::vector<Verb> plugin_verbs();

/// Parses what follows the verb. Throws E0002 for unknown options (with the nearest) and missing values.
Call parse_call(const Verb& verb, const std::vector<std::string>& arguments);
/// What `espalier VERB --help` prints.
std::string usage(const Verb& verb);

/// "did you mean 'NAME'?", or nothing if no name is near.
std::string did_you_mean(const std::string& near);
/// Prints one document on standard output.
void print_json(const Json& document);
/// Problems as data: {"errors": [{"code", "message", "file", "line", "column", "hint", "notes"}]}.
Json to_json(const std::vector<Problem>& problems);

}  // namespace espalier::cli
