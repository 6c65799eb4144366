#include "redis/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace tollgate::redis {

namespace {

std::unexpected<Fault> wrong(std::string_view what) {
  return fault(
      FaultKind::kBroken,
      fmt::format("the URL of Redis {}; it is written redis://user:password@host:port/db "
                  "(rediss:// with TLS, characters such as @ or / in the password as "
                  "%40 or %2F; ?sslrootcert=/path for a certificate authority of your own)",
                  what));
}

template <class Number>
std::optional<Number> number_in(std::string_view text, Number most) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  if (value < 0 || value > most) return {};
  return value;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return {};
    plain += static_cast<char>(value);
    i += 2;
  }
  return plain;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

FaultOr<void> take_credentials(std::string_view& rest, std::string_view authority,
                               Endpoint& endpoint) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view credentials = authority.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = credentials.find(':');
  if (colon == std::string_view::npos) return wrong("has a user without a password");
  const std::optional<std::string> user = percent_decoded(credentials.substr(0, colon));
  const std::optional<std::string> password = percent_decoded(credentials.substr(colon + 1));
  if (!user || !password) return wrong("has a % that two hexadecimal digits do not follow");
  endpoint.user = *user;
  endpoint.password = *password;
  return {};
}

FaultOr<void> take_host(std::string_view authority, Endpoint& endpoint) {
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong("has a [ without a ]");
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':')
      return wrong("has something else than a port after ]");
    if (!port.empty()) port.remove_prefix(1);
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.empty()) return wrong("names no host");
  for (const char c : host) {
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f)
      return wrong("has a host with characters that no host has");
  }
  endpoint.host = host;
  if (port.empty()) return {};
  const std::optional<int> value = number_in<int>(port, 65'535);
  if (!value || *value == 0) return wrong("has a port that is not 1 to 65535");
  endpoint.port = static_cast<std::uint16_t>(*value);
  return {};
}

FaultOr<void> take_parameters(std::string_view query, Endpoint& endpoint) {
  const std::pair<std::string_view, std::string*> known[] = {
      {"sslrootcert=", &endpoint.certificate_authority},
      {"sslcert=", &endpoint.certificate},
      {"sslkey=", &endpoint.key}};
  while (!query.empty()) {
    std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
    std::string* file = nullptr;
    for (const auto& [name, field] : known) {
      if (file == nullptr && take_prefix(parameter, name)) file = field;
    }
    if (file == nullptr) return wrong("has a parameter other than sslrootcert, sslcert and sslkey");
    const std::optional<std::string> path = percent_decoded(parameter);
    if (!path) return wrong("has a % that two hexadecimal digits do not follow");
    if (path->empty() || !file->empty() || path->find('\0') != std::string::npos)
      return wrong("names a file of sslrootcert, sslcert or sslkey twice, or none");
    *file = *path;
  }
  if (endpoint.certificate.empty() != endpoint.key.empty())
    return wrong("has sslcert without sslkey, or sslkey without sslcert");
  return {};
}

}  // namespace

std::string Endpoint::shown() const {
  if (!socket.empty()) return "unix://" + socket;
  const bool six = host.find(':') != std::string::npos;
  std::string text = fmt::format("{}://{}{}{}:{}", tls ? "rediss" : "redis", six ? "[" : "", host,
                                 six ? "]" : "", port);
  if (database != 0) text += fmt::format("/{}", database);
  return text;
}

FaultOr<Endpoint> parse_url(std::string_view url) {
  Endpoint endpoint;
  std::string_view rest = url;
  if (take_prefix(rest, "unix://")) {
    const std::size_t path = rest.find("@/");
    const std::string_view before =
        path == std::string_view::npos ? std::string_view() : rest.substr(0, path + 1);
    if (auto done = take_credentials(rest, before, endpoint); !done)
      return std::unexpected(done.error());
    if (!rest.starts_with('/')) return wrong("needs the whole path of the socket after unix://");
    endpoint.socket = rest;
    return endpoint;
  }
  endpoint.tls = rest.starts_with("rediss://");
  if (!take_prefix(rest, "rediss://") && !take_prefix(rest, "redis://"))
    return wrong("does not begin with redis:// or rediss://");
  if (rest.find('#') != std::string_view::npos) return wrong("has a fragment");
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    if (!endpoint.tls) return wrong("has a query, which only rediss:// has");
    if (auto done = take_parameters(rest.substr(mark + 1), endpoint); !done)
      return std::unexpected(done.error());
    rest = rest.substr(0, mark);
  }
  const std::string_view whole = rest.substr(0, rest.find('/'));
  if (auto done = take_credentials(rest, whole, endpoint); !done)
    return std::unexpected(done.error());
  const std::size_t slash = rest.find('/');
  if (auto done = take_host(rest.substr(0, slash), endpoint); !done)
    return std::unexpected(done.error());
  if (slash == std::string_view::npos || slash + 1 == rest.size()) return endpoint;
  const std::optional<int> database =
      number_in<int>(rest.substr(slash + 1), Endpoint::kDatabaseMax);
  if (!database) return wrong("has a database that is no number");
  endpoint.database = *database;
  return endpoint;
}

}  // namespace tollgate::redis
