#include "controls/authentication/spiffe_id.h"

#include <algorithm>

namespace tollgate::authentication {

namespace {

constexpr std::string_view kScheme = "spiffe://";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_mark(char c) { return c == '.' || c == '-' || c == '_'; }

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || is_mark(c);
  });
}

}  // namespace

bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= kTrustDomainBytesMax &&
         std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || is_mark(c); });
}

std::optional<SpiffeId> read_spiffe_id(std::string_view text) {
  if (text.size() > kSpiffeIdBytesMax || !text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  SpiffeId read;
  read.trust_domain = text.substr(0, text.find('/'));
  read.path = text.substr(read.trust_domain.size());
  if (!is_trust_domain(read.trust_domain)) return std::nullopt;
  std::string_view rest = read.path;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // The slash.
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (!is_segment(segment)) return std::nullopt;
    rest.remove_prefix(segment.size());
  }
  return read;
}

}  // namespace tollgate::authentication
