#pragma once

#include "espalier/samples.h"

#include <hdf5.h>

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// A handle of HDF5 that closes itself.
class Handle {
 public:
  /// Throws E2201 that says `what` failed if `id` is no handle.
  Handle(hid_t id, herr_t (*close)(hid_t), const std::string& what);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t id() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// A data set to be written: row-major values of one type.
struct Table {
  std::string name;
  std::string type;            ///< uint8, int64, float32 or string
  std::vector<int64_t> extents;
  const void* values = nullptr;
  size_t text_size = 1;        ///< bytes of a string, padded with zeros
  std::string about = {};      ///< attribute for people: kind, unit and names as JSON
};

/// Where a data set lies in its file.
struct Place {
  std::string name;
  std::vector<int64_t> extents;
  int64_t offset = -1;   ///< bytes; -1 if it is empty
  size_t element = 0;    ///< bytes
};

/// Writes contiguous, page-aligned data sets into a new file. Throws E2201.
void write_tables(const std::filesystem::path& file, const std::vector<Table>& tables);
/// Where all data sets of a file lie. Throws E2201.
std::vector<Place> find_tables(const std::filesystem::path& file);

}  // namespace espalier
