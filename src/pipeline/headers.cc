#include <cstddef>

#include "pipeline/ports.h"

namespace tollgate::pipeline {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// Names of equal length mostly differ at their end (x-api-key, x-request-id), seldom at "x-".
bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = a.size(); i-- > 0;) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace

std::string_view RequestHead::header(std::string_view name) const {
  for (const Header& each : headers) {
    if (same_name(each.name, name)) return each.value;
  }
  return {};
}

std::optional<std::string_view> RequestHead::only_header(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const Header& each : headers) {
    if (!same_name(each.name, name)) continue;
    if (found && *found != each.value) return std::nullopt;
    found = each.value;
  }
  return found ? *found : std::string_view();
}

}  // namespace tollgate::pipeline
