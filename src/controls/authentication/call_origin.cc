#include "controls/authentication/call_origin.h"

#include <algorithm>

namespace tollgate::authentication {

namespace {

bool is_safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

bool is_of_host(const CallOrigin& call) {
  // Whoever is on the way can be the host's page in plain HTTP. Where a proxy may have ended TLS
  // nobody here can tell.
  if (call.transport == Transport::kTls && !call.origin.starts_with("https://")) return false;
  const std::string_view host = host_of_origin(call.origin);
  return !host.empty() && host == call.host;
}

// What is typed, and what is no browser's or an old one's, comes from no page that could read it.
bool is_of_no_page(const CallOrigin& call) {
  return call.fetch_site.empty() || call.fetch_site == "none";
}

bool lists_host(std::span<const std::string> pages, std::string_view host) {
  return std::ranges::any_of(
      pages, [host](const std::string& page) { return host_of_origin(page) == host; });
}

}  // namespace

std::string_view host_of_origin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool comes_from(std::span<const std::string> pages, const CallOrigin& call) {
  const bool reads = is_safe_method(call.method);
  const bool by_site = call.fetch_site == "same-origin";
  if (!pages.empty()) {
    if (!call.origin.empty()) return std::ranges::find(pages, call.origin) != pages.end();
    return reads && (is_of_no_page(call) || (by_site && lists_host(pages, call.host)));
  }
  if (call.origin.empty()) return by_site || (reads && is_of_no_page(call));
  return is_of_host(call) && (by_site || call.fetch_site.empty());
}

Expected<void> check_certificate_origin(const CallOrigin& call) {
  const bool said = call.origin.empty() || is_of_host(call);
  if (said && (is_of_no_page(call) || call.fetch_site == "same-origin")) return {};
  return refuse(Reason::kRouteNotAllowed, "authentication.mtls",
                "The call comes from a page that may not use the certificate of this browser "
                "(`Origin`, `Sec-Fetch-Site`).");
}

}  // namespace tollgate::authentication
