#pragma once

#include "espalier/data/hash.h"
#include "espalier/data/prepare.h"
#include "espalier/data/source.h"

#include <filesystem>
#include <string>

namespace espalier {

/// The manifest and data set format; raised when the same samples are stored in another way.
inline constexpr int64_t kCacheFormat = 1;

/// The data set of origins, which no column can be called: a name of a field is not "/origin".
inline constexpr auto kOrigins = "/origin";

/// Everything that decides the content of a cache, and where that content lies.
struct CacheKey {
  Json fields;                     ///< what is hashed, by name
  std::string key;                 ///< 32 hexadecimal digits
  std::filesystem::path folder;    ///< of the cache
  std::filesystem::path inputs;    ///< folder for the reader
};

/// Hashes the inputs (or remembers them) and what else decides the content. Throws E2101, E2104.
CacheKey cache_key(const DataRequest& request, const Source& source, const ReaderType& reader);

/// What a look at a cache finds.
struct CacheState {
  bool complete = false;
  std::string damage;              ///< not empty: data.h5 is there but not what the manifest promises
};
/// Compares data.h5 with the manifest: content once, then by inode, size and times only.
CacheState look_at(const std::filesystem::path& folder);
/// Declares data.h5 verified as it is now.
void remember_verified(const std::filesystem::path& folder, const std::string& sha256);

/// Throws E2102 that lists the causes if the pipeline is strict and anything was left out.
void refuse_if_strict(const Source& source, const Json& left_out);

/// Reads, decodes and writes the cache of `key`; the caller holds its lock. Throws E2xxx.
void build_cache(const CacheKey& key, const Source& source, const ReaderType& reader, const Progress& progress);

/// Writes `split-KEY.h5` and its sidecar for an opened cache. Throws E2301, E0412.
struct SplitPlan {
  std::string key;
  std::filesystem::path file;
  Json fields;
};
SplitPlan split_plan(const DataRequest& request, const CacheKey& key);
void build_splits(const SplitPlan& plan, const DataRequest& request, const Source& source, const Prepared& data);
/// Writes the index arrays and, beside them, a sidecar with their checksum and counts. Throws E2201.
void write_splits(const std::filesystem::path& file, const Splits& splits, const Json& fields, const Json& left_out);

/// What keeps rows of the cache together or apart.
struct Marks {
  std::vector<int64_t> strata;  ///< of each row of the cache; empty: one stratum
  std::vector<int64_t> groups;  ///< empty: each row by itself
};
/// As `stratify` and `group` of the request say. Throws E0412.
Marks row_marks(const DataRequest& request, const Prepared& data);
/// Seed of split and take.
uint64_t split_seed(const DataRequest& request);

/// The sidecar of a split file if it is there and whole; else null.
Json split_sidecar(const std::filesystem::path& file);

}  // namespace espalier
