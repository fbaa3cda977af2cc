#include "espalier/data/folds.h"

#include "espalier/data/cache.h"
#include "espalier/error.h"
#include "espalier/random.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace espalier {

namespace fs = std::filesystem;

namespace {

using Rows = std::vector<int64_t>;

/// Rows that stay together: how many of each stratum.
struct Group {
  Rows rows;
  std::map<int64_t, int64_t> strata;
};

/// Groups in the order in which they are dealt out: drawn, then the largest first, so that small ones even out the folds.
std::vector<Group> dealt_groups(const Rows& rows, const Rows& strata, const Rows& groups, uint64_t seed) {
  std::map<int64_t, Group> by_mark;
  for (size_t i = 0; i < rows.size(); ++i) {
    Group& group = by_mark[groups.empty() ? static_cast<int64_t>(i) : groups[i]];
    group.rows.push_back(rows[i]);
    ++group.strata[strata.empty() ? 0 : strata[i]];
  }
  std::vector<Group> out;
  for (auto& [mark, group] : by_mark) out.push_back(std::move(group));
  Random random(seed);
  shuffle(out, random);
  std::ranges::stable_sort(out, [](const Group& a, const Group& b) { return a.rows.size() > b.rows.size(); });
  return out;
}

fs::path beside(const fs::path& splits, const std::string& what) {
  return splits.parent_path() / (splits.stem().string() + "-" + what + ".h5");
}

}  // namespace

std::vector<Rows> cut_folds(const Rows& rows, const Rows& strata, const Rows& groups, int64_t folds, uint64_t seed) {
  const std::vector<Group> dealt = dealt_groups(rows, strata, groups, seed);
  require(static_cast<int64_t>(dealt.size()) >= folds, "E2301",
          "data.split.validation asks for " + std::to_string(folds) + " folds; there are " + std::to_string(dealt.size()) +
              (groups.empty() ? " rows" : " groups"));
  std::vector<Rows> out(static_cast<size_t>(folds));
  std::vector<std::map<int64_t, int64_t>> have(out.size());
  for (const Group& group : dealt) {
    // The fold that has least of what this group brings, then the smallest one.
    const auto burden = [&](size_t fold) {
      int64_t same = 0;
      for (const auto& [stratum, count] : group.strata)
        if (const auto found = have[fold].find(stratum); found != have[fold].end()) same += found->second * count;
      return std::pair(same, out[fold].size());
    };
    size_t least = 0;
    for (size_t fold = 1; fold < out.size(); ++fold)
      if (burden(fold) < burden(least)) least = fold;
    out[least].insert(out[least].end(), group.rows.begin(), group.rows.end());
    for (const auto& [stratum, count] : group.strata) have[least][stratum] += count;
  }
  for (Rows& fold : out) std::ranges::sort(fold);
  return out;
}

fs::path fold_splits(const DataRequest& request, const Preparation& data, int64_t fold, int64_t folds) {
  const fs::path file = beside(data.splits, "fold" + std::to_string(fold + 1) + "of" + std::to_string(folds));
  if (!split_sidecar(file).is_null()) return file;
  const Splits all = read_splits(data.splits);
  const Marks marks = row_marks(request, Prepared::open(data.folder));
  const auto marks_of = [&](const Rows& of_cache) {
    Rows out;
    if (!of_cache.empty())
      for (const int64_t row : all.train) out.push_back(of_cache[static_cast<size_t>(row)]);
    return out;
  };
  std::vector<Rows> cut = cut_folds(all.train, marks_of(marks.strata), marks_of(marks.groups), folds,
                                    derive_seed(split_seed(request), "split/folds"));
  Splits out{.train = {}, .validation = std::move(cut.at(static_cast<size_t>(fold))), .test = all.test};
  std::ranges::set_difference(all.train, out.validation, std::back_inserter(out.train));
  write_splits(file, out, {{"of", data.splits_key}, {"fold", fold}, {"folds", folds}}, Json::array());
  return file;
}

fs::path whole_splits(const Preparation& data) {
  const fs::path file = beside(data.splits, "whole");
  if (!split_sidecar(file).is_null()) return file;
  const Splits some = read_splits(data.splits);
  Splits out{.train = {}, .validation = {}, .test = some.test};
  std::ranges::merge(some.train, some.validation, std::back_inserter(out.train));
  write_splits(file, out, {{"of", data.splits_key}, {"whole", true}}, Json::array());
  return file;
}

}  // namespace espalier
