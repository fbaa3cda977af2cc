#include "espalier/cli/command.h"

namespace espalier::cli {

std::vector<Verb> predict_verbs() { return {}; }

}  // namespace espalier::cli
