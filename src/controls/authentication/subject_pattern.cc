#include "controls/authentication/subject_pattern.h"

#include <cstdint>

namespace tollgate::authentication {

namespace {

bool is_separator(char c) { return c == ':' || c == '/'; }

// A `*` is one character of its kind, then any number of them.
enum class Kind : std::uint8_t { kExactly, kOne, kMany };
struct Step {
  Kind kind = Kind::kExactly;
  char exactly = 0;
  bool crosses = false;  // Separators too.

  bool takes(char c) const {
    return kind == Kind::kExactly ? c == exactly : crosses || !is_separator(c);
  }
};

std::vector<Step> steps_of(std::string_view pattern) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '*') {
      steps.push_back({.exactly = pattern[i]});
      continue;
    }
    const bool last = i + 1 == pattern.size();
    steps.push_back({.kind = Kind::kOne, .crosses = last});
    steps.push_back({.kind = Kind::kMany, .crosses = last});
  }
  return steps;
}

bool share_a_character(const Step& a, const Step& b) {
  if (a.kind == Kind::kExactly) return b.takes(a.exactly);
  return b.kind != Kind::kExactly || a.takes(b.exactly);
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  // Where the last `*` stands and where what follows it was tried last. The separators of both
  // texts fall together, so an earlier `*` never has to take more than it took.
  std::size_t star = std::string_view::npos;
  std::size_t tried = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      const bool last = p + 1 == pattern.size();
      if (last) return true;
      if (is_separator(text[t])) return false;
      star = p++;
      tried = ++t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos && !is_separator(text[tried])) {
      p = star + 1;
      t = ++tried;
    } else {
      return false;
    }
  }
  return p == pattern.size();
}

bool overlap(std::string_view a, std::string_view b) {
  const std::vector<Step> left = steps_of(a);
  const std::vector<Step> right = steps_of(b);
  // Row i: whether what is left of `a` from step i on and of `b` from step j on share a text.
  std::vector<std::uint8_t> below(right.size() + 1);
  std::vector<std::uint8_t> row(right.size() + 1);
  for (std::size_t i = left.size() + 1; i-- > 0;) {
    for (std::size_t j = right.size() + 1; j-- > 0;) {
      const bool more_left = i < left.size();
      const bool more_right = j < right.size();
      bool shared = !more_left && !more_right;
      if (more_left && left[i].kind == Kind::kMany) shared |= below[j] != 0;
      if (more_right && right[j].kind == Kind::kMany) shared |= row[j + 1] != 0;
      if (more_left && more_right && share_a_character(left[i], right[j])) {
        const bool left_stays = left[i].kind == Kind::kMany;
        const bool right_stays = right[j].kind == Kind::kMany;
        if (!left_stays && !right_stays) shared |= below[j + 1] != 0;
        if (left_stays && !right_stays) shared |= row[j + 1] != 0;
        if (!left_stays && right_stays) shared |= below[j] != 0;
      }
      row[j] = shared ? 1 : 0;
    }
    std::swap(row, below);
  }
  return below[0] != 0;
}

std::optional<std::string_view> tenant_of(std::span<const TenantBySubject> patterns,
                                          std::string_view subject) {
  for (const TenantBySubject& each : patterns) {
    if (matches(each.pattern, subject)) return each.tenant;
  }
  return std::nullopt;
}

std::optional<std::pair<std::string_view, std::string_view>> find_overlap(
    std::span<const TenantBySubject> patterns) {
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    for (std::size_t j = i + 1; j < patterns.size(); ++j) {
      if (patterns[i].tenant == patterns[j].tenant) continue;
      if (overlap(patterns[i].pattern, patterns[j].pattern)) {
        return std::pair<std::string_view, std::string_view>(patterns[i].pattern,
                                                             patterns[j].pattern);
      }
    }
  }
  return std::nullopt;
}

}  // namespace tollgate::authentication
