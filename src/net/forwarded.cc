#include "net/forwarded.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/ascii.h"

namespace tollgate::net {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// An address as proxies write one: with a port or not, IPv6 in brackets or, without a port, bare.
std::optional<IpAddress> read_node(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    return inside.contains(':') ? read_address(inside) : std::nullopt;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
    return read_address(text);
  }
  return is_port(text.substr(colon + 1)) ? read_address(text.substr(0, colon)) : std::nullopt;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.contains(c);
  });
}

// Whether the quote at `place` is one that begins or ends a text, not one within it.
bool is_bare_quote(std::string_view text, std::size_t place) {
  if (text[place] != '"') return false;
  const std::size_t before = text.substr(0, place).find_last_not_of('\\');
  const std::size_t escapes = place - (before == std::string_view::npos ? 0 : before + 1);
  return escapes % 2 == 0;
}

// The last `mark` that stands in no quoted text; npos: none.
std::size_t find_last_bare(std::string_view text, char mark) {
  bool quoted = false;
  for (std::size_t i = text.size(); i-- > 0;) {
    if (is_bare_quote(text, i)) quoted = !quoted;
    if (!quoted && text[i] == mark) return i;
  }
  return std::string_view::npos;
}

// A value of RFC 7239 4, without its quotes. What it escapes stays so: no address has any of it.
std::optional<std::string_view> read_value(std::string_view text) {
  if (!text.starts_with('"')) return is_token(text) ? std::optional(text) : std::nullopt;
  if (text.size() < 2 || !is_bare_quote(text, text.size() - 1)) return std::nullopt;
  const std::string_view inside = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (is_bare_quote(inside, i)) return std::nullopt;
  }
  return inside;
}

// The one `for` of an element of Forwarded. All of the element must be well-formed: a piece of
// what a caller got a proxy to quote (`host="…, for=192.0.2.1"`) never is.
std::optional<IpAddress> read_element(std::string_view element) {
  std::optional<std::string_view> node;
  while (true) {
    const std::size_t semicolon = find_last_bare(element, ';');
    const bool last = semicolon == std::string_view::npos;
    const std::string_view pair = trimmed(last ? element : element.substr(semicolon + 1));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || !is_token(pair.substr(0, equals))) return std::nullopt;
    const std::optional<std::string_view> value = read_value(pair.substr(equals + 1));
    if (!value) return std::nullopt;
    if (equal_ignoring_case(pair.substr(0, equals), "for")) {
      if (node) return std::nullopt;
      node = value;
    }
    if (last) break;
    element = element.substr(0, semicolon);
  }
  return node ? read_node(*node) : std::nullopt;
}

}  // namespace

std::optional<IpAddress> client_behind(const IpAddress& peer,
                                       std::span<const pipeline::Header> headers,
                                       const config::Edge& edge) {
  IpAddress client = peer;
  if (!contains(edge.trusted_proxies, client)) return client;
  const bool standard = edge.forwarded_header == config::ForwardedHeader::kForwarded;
  const std::string_view name = standard ? "forwarded" : "x-forwarded-for";
  for (std::size_t i = headers.size(); i-- > 0;) {
    if (!equal_ignoring_case(headers[i].name, name)) continue;
    std::string_view list = headers[i].value;
    while (true) {
      const std::size_t comma = standard ? find_last_bare(list, ',') : list.rfind(',');
      const std::string_view last =
          trimmed(comma == std::string_view::npos ? list : list.substr(comma + 1));
      const std::optional<IpAddress> node = standard ? read_element(last) : read_node(last);
      if (!node) return std::nullopt;
      client = *node;
      if (!contains(edge.trusted_proxies, client)) return client;
      if (comma == std::string_view::npos) break;
      list = list.substr(0, comma);
    }
  }
  return client;
}

}  // namespace tollgate::net
