// What keeps pages of others from using an administrator's browser.
//
// A page can make a browser send requests wherever it likes, and a name of the page's own can be
// made to mean this address (DNS rebinding). So the admin address answers to its own names only,
// what changes something must come from a page of its own, and what a cookie vouches for must show
// that the page could read an answer from here.
//
// Pure. Safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"

namespace tollgate::administration {

// Under which names this address is reached.
struct Names {
  std::string address;             // Its host, as configured.
  std::string url;                 // "https://admin.example.com", or empty.
  std::vector<std::string> hosts;  // Further ones.
  bool tls = false;                // Whether the address itself speaks TLS.
};

// Whether `host`, the header as it came, is one of them: an address in numbers (which no page can
// make its own), localhost, or a name that the configuration has. A request without one comes from
// no browser.
bool is_own_host(const Names& names, std::string_view host);

// Whether browsers reach us by TLS, so that cookies are marked for that alone.
bool is_secure(const Names& names);

// "https://admin.example.com": where a browser that sent `host` believes to be.
std::string origin_of(const Names& names, std::string_view host);

// What a browser says of where a call comes from; empty: nothing.
struct CallSigns {
  std::string_view method;
  std::string_view host;
  std::string_view origin;
  std::string_view fetch_site;
};

enum class Vouched : std::uint8_t { kByHeader, kByCookie };

// Refuses with kRouteNotAllowed what a page of somebody else could have sent. What a header vouches
// for no page of others can send, but a browser that says where it comes from is believed all the
// same; a cookie goes along by itself, so there the browser must say it.
Expected<void> check_origin(const Names& names, const CallSigns& call, Vouched vouched);

}  // namespace tollgate::administration
