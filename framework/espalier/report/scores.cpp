#include "espalier/report/samples.h"

#include <functional>
#include <string>

namespace espalier::report {

namespace {

/// Calls `use` for every value called `name`, however deep.
void find_all(const Json& value, const std::string& name, const std::function<void(const Json&)>& use) {
  if (!value.is_object()) return;
  for (const auto& [key, child] : value.items()) {
    if (key == name)
      use(child);
    else
      find_all(child, name, use);
  }
}

/// Values by head; a value that stands alone belongs to the only head.
void by_head(const Json& found, const Json& outputs, const std::function<void(const std::string&, const Json&)>& use) {
  if (found.is_array() && !found.empty())
    use(outputs.empty() ? "the target" : outputs.front().value("head", "the target"), found);
  if (found.is_object())
    for (const auto& [head, value] : found.items())
      if (value.is_array() && !value.empty()) use(head, value);
}

Json outputs_of(const Json& trial_document) {
  if (!trial_document.is_object()) return Json::array();
  return trial_document.value("network", Json::object()).value("outputs", Json::array());
}

Json names_of(const Json& outputs, const std::string& head) {
  for (const Json& output : outputs)
    if (output.value("head", "") == head) return output.value("decode", Json::object()).value("names", Json::array());
  return Json::array();
}

}  // namespace

Json confusions_of(const Json& scores, const Json& trial_document) {
  const Json outputs = outputs_of(trial_document);
  Json out = Json::array();
  find_all(scores, "confusion", [&](const Json& found) {
    by_head(found, outputs, [&](const std::string& head, const Json& matrix) {
      // A matrix of hundreds of classes is no picture.
      constexpr size_t kMostClasses = 60;
      if (matrix.front().is_array() && matrix.size() <= kMostClasses)
        out.push_back({{"head", head}, {"matrix", matrix}, {"names", names_of(outputs, head)}});
    });
  });
  return out;
}

Json residuals_of(const Json& scores, const Json& trial_document) {
  const Json outputs = outputs_of(trial_document);
  Json out = Json::array();
  find_all(scores, "residuals", [&](const Json& found) {
    by_head(found, outputs, [&](const std::string& head, const Json& pairs) {
      Json entry = {{"head", head}, {"true", Json::array()}, {"predicted", Json::array()}};
      for (const Json& pair : pairs) {
        if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number()) continue;
        entry["true"].push_back(pair[0]);
        entry["predicted"].push_back(pair[1]);
      }
      if (!entry["true"].empty()) out.push_back(std::move(entry));
    });
  });
  return out;
}

Json tables_of(const Json& scores, const std::string& name, const Json& trial_document) {
  const Json outputs = outputs_of(trial_document);
  Json out = Json::array();
  find_all(scores, name, [&](const Json& found) {
    by_head(found, outputs, [&](const std::string& head, const Json& rows) { out.push_back({{"head", head}, {"rows", rows}}); });
  });
  return out;
}

}  // namespace espalier::report
