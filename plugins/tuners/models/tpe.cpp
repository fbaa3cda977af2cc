#include "tpe.h"

#include "../drawing.h"
#include "parzen.h"
#include "quasi_random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::tuners {

namespace {

struct Split {
  std::vector<std::span<const double>> good;  // the oldest first
  std::vector<std::span<const double>> rest;
};

Split split(const TpeOptions& options, const Evidence& evidence, const Rows& rows) {
  const size_t n = evidence.seen.size();
  const auto wanted = static_cast<int64_t>(std::ceil(options.good * static_cast<double>(n)));
  const auto count = static_cast<size_t>(std::min(wanted, options.most_good));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return evidence.seen[i].objective; });
  std::vector<bool> is_good(n, false);
  for (size_t i = 0; i < count; ++i) is_good[order[i]] = true;
  Split out;
  for (size_t i = 0; i < n; ++i) (is_good[i] ? out.good : out.rest).push_back(rows[i]);
  for (size_t i = n; i < n + rows.pending(); ++i) out.rest.push_back(rows[i]);
  return out;
}

struct Candidate {
  std::vector<double> row;
  double log_ratio = 0.0;
};

/// New configurations from the density of the good ones, the most promising first; fewer than wanted where little is left.
std::vector<Candidate> draw_candidates(const TpeOptions& options, const Encoding& encoding, const Rows& rows, const Split& split,
                                       Random& random) {
  constexpr int64_t kDrawsPerCandidate = 10;
  const Parzen good(encoding, split.good, options.prior_weight);
  const Parzen rest(encoding, split.rest, options.prior_weight);
  std::vector<Candidate> out;
  for (int64_t draw = 0; draw < kDrawsPerCandidate * options.candidates && std::ssize(out) < options.candidates; ++draw) {
    Candidate candidate{.row = std::vector<double>(encoding.size(), Parzen::kFree)};
    good.draw(random, candidate.row);
    if (rows.contains(candidate.row)) continue;
    candidate.log_ratio = good.log_density(candidate.row) - rest.log_density(candidate.row);
    out.push_back(std::move(candidate));
  }
  std::ranges::stable_sort(out, std::greater<>(), &Candidate::log_ratio);
  return out;
}

}  // namespace

std::optional<Proposal> propose_tpe(const TpeOptions& options, const Space& space, const History& history, Random& random,
                                    const Feasible& feasible) {
  const Evidence evidence = evidence_of(history, static_cast<size_t>(options.startup));
  const Encoding encoding(space);
  const Rows rows(encoding, evidence);
  if (std::ssize(evidence.seen) < options.startup) {
    if (auto point = next_point(space, encoding, rows, feasible)) return point;
  } else {
    const std::vector<Candidate> candidates = draw_candidates(options, encoding, rows, split(options, evidence, rows), random);
    for (const Candidate& candidate : candidates)
      if (Settings settings = encoding.decode(candidate.row); feasible(settings))
        return Proposal{.settings = std::move(settings),
                        .reason = fmt::format("TPE: best of {} candidates, log ratio {:.1f}, from {} trials", candidates.size(),
                                              candidate.log_ratio, evidence.seen.size())};
  }
  const std::optional<Settings> left = draw_new(space, history, random, feasible);
  if (!left) return std::nullopt;
  return Proposal{.settings = *left, .reason = "drawn at random: TPE found nothing new"};
}

}  // namespace espalier::tuners
