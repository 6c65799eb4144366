#include "config/scalars.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/money.h"
#include "controls/cost/time_zone.h"

namespace tollgate::config {

namespace {

constexpr std::int64_t kCountMax = 1'000'000'000'000'000'000;
constexpr Duration kDurationMax = std::chrono::hours(24 * 36'500);

struct Unit {
  std::string_view name;
  std::int64_t size;
};
constexpr std::array<Unit, 5> kDurations{{{"d", 86'400'000'000},
                                          {"h", 3'600'000'000},
                                          {"m", 60'000'000},
                                          {"s", 1'000'000},
                                          {"ms", 1'000}}};
constexpr std::array<Unit, 4> kSizes{
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}};

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool made_of(std::string_view text, std::string_view marks, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [&](char c) {
    return is_letter_or_digit(c) || marks.find(c) != std::string_view::npos;
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_count(text);
  if (!port || *port > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

bool is_ip4(const std::string& text) {
  in_addr parsed{};
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}
bool is_ip6(const std::string& text) {
  in6_addr parsed{};
  return inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

}  // namespace

std::optional<std::int64_t> parse_count(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::int64_t count = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || count > kCountMax / 10) return std::nullopt;
    count = count * 10 + (c - '0');
  }
  if (count > kCountMax) return std::nullopt;
  return count;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_count(text.substr(0, digits));
  if (!count) return std::nullopt;
  for (const Unit& unit : kDurations) {
    if (text.substr(digits) != unit.name) continue;
    if (*count > kDurationMax.count() / unit.size) return std::nullopt;
    return Duration(*count * unit.size);
  }
  return std::nullopt;
}

std::string format_duration(Duration duration) {
  for (const Unit& unit : kDurations) {
    if (duration.count() != 0 && duration.count() % unit.size == 0) {
      return fmt::format("{}{}", duration.count() / unit.size, unit.name);
    }
  }
  return duration.count() == 0 ? "0s" : fmt::format("{}us", duration.count());
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_count(text.substr(0, digits));
  if (!count) return std::nullopt;
  if (digits == text.size()) return count;
  for (const Unit& unit : kSizes) {
    if (text.substr(digits) != unit.name) continue;
    if (*count > kCountMax / unit.size) return std::nullopt;
    return *count * unit.size;
  }
  return std::nullopt;
}

std::string format_bytes(Bytes bytes) {
  for (const Unit& unit : kSizes) {
    if (bytes != 0 && unit.size > 1 && bytes % unit.size == 0) {
      return fmt::format("{}{}", bytes / unit.size, unit.name);
    }
  }
  return fmt::format("{}", bytes);
}

std::optional<double> parse_share(std::string_view text) {
  const std::optional<Money> read = parse_money(text);  // The same decimals.
  if (!read || read->micro_usd > 1'000'000) return std::nullopt;
  return static_cast<double>(read->micro_usd) / 1e6;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  HostPort made;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  made.port = *port;
  made.host = text.substr(0, colon);
  if (made.host == "localhost") made.host = "127.0.0.1";
  if (made.host.starts_with('[') && made.host.ends_with(']')) {
    made.host = made.host.substr(1, made.host.size() - 2);
    if (!is_ip6(made.host)) return std::nullopt;
    return made;
  }
  if (!is_ip4(made.host)) return std::nullopt;
  return made;
}

std::string format_host_port(std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && is_ip4(std::string(host)));
}

std::optional<Endpoint> parse_url(std::string_view text) {
  Endpoint made;
  if (text.starts_with("https://")) {
    made.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  std::string_view path = text.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty() && !is_canonical_path(path)) return std::nullopt;
  made.path_prefix = path;

  made.port = made.tls ? 443 : 80;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    made.host = authority.substr(1, close - 1);
    if (!is_ip6(made.host)) return std::nullopt;
    authority.remove_prefix(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    made.host = authority.substr(0, colon);
    if (!made_of(made.host, ".-_", 253)) return std::nullopt;
    authority.remove_prefix(colon);
  }
  if (authority.empty()) return made;
  const auto port = parse_port(authority.substr(1));
  if (authority.front() != ':' || !port || *port == 0) return std::nullopt;
  made.port = *port;
  return made;
}

std::string format_url(const Endpoint& endpoint) {
  const bool usual = endpoint.port == (endpoint.tls ? 443 : 80);
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}", endpoint.tls ? "https" : "http",
                     v6 ? fmt::format("[{}]", endpoint.host) : endpoint.host,
                     usual ? "" : fmt::format(":{}", endpoint.port), endpoint.path_prefix);
}

bool is_name(std::string_view text) { return made_of(text, "_.-", 64); }

bool is_model_name(std::string_view text) { return made_of(text, "_.-/:@+", 128); }

bool is_canonical_path(std::string_view text) {
  if (!text.starts_with('/') || text.size() > 1024) return false;
  if (text.size() > 1 && text.ends_with('/')) return false;
  if (!made_of(text, "/_.-~!$&'()*+,;=:@", 1024)) return false;
  std::string_view rest = text.substr(1);
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return true;
}

namespace {

// Edits from one word to the other: a letter added, left out, replaced, or two neighbours
// swapped. Both are at most kComparedMax bytes, so this is bounded.
constexpr std::size_t kComparedMax = 64;
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view text,
                                        const std::vector<std::string_view>& known) {
  if (text.size() > kComparedMax) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = 1 + std::max<std::size_t>(1, text.size() / 3);
  for (const std::string_view name : known) {
    if (name.size() > kComparedMax) continue;
    const std::size_t here = distance(text, name);
    if (here < best_distance) {
      best = name;
      best_distance = here;
    }
  }
  return best;
}

namespace {

// As people write the name of a place.
std::string plain(std::string_view name) {
  std::string made;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    made.push_back(upper ? static_cast<char>(c + ('a' - 'A')) : c == ' ' ? '_' : c);
  }
  return made;
}

}  // namespace

std::vector<std::string_view> nearest_time_zones(std::string_view text) {
  constexpr std::size_t kTold = 3;
  if (text.empty() || text.size() > kComparedMax) return {};
  const std::string wanted = plain(text);
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (const std::string_view name : cost::known_time_zones()) {
    if (name.size() > kComparedMax) continue;
    const std::string whole = plain(name);
    const std::string place = whole.substr(whole.rfind('/') + 1);
    const std::size_t far = std::min(distance(wanted, whole), distance(wanted, place));
    if (far <= std::max<std::size_t>(1, text.size() / 4)) found.emplace_back(far, name);
  }
  std::ranges::sort(found);
  std::vector<std::string_view> names;
  for (const auto& [far, name] : found) {
    if (far == found.front().first && names.size() < kTold) names.push_back(name);
  }
  return names;
}

std::string without_password(const Secret& url) {
  constexpr std::string_view kHidden = "***";
  std::string shown = url.reveal();
  // Another parameter of a connection may be a secret too (sslpassword).
  for (std::size_t at = 0; (at = shown.find("password=", at)) != std::string::npos;) {
    at += std::string_view("password=").size();
    shown.replace(at, std::min(shown.find('&', at), shown.size()) - at, kHidden);
  }
  const std::size_t scheme = shown.find("://");
  if (scheme == std::string::npos) return shown;
  const std::size_t start = scheme + 3;
  const std::size_t end = std::min(shown.find_first_of("/?", start), shown.size());
  const std::size_t at_sign = shown.rfind('@', end);
  const std::size_t colon = shown.find(':', start);
  if (at_sign == std::string::npos || at_sign < start || colon >= at_sign) return shown;
  return shown.replace(colon + 1, at_sign - colon - 1, kHidden);
}

}  // namespace tollgate::config
