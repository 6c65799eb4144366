// Cookies that the admin address sets: never read by scripts, never sent by pages of other sites.
//
// Pure.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace tollgate::admin {

// Lax goes along when another site sends the browser here by a link: for the end of a login alone.
enum class SameSite : std::uint8_t { kStrict, kLax };

struct Cookie {
  std::string_view name;
  std::string_view value = {};
  SameSite site = SameSite::kStrict;
  bool secure = false;              // By TLS alone.
  std::optional<Duration> age_max;  // Nothing: as long as the browser runs.
};

// The head line, with its end.
inline std::string set_cookie(const Cookie& cookie) {
  std::string line = fmt::format("set-cookie: {}={}; Path=/; HttpOnly; SameSite={}", cookie.name,
                                 cookie.value, cookie.site == SameSite::kLax ? "Lax" : "Strict");
  if (cookie.secure) line += "; Secure";
  if (cookie.age_max) {
    line += fmt::format("; Max-Age={}",
                        std::chrono::floor<std::chrono::seconds>(*cookie.age_max).count());
  }
  return line + "\r\n";
}

// The head line that takes a cookie back.
inline std::string end_cookie(Cookie cookie) {
  cookie.value = "";
  cookie.age_max = Duration::zero();
  return set_cookie(cookie);
}

}  // namespace tollgate::admin
