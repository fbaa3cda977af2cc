#include "espalier/plugin.h"

namespace espalier {

Plugin::Plugin() = default;
Plugin::~Plugin() = default;

std::string build_string() {
  static constexpr EspalierPluginHeader header = make_plugin_header(nullptr);
  return header.build;
}

std::string to_string(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::image: return "image";
    case ColumnKind::number: return "number";
    case ColumnKind::numbers: return "numbers";
    case ColumnKind::class_label: return "class";
    case ColumnKind::class_labels: return "classes";
    case ColumnKind::id: return "id";
  }
  return "";
}

}  // namespace espalier
