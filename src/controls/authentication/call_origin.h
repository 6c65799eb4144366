// Which page a browser calls for, of what a browser sends along by itself: cookies and client
// certificates.
//
// A page of anybody can make a browser send requests here, and the browser adds what it has for
// this host. So such a credential alone never vouches for a call of a page that is not ours:
// neither for what changes something or costs money, nor for what is only read. What a page must
// know to send it (a key, a token) shows by itself that the page may.
//
// Source: the Fetch standard ("Origin"), W3C Fetch Metadata (`Sec-Fetch-Site`). Pure. Safe from any
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/refusal.h"

namespace tollgate::authentication {

enum class Transport : std::uint8_t { kPlain, kTls };

// What a browser says of where a call comes from. Empty: it says nothing.
struct CallOrigin {
  std::string_view method;
  std::string_view host;
  std::string_view origin;
  std::string_view fetch_site;            // Sec-Fetch-Site
  Transport transport = Transport::kTls;  // By which the call came here.
};

// Whether what a cookie vouches for comes from one of `pages`, or of none from a page of the host
// that is called. What changes something must say so; what is read must not say otherwise, as a
// browser does not name the page of every read.
bool comes_from(std::span<const std::string> pages, const CallOrigin& call);

// Refuses with kRouteNotAllowed what a page of another host could have sent with the certificate of
// a browser. Whoever is no browser says nothing of where a call comes from, and passes.
Expected<void> check_certificate_origin(const CallOrigin& call);

// The host of "https://app.example.com"; empty where it is no origin.
std::string_view host_of_origin(std::string_view origin);

}  // namespace tollgate::authentication
