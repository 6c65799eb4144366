// Where a PostgreSQL database is, and how its texts travel.
//
// Pure. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"

namespace tollgate::storage {

// A URL taken apart by libpq, with what the gateway adds unless the URL says otherwise.
struct PostgresPlace {
  std::string name;  // The URL without password and parameters, for messages.
  std::vector<std::string> keywords;
  // Of each host, as the keywords. libpq would take the hosts of a URL one after the other as
  // well, but a deadline could not be shared among them.
  std::vector<std::vector<std::string>> hosts;
};

// A Fault never shows the URL, which may hold a password.
FaultOr<PostgresPlace> parse_postgres_url(const std::string& url);

// ---- Texts ----------------------------------------------------------------------------------

// PostgreSQL refuses texts with a zero byte or bytes that are no UTF-8, and some of ours are a
// caller's own words. Such bytes travel as the last 256 code points, U+10FF00 to U+10FFFF, and so
// do the bytes of those code points: what was bound is read again byte for byte.
bool is_plain_text(std::string_view text);
std::string to_plain_text(std::string_view text);
// Whether anything of it was made by to_plain_text().
bool has_stand_ins(std::string_view plain);
std::string from_plain_text(std::string_view plain);

// `?` outside of literals becomes $1, $2, …
std::string number_parameters(std::string_view sql);

}  // namespace tollgate::storage
