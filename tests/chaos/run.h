#pragma once

#include "espalier/store/database.h"
#include "espalier/store/store.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier::chaos {

inline constexpr size_t kWorkers = 4;
inline constexpr int64_t kMostTrials = 4096;
inline constexpr int64_t kEpochs = 6;
/// A checkpoint comes after every so many epochs.
inline constexpr int64_t kSaveEvery = 2;
inline constexpr double kLease = 0.4;

/// One study under chaos: where it is, and how large.
struct Study {
  std::filesystem::path file;   ///< of SQLite
  std::string url;              ///< of PostgreSQL; "": SQLite
  std::string schema;
  uint64_t seed = 0;
  int64_t trials = 0;

  std::unique_ptr<Store> open() const { return url.empty() ? open_sqlite(file) : open_postgres(url, schema); }
  std::unique_ptr<Database> open_database() const {
    return url.empty() ? open_sqlite_database(file.string(), false) : open_postgres_database(url, schema);
  }
};

/// What the processes of one run tell each other, in memory that they share.
struct Shared {
  std::atomic<int64_t> claims = 0;
  std::atomic<int64_t> refused = 0;                          ///< writes of those who had lost their lease
  std::atomic<int64_t> astray = 0;                           ///< claims of a trial whose checkpoint is not that of its epochs
  std::array<std::atomic<bool>, kWorkers> slow = {};         ///< takes longer than a lease for an epoch
  std::array<std::atomic<int>, kMostTrials> completed = {};  ///< how often a trial's completion was acknowledged
};

/// What every training of this trial learns up to an epoch, whoever carries it out.
inline double value_of(int64_t trial, int64_t epoch) { return static_cast<double>((trial * 31 + epoch * 7) % 97); }

/// Decides and carries out trials until all of the study are complete.
void work(const Study& study, size_t worker, const std::string& owner, Shared& shared);

/// Makes the clocks of this process wrong: the wall clock by up to a day, another way at each reading; the boot clock by so
/// many seconds.
void skew_clocks(double boot_seconds);

/// By kind: "lost", "doubled", "mixed".
using Violations = std::map<std::string, std::vector<std::string>>;

/// What the store says of a run that has ended, and what of it must not be.
struct Findings {
  int64_t attempts = 0;
  int64_t lost_leases = 0;   ///< attempts whose trial was taken over by another
  Violations violations;
};
Findings check(const Study& study, const Shared& shared);

}  // namespace espalier::chaos
