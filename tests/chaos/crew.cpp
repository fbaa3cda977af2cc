#include "run.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace espalier::chaos {

namespace {

void nap(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// One process that works on a study.
class Member {
 public:
  Member(const Study& study, size_t worker, const std::string& owner, Shared& shared)
      : study_(study), slow_(shared.slow.at(worker)), owner_(owner), shared_(shared), store_(study.open()) {}

  void work() {
    while (true) {
      if (const auto lease = store_->claim(owner_, kLease)) {
        ++shared_.claims;
        if (!carry_out(*lease)) ++shared_.refused;
      } else if (!decide()) {
        return;
      }
    }
  }

 private:
  /// False once something that it wrote was refused.
  bool carry_out(const Lease& lease) {
    const TrialRecord trial = store_->trial(lease.trial).value();
    const auto until = trial.until > 0.0 ? static_cast<int64_t>(trial.until) : kEpochs;
    auto epoch = static_cast<int64_t>(trial.epochs);
    // Whoever was frozen meanwhile has read of another attempt.
    if (!store_->renew(lease, kLease)) return false;
    if (epoch > 0 && !trial.checkpoint.ends_with(fmt::format("/{}", epoch))) ++shared_.astray;
    const auto token = static_cast<double>(lease.token);
    while (epoch < until) {
      ++epoch;
      nap(slow_ ? 1.5 * kLease : 0.008);
      // Not before every epoch: who is slow loses the lease and does not know.
      if (epoch % 3 == 0 && !store_->renew(lease, kLease)) return false;
      if (!store_->record_epoch(lease, {epoch, {{"token", token}, {"value", value_of(lease.trial, epoch)}}})) return false;
      if (epoch % kSaveEvery == 0 &&
          !store_->record_checkpoint(lease, fmt::format("{}/{}", lease.token, epoch), "", static_cast<double>(epoch)))
        return false;
    }
    const double value = value_of(lease.trial, until);
    const Metrics scores{{"token", token}, {"value", value}, {"macs", 1.0}};
    if (until < kEpochs) return store_->pause(lease, scores, value, 1.0);
    if (!store_->complete(lease, scores, value, 1.0)) return false;
    ++shared_.completed.at(static_cast<size_t>(lease.trial));
    return true;
  }

  /// Starts trials, and lets paused ones go on now and then; false if nothing is left to do. Someone else may be faster.
  bool decide() {
    for (Decision& decision : store_->decisions(std::ssize(decisions_), ended_)) {
      const auto at = static_cast<size_t>(decision.number);
      if (at >= decisions_.size()) decisions_.resize(at + 1);
      if (decision.ended >= 0 && decisions_[at].ended < 0) ++ended_;
      decisions_[at] = std::move(decision);
    }
    std::map<int64_t, const Decision*> last;
    for (const Decision& decision : decisions_) last[decision.trial] = &decision;
    const auto paused = std::ranges::find_if(last, [](const auto& entry) { return entry.second->state == TrialState::paused; });
    const auto started = std::ssize(last);
    const int64_t number = std::ssize(decisions_);
    Decision next{.number = number, .reason = owner_, .seen = ended_};
    if (paused != last.end() && (number % 2 == 0 || started == study_.trials)) {
      next.trial = paused->first;
      next.until = paused->second->until == 2.0 && next.trial % 4 == 0 ? 4.0 : 0.0;
      store_->decide(next, nullptr);
    } else if (started < study_.trials) {
      if (started % 2 == 0) next.until = 2.0;
      const NewTrial trial{.settings = {{"x", started}}, .reason = "chaos", .document = {}};
      store_->decide(next, &trial);
    } else {
      if (ended_ == number) return false;
      nap(0.02);
    }
    return true;
  }

  const Study& study_;
  const std::atomic<bool>& slow_;
  std::string owner_;
  Shared& shared_;
  std::unique_ptr<Store> store_;
  std::vector<Decision> decisions_ = {};
  int64_t ended_ = 0;
};

}  // namespace

void work(const Study& study, size_t worker, const std::string& owner, Shared& shared) { Member(study, worker, owner, shared).work(); }

}  // namespace espalier::chaos
