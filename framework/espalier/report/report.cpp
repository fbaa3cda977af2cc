#include "espalier/report/report.h"

#include "espalier/error.h"
#include "espalier/report/gather.h"
#include "espalier/report/page.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>

namespace espalier {

namespace fs = std::filesystem;

namespace report {

namespace {

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

/// JSON that no HTML parser takes for anything else: a "</script>" or "<!--" in a name cannot end the element.
std::string embed_json(const Json& document) {
  const std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  return replace_all(replace_all(text, "<", "\\u003c"), ">", "\\u003e");
}

}  // namespace

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream out;
  if (in) out << in.rdbuf();
  return out.str();
}

Json read_json(const fs::path& file) {
  const std::string text = read_text(file);
  const Json document = text.empty() ? Json() : Json::parse(text, nullptr, false);
  return document.is_discarded() ? Json() : document;
}

std::string chart_library() {
  std::error_code error;
  const fs::path programs = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& file : {programs.parent_path() / "share" / "espalier" / "chart.min.js",
                               fs::path("/usr/share/javascript/chart.js/chart.min.js"),
                               fs::path("/usr/share/javascript/chart.js/chart.umd.js"),
                               fs::path("/usr/share/nodejs/chart.js/dist/chart.min.js"),
                               fs::path("/usr/share/nodejs/chart.js/dist/chart.umd.js")})
    if (const std::string script = read_text(file); !script.empty()) return replace_all(script, "</script", "<\\/script");
  return "";
}

std::string write_page(const Json& document, const std::string& charts) {
  // One pass over the template: what is put in is never searched for placeholders.
  const std::map<std::string, std::string> parts = {{"title", escape_html(document.value("name", "study")) + " - espalier"},
                                                    {"style", kPageStyle},
                                                    {"script", kPageScript},
                                                    {"charts", charts},
                                                    {"data", embed_json(document)}};
  const std::string page = kPageHtml;
  std::string out;
  size_t at = 0;
  for (size_t open = 0; (open = page.find("{{", at)) != std::string::npos;) {
    const size_t close = page.find("}}", open);
    out += page.substr(at, open - at) + parts.at(page.substr(open + 2, close - open - 2));
    at = close + 2;
  }
  return out + page.substr(at);
}

}  // namespace report

fs::path write_report(const fs::path& study) {
  const std::string page = report::write_page(report::gather(study), report::chart_library());
  const fs::path file = study / "report.html";
  const fs::path temporary = study / "report.html.part";
  std::ofstream out(temporary, std::ios::binary);
  out << page;
  out.close();
  std::error_code error;
  if (!out.fail()) fs::rename(temporary, file, error);
  if (out.fail() || error) fail("E3030", "'" + file.string() + "' cannot be written");
  return file;
}

}  // namespace espalier
