#include "pipeline/upstream_head.h"

#include <fmt/format.h>

#include <iterator>

namespace tollgate::pipeline {

void begin_upstream_head(const config::Upstream& upstream, int endpoint, std::string_view path,
                         std::string& out) {
  const config::Endpoint& to = upstream.endpoints[static_cast<std::size_t>(endpoint)];
  out += "POST ";
  out += to.path_prefix;
  out += path;
  out += " HTTP/1.1\r\nHost: ";
  const bool v6 = to.host.find(':') != std::string::npos;
  if (v6) out += '[';
  out += to.host;
  if (v6) out += ']';
  if (to.port != (to.tls ? 443 : 80)) fmt::format_to(std::back_inserter(out), ":{}", to.port);
  if (upstream.credential.empty()) return;
  out += upstream.speaks == dialects::Dialect::kAnthropic ? "\r\nx-api-key: "
                                                          : "\r\nAuthorization: Bearer ";
  out += upstream.credential.reveal();
}

void end_upstream_head(std::string_view id, std::size_t body_bytes, std::string& out) {
  out += "\r\nUser-Agent: tollgate\r\nx-request-id: ";
  out += id;
  fmt::format_to(std::back_inserter(out),
                 "\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body_bytes);
}

}  // namespace tollgate::pipeline
