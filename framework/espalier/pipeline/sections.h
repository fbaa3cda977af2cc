#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/pipeline/train_schema.h"

#include <functional>
#include <string>

namespace espalier {

/// Reads what is assigned to `data`, `search`, `run` and `seed`: typed values without anything searched.
class SectionReader {
 public:
  SectionReader(const Catalogue& catalogue, const Assignments& assignments, Pipeline& pipeline, Problems& problems)
      : catalogue_(catalogue), assignments_(assignments), pipeline_(pipeline), problems_(problems) {}

  /// Fills resolved["data"], resolved["seed"], pipeline.seed and pipeline.data.
  void data();
  /// Fills resolved["search"] and pipeline.search; needs the heads' metrics and the space.
  void search(const std::function<std::string()>& default_metric);
  /// Fills resolved["run"].
  void run();

 private:
  const Leaf* use(const std::string& path);
  Json choice(const std::string& kind, const std::string& path, const Tree& tree);
  Json settings(const std::string& kind, const std::string& name, const std::string& path, const Tree* inlined);
  Json plain(const SettingType& type, const std::string& path, const Tree& tree);
  Json split(const std::string& path, const Tree& tree, bool folds);
  Json expressions(const std::string& path, const Tree& tree);
  bool check_expression(const std::string& path, const Tree& tree);
  std::optional<int64_t> count(const std::string& path, int64_t least);
  void first(const Tree& tree);
  void refit(const Tree& tree);
  void budget();
  void check_validation();

  const Catalogue& catalogue_;
  const Assignments& assignments_;
  Pipeline& pipeline_;
  Problems& problems_;
};

/// The absolute path that a text names: relative to the folder of the file that holds it, else to the current one.
std::filesystem::path path_at(const std::string& text, const Place& place);

/// A tree as JSON, scalars as text: for what is kept and not read.
Json plain_json(const Tree& tree);

}  // namespace espalier
