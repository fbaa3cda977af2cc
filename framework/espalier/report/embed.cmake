# Puts the page's template, style and script into the library: a report needs no file of the installation but the charting
# library, which is a package of its own.
set(report_folder "${CMAKE_CURRENT_SOURCE_DIR}/espalier/report")
foreach(part report.html report.css report.js search.js)
  string(REPLACE "." "_" variable "${part}")
  file(READ "${report_folder}/${part}" ${variable})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${report_folder}/${part}")
endforeach()
set(report_page "${CMAKE_CURRENT_BINARY_DIR}/report_page.cpp")
file(CONFIGURE OUTPUT "${report_page}" @ONLY CONTENT [[
#include "espalier/report/page.h"

namespace espalier::report {

const char* const kPageHtml = R"espalier(@report_html@)espalier";
const char* const kPageStyle = R"espalier(@report_css@)espalier";
const char* const kPageScript = R"espalier(@search_js@)espalier" R"espalier(@report_js@)espalier";

}  // namespace espalier::report
]])
target_sources(espalier_report PRIVATE "${report_page}")
