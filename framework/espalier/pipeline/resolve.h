#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/pipeline/train_schema.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace espalier {

/// While what a setting hangs on has one of these values it exists.
struct Gate {
  std::string parent = {};
  std::vector<Json> values = {};
  std::string chain = {};  ///< all gates above, to compare two settings' conditions
};

/// Turns assignments of `graph` and `train` into values with defaults and a space of what is searched.
class Resolver {
 public:
  Resolver(const Catalogue& catalogue, Assignments& assignments, Pipeline& pipeline, Problems& problems)
      : catalogue_(catalogue), assignments_(assignments), pipeline_(pipeline), problems_(problems) {}

  /// Fills resolved["train"] and the settings of every node in resolved["graph"], the space and the origins.
  void run();
  /// Assignments that nothing asked for, as notes.
  void note_unused();

 private:
  struct Known {
    Type type;
    std::string chain;
  };

  Json groups();
  Json node(const std::string& name, bool free);
  Json settings(const Declaration& declaration, const std::string& prefix, bool free, const Gate& gate, const Json& defaults);
  Json value(const SettingType& type, const std::string& path, const std::string& prefix, bool free, const Gate& gate);
  Json choice(const SettingType& type, const std::string& path, const std::string& prefix, bool free, const Gate& gate);
  Json chosen(const SettingType& type, const std::string& name, const std::string& prefix, bool free, const Gate& gate);
  Json list(const SettingType& type, const std::string& path, bool free, const Gate& gate);
  Json repeated(const SettingType& type, const std::string& path, bool free, const Gate& gate);
  Json scalar(const SettingType& type, const std::string& path, bool free, const Gate& gate);
  Json tuned(const SettingType& type, const std::string& path, const Tree& map, const Gate& gate);
  Json listed(const SettingType& type, const std::string& path, const Tree& items, const Gate& gate);
  Json ranged(const SettingType& type, const std::string& path, const Tree& range, const Gate& gate);
  Json freed(const SettingType& type, const std::string& path, const Gate& gate);
  Json add_axis(Axis axis, const SettingType& type, const Gate& gate);
  void note_freed(const std::string& path);
  bool is_free(const std::string& scope, bool free);
  const Leaf* use(const std::string& path);
  void check_ties();
  void find_weights(const std::string& node);

  const Catalogue& catalogue_;
  Assignments& assignments_;
  Pipeline& pipeline_;
  Problems& problems_;
  std::set<std::string> used_;
  std::map<std::string, Known> known_;
  std::map<std::string, std::pair<std::string, Place>> ties_;
  int depth_ = 0;
};

}  // namespace espalier
