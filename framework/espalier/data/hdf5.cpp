#include "espalier/data/hdf5.h"

#include "espalier/error.h"

namespace espalier {
namespace {

constexpr hsize_t kPage = 4096;  // bytes

/// At exit HDF5 would close once more what it could not close on a full disk, and crash. Told before anything opens a file;
/// all that is opened here is closed here.
[[maybe_unused]] const bool kNothingAtExit = H5dont_atexit() >= 0;

/// Silences HDF5's own messages for as long as it lives: what fails becomes an Error.
class Quiet {
 public:
  Quiet() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

hid_t element_type(const Table& table) {
  if (table.type == "uint8") return H5Tcopy(H5T_STD_U8LE);
  if (table.type == "int64") return H5Tcopy(H5T_STD_I64LE);
  if (table.type == "float32") return H5Tcopy(H5T_IEEE_F32LE);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, table.text_size);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/// In HDF5 '/' parts groups: names of columns may hold it, as in URLs.
std::string link_name(const std::string& name) {
  std::string out;
  for (const char c : name) out += c == '/' ? "%2F" : c == '%' ? "%25" : std::string(1, c);
  return out == "." ? "%2E" : out;
}

std::string column_name(const std::string& link) {
  std::string out;
  for (size_t i = 0; i < link.size(); ++i) {
    const bool coded = link[i] == '%' && i + 2 < link.size();
    out += coded ? static_cast<char>(std::stoi(link.substr(i + 1, 2), nullptr, 16)) : link[i];
    if (coded) i += 2;
  }
  return out;
}

void write_about(hid_t set, const std::string& text) {
  if (text.empty()) return;
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "a text type");
  H5Tset_size(type.id(), text.size());
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "an attribute's space");
  const Handle attribute(H5Acreate2(set, "about", type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "an attribute");
  require(H5Awrite(attribute.id(), type.id(), text.data()) >= 0, "E2201", "cannot write an attribute of the cache");
}

void write_table(hid_t file, const Table& table) {
  std::vector<hsize_t> extents;
  for (const int64_t n : table.extents) extents.push_back(static_cast<hsize_t>(n));
  const Handle type(element_type(table), H5Tclose, "the type of '" + table.name + "'");
  const Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose,
                     "the space of '" + table.name + "'");
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "properties");
  H5Pset_layout(creation.id(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation.id(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);
  const Handle set(H5Dcreate2(file, link_name(table.name).c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                   H5Dclose, "data set '" + table.name + "'");
  // Attributes past 64 KiB do not fit an object header; the manifest holds the names then.
  if (table.about.size() < 60000) write_about(set.id(), table.about);
  if (H5Sget_simple_extent_npoints(space.id()) == 0) return;
  require(H5Dwrite(set.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, table.values) >= 0, "E2201",
          "cannot write column '" + table.name + "' (is the disk full?)");
}

}  // namespace

Handle::Handle(hid_t id, herr_t (*close)(hid_t), const std::string& what) : id_(id), close_(close) {
  require(id >= 0, "E2201", "HDF5 cannot make or open " + what);
}
Handle::~Handle() { close_(id_); }

void write_tables(const std::filesystem::path& file, const std::vector<Table>& tables) {
  const Quiet quiet;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "properties");
  H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  H5Pset_alignment(access.id(), 1, kPage);
  // Without it small data sets share a block and start anywhere in it; mapped values must be aligned.
  H5Pset_small_data_block_size(access.id(), 0);
  const hid_t id = H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id());
  require(id >= 0, "E2201", "cannot make '" + file.string() + "'");
  try {
    for (const Table& table : tables) write_table(id, table);
  } catch (...) {
    H5Fclose(id);
    throw;
  }
  require(H5Fclose(id) >= 0, "E2201", "cannot write '" + file.string() + "' (is the disk full?)");
}

std::vector<Place> find_tables(const std::filesystem::path& file) {
  const Quiet quiet;
  const Handle handle(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "'" + file.string() + "'");
  H5G_info_t info = {};
  require(H5Gget_info(handle.id(), &info) >= 0, "E2201", "cannot list '" + file.string() + "'");
  std::vector<Place> out;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    Place place;
    const ssize_t length =
        H5Lget_name_by_idx(handle.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    require(length > 0, "E2201", "cannot list '" + file.string() + "'");
    place.name.resize(static_cast<size_t>(length) + 1);
    H5Lget_name_by_idx(handle.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, place.name.data(), place.name.size(), H5P_DEFAULT);
    place.name.pop_back();
    const Handle set(H5Dopen2(handle.id(), place.name.c_str(), H5P_DEFAULT), H5Dclose, "data set '" + place.name + "'");
    const Handle space(H5Dget_space(set.id()), H5Sclose, "the space of '" + place.name + "'");
    const Handle type(H5Dget_type(set.id()), H5Tclose, "the type of '" + place.name + "'");
    std::vector<hsize_t> extents(static_cast<size_t>(H5Sget_simple_extent_ndims(space.id())));
    H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr);
    for (const hsize_t n : extents) place.extents.push_back(static_cast<int64_t>(n));
    place.element = H5Tget_size(type.id());
    const haddr_t offset = H5Dget_offset(set.id());
    if (offset != HADDR_UNDEF) place.offset = static_cast<int64_t>(offset);
    place.name = column_name(place.name);
    out.push_back(std::move(place));
  }
  return out;
}

}  // namespace espalier
