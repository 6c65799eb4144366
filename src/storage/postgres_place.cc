#include "storage/postgres_place.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace tollgate::storage {
namespace {

// A dead network is noticed by the kernel in about this time where a deadline of ours is not
// running; what a URL says of these goes before.
constexpr std::array<std::array<const char*, 2>, 6> kDefaults = {{{"application_name", "tollgate"},
                                                                  {"keepalives_idle", "10"},
                                                                  {"keepalives_interval", "5"},
                                                                  {"keepalives_count", "3"},
                                                                  {"tcp_user_timeout", "10000"},
                                                                  {"client_encoding", "UTF8"}}};

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// The stand-in of byte b is F4 8F 101111xx 10xxxxxx.
constexpr std::string_view kStandInStart = "\xf4\x8f";

bool is_stand_in(std::string_view text, std::size_t at) {
  return text.size() - at >= 4 && text.substr(at, 2) == kStandInStart &&
         static_cast<std::uint8_t>(text[at + 2]) >= 0xbc;
}

void append_stand_in(char byte, std::string& plain) {
  const auto value = static_cast<std::uint8_t>(byte);
  plain.append(kStandInStart);
  plain.push_back(static_cast<char>(0xbc | value >> 6));
  plain.push_back(static_cast<char>(0x80 | (value & 0x3f)));
}

// How many bytes at `at` are one character of valid UTF-8; 0: none.
std::size_t character_at(std::string_view text, std::size_t at) {
  for (std::size_t bytes = 1; bytes <= 4 && at + bytes <= text.size(); ++bytes) {
    if (simdjson::validate_utf8(text.data() + at, bytes)) return bytes;
  }
  return 0;
}

std::vector<std::string> split_at_commas(std::string_view list) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = list.find(',');
    parts.emplace_back(list.substr(0, end));
    if (end == std::string_view::npos) return parts;
    list.remove_prefix(end + 1);
  }
}

// One set of values a host. Lists whose lengths do not fit are left to libpq, which says so.
std::vector<std::vector<std::string>> split_hosts(std::span<const std::string> keywords,
                                                  const std::vector<std::string>& values) {
  std::size_t count = 1;
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    if (keywords[i] != "host" && keywords[i] != "hostaddr") continue;
    count = std::max(count, split_at_commas(values[i]).size());
  }
  std::vector<std::vector<std::string>> hosts(count, values);
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    const bool is_port = keywords[i] == "port";
    if (!is_port && keywords[i] != "host" && keywords[i] != "hostaddr") continue;
    const std::vector<std::string> parts = split_at_commas(values[i]);
    if (is_port && parts.size() == 1) continue;  // Of all of them.
    if (parts.size() != count) return {values};
    for (std::size_t host = 0; host < count; ++host) hosts[host][i] = parts[host];
  }
  return hosts;
}

std::unexpected<Fault> no_url() {
  return fault(FaultKind::kRefusedByPeer,
               "store.ledger: is no URL of a PostgreSQL database. It has the form "
               "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full; what is special "
               "in a URL is written as %XX, in the password too.");
}

}  // namespace

FaultOr<PostgresPlace> parse_postgres_url(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(url.c_str(), nullptr));
  if (!options) return no_url();
  PostgresPlace place;
  std::vector<std::string> values;
  std::string user;
  std::string host;
  std::string port;
  std::string database;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "user") user = std::string(option->val) + "@";
    if (keyword == "host") host = option->val;
    if (keyword == "port") port = std::string(":") + option->val;
    if (keyword == "dbname") database = option->val;
    place.keywords.emplace_back(keyword);
    values.emplace_back(option->val);
  }
  // What a password with an unescaped / or @ leaves here would be shown.
  if ((host + database).find('@') != std::string::npos ||
      port.find_first_not_of(":,0123456789") != std::string::npos) {
    return no_url();
  }
  // What comes first counts less: libpq takes the last value of a keyword.
  for (const auto& [keyword, value] : kDefaults) {
    place.keywords.insert(place.keywords.begin(), keyword);
    values.insert(values.begin(), value);
  }
  // The session is read as UTF-8 whatever the URL says.
  place.keywords.emplace_back("client_encoding");
  values.emplace_back("UTF8");
  place.hosts = split_hosts(place.keywords, values);
  place.name = fmt::format("postgres://{}{}{}/{}", user, host, port, database);
  return place;
}

bool has_stand_ins(std::string_view plain) {
  for (std::size_t at = plain.find(kStandInStart); at != std::string_view::npos;
       at = plain.find(kStandInStart, at + 1)) {
    if (is_stand_in(plain, at)) return true;
  }
  return false;
}

bool is_plain_text(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size()) &&
         text.find('\0') == std::string_view::npos && !has_stand_ins(text);
}

std::string to_plain_text(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_at(text, at);
    if (bytes == 0 || text[at] == '\0' || is_stand_in(text, at)) {
      append_stand_in(text[at++], plain);
    } else {
      plain.append(text.substr(at, bytes));
      at += bytes;
    }
  }
  return plain;
}

std::string from_plain_text(std::string_view plain) {
  std::string text;
  for (std::size_t at = 0; at < plain.size();) {
    if (!is_stand_in(plain, at)) {
      text.push_back(plain[at++]);
      continue;
    }
    text.push_back(static_cast<char>(static_cast<std::uint8_t>(plain[at + 2]) << 6 |
                                     (static_cast<std::uint8_t>(plain[at + 3]) & 0x3f)));
    at += 4;
  }
  return text;
}

std::string number_parameters(std::string_view sql) {
  std::string numbered;
  char quote = '\0';
  int count = 0;
  for (const char c : sql) {
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '?') {
      fmt::format_to(std::back_inserter(numbered), "${}", ++count);
      continue;
    }
    numbered.push_back(c);
  }
  return numbered;
}

}  // namespace tollgate::storage
