#include "dialects/media_url.h"

#include <algorithm>

namespace tollgate::dialects {

namespace {

constexpr std::size_t kHostMax = 253;
constexpr std::size_t kLabelMax = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLabelMax && label.front() != '-' &&
         label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

// Browsers and libc take a host whose last label is a number for an IPv4 address: 127.1, 0x7f.1.
bool is_number(std::string_view label) {
  if (std::ranges::all_of(label, is_digit)) return true;
  return label.starts_with("0x") && std::ranges::all_of(label.substr(2), is_hex);
}

// What may stand behind the host (RFC 3986, pchar, "/" and "?").
bool is_of_path(char c) {
  constexpr std::string_view kOthers = "-._~!$&'()*+,;=:@/?";
  return is_digit(c) || is_letter(c) || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != std::string_view::npos;
}

bool is_path(std::string_view path) {
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (is_of_path(path[at])) continue;
    if (path[at] != '%' || path.size() - at < 3) return false;
    if (!is_hex(path[at + 1]) || !is_hex(path[at + 2])) return false;
  }
  return true;
}

}  // namespace

bool is_host_name(std::string_view host) {
  if (host.size() > kHostMax) return false;
  for (std::string_view rest = host;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) return !is_number(label);
    rest.remove_prefix(dot + 1);
  }
}

std::expected<std::string_view, std::string_view> host_of_media_url(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  const auto wrong = [](std::string_view why) { return std::unexpected(why); };
  if (!url.starts_with(kScheme)) return wrong("does not begin with `https://`");
  if (url.size() > kMediaUrlBytesMax) return wrong("is longer than 8,192 bytes");
  url.remove_prefix(kScheme.size());
  const std::size_t slash = url.find('/');
  if (slash == std::string_view::npos) return wrong("has no `/` behind its host");
  std::string_view host = url.substr(0, slash);
  if (host.ends_with(":443")) host.remove_suffix(4);
  if (!is_host_name(host)) {
    return wrong(
        "has no plain name of a host: small letters, digits, hyphens and dots, no IP address, no "
        "user, no port but 443");
  }
  if (!is_path(url.substr(slash)))
    return wrong("has characters that an address has in no path or query, or a fragment");
  return host;
}

}  // namespace tollgate::dialects
