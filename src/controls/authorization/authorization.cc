#include "controls/authorization/authorization.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/hex.h"

namespace tollgate::authorization {

namespace {

constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kQuotedBytesMax = 64;

// RFC 3986 pchar and the slash: all that a canonical path is made of.
constexpr std::array<bool, 256> kIsPathByte = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = table[c + ('a' - 'A')] = true;
  for (const char c : std::string_view("-._~!$&'()*+,;=:@/")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_path_byte(char c) { return kIsPathByte[static_cast<unsigned char>(c)]; }

std::unexpected<Refusal> bad_path(std::string message) {
  return refuse(Reason::kInvalidRequest, "routes", std::move(message));
}

// A slash, a query or a second escape that comes out of an escape would mean one thing here and
// another elsewhere.
Expected<std::string_view> decode(std::string_view raw, Arena& arena) {
  const std::span<char> decoded = arena.make<char>(raw.size());
  std::size_t length = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      if (!is_pair(raw, i + 1)) return bad_path("The path holds a broken escape (%XX).");
      c = byte_of(raw, i + 1);
      if (c == '/' || !is_path_byte(c)) {
        return bad_path("The path escapes a character that no path of this gateway holds.");
      }
      i += 2;
    }
    decoded[length++] = c;
  }
  return std::string_view(decoded.data(), length);
}

// Whether a segment is empty (but the last), "." or "..".
bool has_odd_segment(std::string_view path) {
  std::size_t start = 1;
  while (start <= path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = path.substr(start, end - start);
    if (segment == "." || segment == ".." || (segment.empty() && end < path.size())) return true;
    start = end + 1;
  }
  return false;
}

template <class List, class Item>
bool contains(const List& list, const Item& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool holds(const Allow& line, const authentication::Identity& caller) {
  if (!line.tenants.empty() && !contains(line.tenants, caller.tenant)) return false;
  if (!line.credentials.empty() && !contains(line.credentials, caller.credential_kind)) {
    return false;
  }
  const auto given = [&](std::string_view scope) { return contains(caller.scopes, scope); };
  if (!std::ranges::all_of(line.scopes, given)) return false;
  return line.roles.empty() ||
         std::any_of(caller.roles.begin(), caller.roles.end(),
                     [&](std::string_view role) { return contains(line.roles, role); });
}

bool is_anonymous(const authentication::Identity& caller) {
  return caller.credential_kind == authentication::CredentialKind::kAnonymous;
}

bool observes(const Policy& route, const authentication::Identity& caller) {
  return route.mode == Mode::kObserve && !is_anonymous(caller);
}

bool stands_at(const Policy& route, const Target& target) {
  const bool exists = route.exposure == Exposure::kPublic || target.exposure == Exposure::kInternal;
  return exists && route.path == target.path &&
         (route.method == target.method ||
          (route.streams && (target.method == "GET" || target.method == "DELETE")));
}

template <class Patterns>
bool matches_any(const Patterns& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == name;
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

// A text of the caller's, short enough for a message and cut between characters.
std::string_view quoted(std::string_view text) {
  if (text.size() <= kQuotedBytesMax) return text;
  std::size_t end = kQuotedBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

Expected<std::string_view> canonical_path(std::string_view target, Arena& arena) {
  if (!target.starts_with('/')) {
    return bad_path("The request target must be a path that begins with a slash.");
  }
  const std::string_view raw = target.substr(0, target.find('?'));
  if (raw.size() > kPathBytesMax) return bad_path("The path is longer than 4 KiB.");
  for (const char c : target.substr(raw.size())) {
    if (c <= ' ' || c > '~' || c == '#') {
      return bad_path("The query holds a character that must be escaped, or a fragment.");
    }
  }
  bool escaped = false;
  for (const char c : raw) {
    if (c == '%') {
      escaped = true;
    } else if (!is_path_byte(c)) {
      return bad_path("The path holds a character that no path of this gateway holds.");
    }
  }
  std::string_view path = raw;
  if (escaped) {
    const Expected<std::string_view> decoded = decode(raw, arena);
    if (!decoded) return decoded;
    path = *decoded;
  }
  if (has_odd_segment(path)) {
    return bad_path("The path holds an empty segment, `.` or `..`. Send it in its plain form.");
  }
  return path;
}

bool allows(const Policy& route, const authentication::Identity& caller) {
  if (is_anonymous(caller)) return route.anonymous;
  return std::ranges::any_of(route.allow, [&](const Allow& line) { return holds(line, caller); });
}

bool serves(const Policy& route, std::string_view model) { return contains(route.models, model); }

bool reaches(const Policy& route, const authentication::Identity& caller) {
  return caller.reach.routes.empty() || contains(caller.reach.routes, route.name);
}

bool reaches_model(std::string_view model, const authentication::Identity& caller) {
  return caller.reach.models.empty() || contains(caller.reach.models, model);
}

bool lists(const Policy& route, Exposure exposure, std::string_view model,
           const authentication::Identity& caller) {
  const bool exists = route.exposure == Exposure::kPublic || exposure == Exposure::kInternal;
  return exists && serves(route, model) && reaches(route, caller) && reaches_model(model, caller) &&
         allows(route, caller);
}

bool reaches_tool(const authentication::Reach& reach, std::string_view name) {
  return reach.tools.empty() || (!name.empty() && matches_any(reach.tools, name));
}

bool allows_name(const NamedAccess& access, std::string_view name,
                 const authentication::Identity& caller) {
  if (name.empty()) return false;
  if (access.allow.matches(name)) return true;
  const auto lets = [name](const std::vector<NamedAccess::Group>& groups, std::string_view of) {
    const auto group = std::ranges::lower_bound(groups, of, {}, &NamedAccess::Group::name);
    return group != groups.end() && group->name == of && group->allow.matches(name);
  };
  return lets(access.by_tenant, caller.tenant) ||
         std::ranges::any_of(caller.roles,
                             [&](std::string_view role) { return lets(access.by_role, role); });
}

int first_at(std::span<const Policy* const> routes, const Target& target) {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (stands_at(*routes[i], target)) return static_cast<int>(i);
  }
  return -1;
}

bool lets_in(const Policy& route, const Target& target, const authentication::Identity& caller) {
  return stands_at(route, target) && reaches(route, caller) &&
         (observes(route, caller) || allows(route, caller));
}

Refusal refuse_caller() {
  return refuse(Reason::kRouteNotAllowed, "routes",
                "This credential may not use this path. Ask for it to be allowed.")
      .error();
}

Expected<Choice> choose(std::span<const Policy* const> routes, const Target& target,
                        std::string_view model, const authentication::Identity& caller) {
  bool at_the_path = false;
  bool open_to_the_caller = false;
  Choice observed;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const Policy& route = *routes[i];
    if (!stands_at(route, target)) continue;
    at_the_path = true;
    if (!reaches(route, caller)) continue;
    const bool allowed = allows(route, caller);
    if (!allowed && !observes(route, caller)) continue;
    open_to_the_caller = true;
    if (!serves(route, model) || !reaches_model(model, caller)) continue;
    if (allowed) return Choice{.route = static_cast<int>(i), .observed = false};
    // A route that truly allows the caller may still follow.
    if (observed.route < 0) observed = {.route = static_cast<int>(i), .observed = true};
  }
  if (observed.route >= 0) return observed;
  if (!at_the_path) {
    return refuse(Reason::kNotFound, "routes",
                  "There is nothing at this method and path. Check the base URL of the client.");
  }
  if (!open_to_the_caller) return std::unexpected(refuse_caller());
  // The words are the same for a model that others may use and for one that nobody has.
  return std::unexpected(refuse_model(model));
}

Refusal refuse_model(std::string_view model) {
  return refuse(Reason::kModelNotFound, "routes",
                fmt::format("The model `{}` does not exist or may not be used with this "
                            "credential. GET /v1/models lists those that may.",
                            quoted(model)),
                "model")
      .error();
}

}  // namespace tollgate::authorization
