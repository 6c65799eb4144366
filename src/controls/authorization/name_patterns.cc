#include "controls/authorization/name_patterns.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tollgate::authorization {

NamePatterns::NamePatterns(std::vector<std::string> entries) : entries_(std::move(entries)) {
  std::vector<std::string> prefixes;
  for (const std::string& entry : entries_) {
    if (entry.ends_with('*')) {
      prefixes.push_back(entry.substr(0, entry.size() - 1));
    } else {
      exact_.insert(entry);
    }
  }
  std::ranges::sort(prefixes);
  for (std::string& prefix : prefixes) {
    if (prefixes_.empty() || !prefix.starts_with(prefixes_.back())) {
      prefixes_.push_back(std::move(prefix));
    }
  }
}

bool NamePatterns::matches(std::string_view name) const {
  if (exact_.contains(name)) return true;
  const auto behind = std::ranges::upper_bound(prefixes_, name, std::less<>{});
  return behind != prefixes_.begin() && name.starts_with(*std::prev(behind));
}

}  // namespace tollgate::authorization
