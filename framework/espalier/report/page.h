#pragma once

namespace espalier::report {

/// The page's parts, put into the library when it is built: template, style, script.
extern const char* const kPageHtml;
extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace espalier::report
