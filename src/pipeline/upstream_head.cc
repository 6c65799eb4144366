#include "pipeline/upstream_head.h"

#include <fmt/format.h>

#include <iterator>

namespace tollgate::pipeline {

void begin_head(const config::Endpoint& to, std::string_view method, std::string_view path,
                std::string& out) {
  out += method;
  out += ' ';
  out += to.path_prefix;
  out += path;
  out += " HTTP/1.1\r\nHost: ";
  const bool v6 = to.host.find(':') != std::string::npos;
  if (v6) out += '[';
  out += to.host;
  if (v6) out += ']';
  if (to.port != (to.tls ? 443 : 80)) fmt::format_to(std::back_inserter(out), ":{}", to.port);
}

void begin_upstream_head(const config::Upstream& upstream, int place, std::string_view path,
                         std::string& out, std::string_view method) {
  const auto at = static_cast<std::size_t>(upstream.endpoint_at(place));
  const config::Endpoint& to = upstream.endpoints[at];
  const Secret& credential = upstream.credential_at(place);
  if (upstream.query.empty()) {
    begin_head(to, method, path, out);
  } else {
    const char sign = path.find('?') == std::string_view::npos ? '?' : '&';
    begin_head(to, method, fmt::format("{}{}{}", path, sign, upstream.query), out);
  }
  if (credential.empty()) return;
  switch (upstream.credential_header) {
    case config::CredentialHeader::kAuthorization:
      out += "\r\nAuthorization: Bearer ";
      break;
    case config::CredentialHeader::kXApiKey:
      out += "\r\nx-api-key: ";
      break;
    case config::CredentialHeader::kApiKey:
      out += "\r\napi-key: ";
      break;
  }
  out += credential.reveal();
}

bool is_traceparent(std::string_view text) {
  if (text.size() != 55) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 2 || i == 35 || i == 52;
    const char c = text[i];
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

void end_upstream_head(std::string_view id, std::size_t body_bytes, std::string& out,
                       std::string_view content_type) {
  out += "\r\nUser-Agent: tollgate\r\nx-request-id: ";
  out += id;
  fmt::format_to(std::back_inserter(out), "\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
                 content_type, body_bytes);
}

}  // namespace tollgate::pipeline
