#include "tasks.h"

#include "surrogate_tasks.h"
#include "synthetic.h"
#include "tables.h"
#include "taskset.h"

namespace espalier::bench {

Tasks find_tasks(const std::filesystem::path& folder) {
  Tasks out;
  add_synthetic(out);
  if (!std::filesystem::is_directory(folder)) return out;
  add_tables(out, folder);
  add_taskset(out, folder);
  add_surrogates(out, folder);
  return out;
}

}  // namespace espalier::bench
