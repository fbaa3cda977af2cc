#include "local_search.h"

#include "../drawing.h"
#include "neighbours.h"
#include "rows.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::tuners {

namespace {

/// Follows the descents through the results, one after the other.
class Descent {
 public:
  Descent(const LocalSearchOptions& options, const Space& space, const Encoding& encoding, const Evidence& evidence, const Rows& rows,
          Random& random, const Feasible& feasible)
      : space_(space), encoding_(encoding), evidence_(evidence), rows_(rows) {
    for (auto starts = static_cast<size_t>(options.starts); start_of_run_ + starts <= evidence.seen.size(); starts = 1) {
      current_ = best_of(start_of_run_, start_of_run_ + starts);
      const size_t end = descend(start_of_run_ + starts);
      // In random order, and only as many as needed: to judge what is feasible may cost the building of a network.
      shuffle(open_, random);
      const auto next = std::ranges::find_if(open_, [&](const Neighbour& n) { return feasible(encoding.decode(n.row)); });
      if (next != open_.end()) {
        next_ = std::move(*next);
        return;
      }
      start_of_run_ = end;
    }
  }

  /// An untried neighbour of the current configuration; nothing: a descent is still to be started.
  const std::optional<Neighbour>& next() const { return next_; }
  size_t current() const { return current_; }            ///< index of its result
  size_t start_of_run() const { return start_of_run_; }  ///< index of the first result of the descent

 private:
  size_t best_of(size_t from, size_t to) const {
    size_t best = from;
    for (size_t i = from; i < to; ++i)
      if (evidence_.seen[i].objective < evidence_.seen[best].objective) best = i;
    return best;
  }

  /// Goes from one improvement to the next until the current configuration is the best of its neighbours; those that are
  /// untried are then `open_`. Gives the index of the result after which that was known.
  size_t descend(size_t known) {
    while (true) {
      open_.clear();
      size_t better = evidence_.seen.size();
      size_t last = known;
      for (Neighbour& next : neighbours(space_, encoding_, rows_[current_])) {
        const std::optional<size_t> found = rows_.find(next.row);
        if (!found) {
          open_.push_back(std::move(next));
        } else if (*found < rows_.seen()) {
          last = std::max(last, *found + 1);
          if (evidence_.seen[*found].objective < evidence_.seen[current_].objective) better = std::min(better, *found);
        }
      }
      if (better == evidence_.seen.size()) return last;
      current_ = better;
      known = std::max(known, better + 1);
    }
  }

  const Space& space_;
  const Encoding& encoding_;
  const Evidence& evidence_;
  const Rows& rows_;
  size_t current_ = 0;
  size_t start_of_run_ = 0;
  std::vector<Neighbour> open_;
  std::optional<Neighbour> next_;
};

}  // namespace

std::optional<Proposal> propose_local_search(const LocalSearchOptions& options, const Space& space, const History& history,
                                             Random& random, const Feasible& feasible) {
  const Evidence evidence = evidence_of(history, static_cast<size_t>(options.starts));
  const Encoding encoding(space);
  const Rows rows(encoding, evidence);
  const Descent descent(options, space, encoding, evidence, rows, random, feasible);
  if (const auto& next = descent.next())
    return Proposal{.settings = encoding.decode(next->row),
                    .reason = fmt::format("neighbour of trial {}: another {}", evidence.seen[descent.current()].number,
                                          space.axes[next->axis].name)};
  const std::optional<Settings> start = draw_new(space, history, random, feasible);
  if (!start) return std::nullopt;
  const bool is_first = descent.start_of_run() == 0;
  return Proposal{.settings = *start, .reason = is_first ? fmt::format("drawn at random: start {} of {}", evidence.seen.size() + 1, options.starts)
                                                         : "drawn at random: nothing near the last optimum is better"};
}

}  // namespace espalier::tuners
