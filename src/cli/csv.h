// A field of CSV as other programs read it.
#pragma once

#include <string>

namespace tollgate::cli {

// RFC 4180: quoted where it must be. A leading = + - @ would be a formula in a spreadsheet.
inline std::string csv_field(const std::string& text) {
  const bool formula = !text.empty() && std::string("=+-@\t\r").find(text[0]) != std::string::npos;
  std::string safe = formula ? "'" + text : text;
  if (safe.find_first_of(",\"\r\n") == std::string::npos) return safe;
  std::string quoted = "\"";
  for (const char c : safe) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace tollgate::cli
