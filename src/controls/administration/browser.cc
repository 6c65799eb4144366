#include "controls/administration/browser.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/ascii.h"

namespace tollgate::administration {

namespace {

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The name of a Host header without its port, and without the brackets of IPv6; empty where it is
// no such header.
std::string_view name_in(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = host.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return {};
    return host.substr(1, end - 1);
  }
  const std::size_t colon = host.find(':');
  if (colon == std::string_view::npos) return host;
  return is_port(host.substr(colon + 1)) ? host.substr(0, colon) : std::string_view();
}

// The host and port of an origin or a URL without a path.
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  return url.substr(0, url.find('/'));
}

bool is_safe(std::string_view method) { return method == "GET" || method == "HEAD"; }

}  // namespace

bool is_own_host(const Names& names, std::string_view host) {
  if (host.empty()) return true;
  const std::string_view name = name_in(host);
  if (name.empty()) return false;
  if (read_address(name) || equal_ignoring_case(name, "localhost")) return true;
  if (equal_ignoring_case(name, names.address)) return true;
  if (!names.url.empty() && equal_ignoring_case(name, name_in(authority_of(names.url))))
    return true;
  return std::ranges::any_of(
      names.hosts, [&](const std::string& each) { return equal_ignoring_case(name, each); });
}

bool is_secure(const Names& names) {
  return names.url.empty() ? names.tls : names.url.starts_with("https://");
}

std::string origin_of(const Names& names, std::string_view host) {
  if (!names.url.empty()) return names.url;
  return fmt::format("{}://{}", names.tls ? "https" : "http", host);
}

Expected<void> check_origin(const Names& names, const CallSigns& call, Vouched vouched) {
  const bool ours_by_site = call.fetch_site == "same-origin";
  // What is typed or opened by hand comes from no page.
  const bool by_hand = is_safe(call.method) && call.fetch_site == "none";
  const bool contradicted = !call.fetch_site.empty() && !ours_by_site && !by_hand;
  const bool ours_by_origin =
      !call.origin.empty() && equal_ignoring_case(call.origin, origin_of(names, call.host));
  const bool foreign = contradicted || (!call.origin.empty() && !ours_by_origin);
  const bool said = ours_by_origin || (call.origin.empty() && ours_by_site);
  const bool must_say = vouched == Vouched::kByCookie && !is_safe(call.method);
  if (!foreign && (said || !must_say)) return {};
  return refuse(Reason::kRouteNotAllowed, "admin",
                "The call comes from a page of another site (`Origin`, `Sec-Fetch-Site`).");
}

}  // namespace tollgate::administration
