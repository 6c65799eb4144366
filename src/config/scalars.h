// What a text in the configuration means as a quantity, and quantities as the configuration
// would write them. No I/O; linear in the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "config/config.h"

namespace tollgate::config {

// "120", digits only, at most 10^18.
std::optional<std::int64_t> parse_count(std::string_view text);

// "200ms", "30s", "10m", "2h", "90d"; "0s" too. A whole number and one unit, at most 100 years.
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);

// "64KiB", "1MiB", "2GiB" or plain bytes "65536".
std::optional<Bytes> parse_bytes(std::string_view text);
std::string format_bytes(Bytes bytes);

// "0.8": from 0 to 1, at most six decimals.
std::optional<double> parse_share(std::string_view text);

struct HostPort {
  std::string host;  // An address without brackets; "localhost" is told as 127.0.0.1.
  std::uint16_t port = 0;
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:8080". The port is 0 to 65535.
std::optional<HostPort> parse_host_port(std::string_view text);
std::string format_host_port(std::string_view host, std::uint16_t port);
bool is_loopback(std::string_view host);

// "http://HOST[:PORT][/PATH]" or https; no user, query, fragment, dot segment or escape.
std::optional<Endpoint> parse_url(std::string_view text);
std::string format_url(const Endpoint& endpoint);

// Letters, digits, `_`, `.` and `-`, at most 64: for names that become labels and rules.
bool is_name(std::string_view text);
// As is_name, with `/`, `:`, `@` and `+`, at most 128: names that providers gave.
bool is_model_name(std::string_view text);
// Without segments `.` and `..`, `//`, escapes, a query or controls; begins with `/`.
bool is_canonical_path(std::string_view text);

// The one of `known` that is nearest to `text` by edits, where it is near enough to be meant.
std::optional<std::string_view> nearest(std::string_view text,
                                        const std::vector<std::string_view>& known);

// The time zones whose name or place is nearest to `text`, at most three. None: nothing is near.
std::vector<std::string_view> nearest_time_zones(std::string_view text);

}  // namespace tollgate::config
