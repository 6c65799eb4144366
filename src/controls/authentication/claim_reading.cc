#include "controls/authentication/claim_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// A claim that must be one short line of text.
Expected<std::string_view> line_claim(const dom::object& claims, std::string_view path,
                                      std::string_view rule) {
  const std::optional<dom::element> found = find_claim(claims, path);
  std::string_view text;
  if (!found || found->get(text) != simdjson::SUCCESS || text.empty() ||
      text.size() > kSubjectBytesMax || has_control(text)) {
    return refuse_claims(rule, fmt::format("The claim `{}` is missing, or is no text of 1 to {} "
                                           "bytes without control characters.",
                                           path, kSubjectBytesMax));
  }
  return text;
}

using Names = std::span<const std::string_view>;

std::unexpected<Refusal> refuse_names(std::string_view rule, std::string_view path) {
  return refuse_claims(rule, fmt::format("The claim `{}` is no list of at most {} texts, each of 1 "
                                         "to {} bytes.",
                                         path, kNamesMax, kNameBytesMax));
}

Expected<Names> split_words(std::string_view text, std::string_view path, std::string_view rule,
                            Arena& arena) {
  const auto words = static_cast<std::size_t>(std::ranges::count(text, ' ')) + 1;
  const std::span<std::string_view> names =
      arena.make<std::string_view>(std::min(words, kNamesMax));
  std::size_t count = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    if (word.size() > kNameBytesMax || count == kNamesMax) return refuse_names(rule, path);
    names[count++] = arena.copy(word);
  }
  return Names(names).first(count);
}

// The roles or scopes that the claim `path` lists. An absent claim lists none: what they would
// have allowed stays denied.
Expected<Names> names_claim(const dom::object& claims, std::string_view path, std::string_view rule,
                            Arena& arena) {
  if (path.empty()) return Names();
  const std::optional<dom::element> found = find_claim(claims, path);
  if (!found || found->is_null()) return Names();
  std::string_view text;
  if (found->get(text) == simdjson::SUCCESS) return split_words(text, path, rule, arena);
  dom::array list;
  if (found->get(list) != simdjson::SUCCESS || list.size() > kNamesMax) {
    return refuse_names(rule, path);
  }
  const std::span<std::string_view> names = arena.make<std::string_view>(list.size());
  std::size_t count = 0;
  for (const dom::element each : list) {
    if (each.get(text) != simdjson::SUCCESS || text.empty() || text.size() > kNameBytesMax) {
      return refuse_names(rule, path);
    }
    names[count++] = arena.copy(text);
  }
  return Names(names);
}

// A tenant that the token's issuer may name is one that exists; which do is nobody's to try out.
Expected<std::string_view> find_tenant(const ClaimMapping& mapping, std::string_view subject,
                                       const dom::object& claims, const Tenants& tenants,
                                       std::string_view rule) {
  std::string_view tenant = mapping.fixed_tenant;
  if (!mapping.tenant.empty()) {
    const Expected<std::string_view> named = line_claim(claims, mapping.tenant, rule);
    if (!named) return named;
    if (mapping.tenants.empty() || std::ranges::count(mapping.tenants, *named) != 0) {
      tenant = *named;
    }
  } else if (tenant.empty()) {
    tenant = tenant_of(mapping.tenant_by_subject, subject).value_or("");
  }
  if (tenant.empty() || !tenants.contains(tenant)) {
    return refuse_claims(rule, "The caller belongs to no tenant of this gateway.");
  }
  return tenant;
}

}  // namespace

std::unexpected<Refusal> refuse_claims(std::string_view rule, std::string message) {
  return refuse(Reason::kInvalidCredential, std::string(rule), std::move(message));
}

std::unexpected<Refusal> refuse_expired(std::string_view rule, std::string message) {
  return refuse(Reason::kExpiredCredential, std::string(rule), std::move(message));
}

Expected<std::optional<WallTime>> read_time(const dom::object& claims, std::string_view name,
                                            Presence presence, std::string_view rule) {
  dom::element element;
  if (claims.at_key(name).get(element) != simdjson::SUCCESS) {
    if (presence == Presence::kOptional) return std::nullopt;
    return refuse_claims(rule, fmt::format("The claim `{}` is missing.", name));
  }
  double seconds = -1;
  if (element.is_number()) seconds = element.get_double();
  if (!(seconds >= 0 && seconds <= static_cast<double>(kSecondsMax))) {
    return refuse_claims(rule, fmt::format("The claim `{}` is no moment in seconds.", name));
  }
  // A double tells microseconds apart as far as the year 2255, and rounding is below leeway.
  return WallTime(Duration(static_cast<std::int64_t>(std::floor(seconds * 1e6))));
}

bool has_audience(const dom::object& claims, std::span<const std::string> audiences,
                  std::string_view name) {
  dom::element element;
  if (claims.at_key(name).get(element) != simdjson::SUCCESS) return false;
  const auto ours = [&](std::string_view audience) {
    return std::ranges::find(audiences, audience) != audiences.end();
  };
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) return ours(text);
  dom::array list;
  if (element.get(list) != simdjson::SUCCESS) return false;
  bool found = false;
  for (const dom::element each : list) {
    if (each.get(text) != simdjson::SUCCESS) return false;
    found |= ours(text);
  }
  return found;
}

Expected<void> check_source(const dom::object& claims, std::string_view issuer,
                            std::span<const std::string> audiences, std::string_view rule) {
  if (!issuer.empty() && text_member(claims, "iss") != issuer) {
    return refuse_claims(rule, "The issuer of the token (`iss`) is not the one expected.");
  }
  if (!audiences.empty() && !has_audience(claims, audiences)) {
    return refuse_claims(rule, "The token is not for this gateway (`aud`).");
  }
  return {};
}

std::optional<dom::element> find_claim(const dom::object& claims, std::string_view path) {
  dom::object at = claims;
  while (true) {
    dom::element found;
    if (at.at_key(path).get(found) == simdjson::SUCCESS) return found;
    // The longest beginning that is a name; each step shortens the path, so this ends.
    std::size_t dot = path.rfind('.');
    while (dot != std::string_view::npos &&
           at.at_key(path.substr(0, dot)).get(found) != simdjson::SUCCESS) {
      dot = dot == 0 ? std::string_view::npos : path.rfind('.', dot - 1);
    }
    if (dot == std::string_view::npos || found.get(at) != simdjson::SUCCESS) return std::nullopt;
    path.remove_prefix(dot + 1);
  }
}

std::string_view credential_id_of(std::string_view verifier, std::string_view subject,
                                  Arena& arena) {
  const std::span<char> made = arena.make<char>(verifier.size() + 1 + subject.size());
  std::ranges::copy(verifier, made.begin());
  made[verifier.size()] = '/';
  std::ranges::copy(subject, made.begin() + static_cast<std::ptrdiff_t>(verifier.size() + 1));
  return {made.data(), made.size()};
}

Expected<Identity> map_claims(const ClaimMapping& mapping, const Voucher& voucher,
                              const dom::object& claims, const Tenants& tenants, Arena& arena) {
  const Expected<std::string_view> subject = line_claim(claims, mapping.subject, voucher.rule);
  if (!subject) return std::unexpected(subject.error());
  const Expected<std::string_view> tenant =
      find_tenant(mapping, *subject, claims, tenants, voucher.rule);
  if (!tenant) return std::unexpected(tenant.error());
  const Expected<Names> roles = names_claim(claims, mapping.roles, voucher.rule, arena);
  if (!roles) return std::unexpected(roles.error());
  const Expected<Names> scopes = names_claim(claims, mapping.scopes, voucher.rule, arena);
  if (!scopes) return std::unexpected(scopes.error());

  Identity identity;
  identity.tenant = arena.copy(*tenant);
  identity.subject = arena.copy(*subject);
  identity.credential_kind = voucher.kind;
  identity.credential_id = credential_id_of(voucher.name, *subject, arena);
  identity.roles = *roles;
  identity.verifier = arena.copy(voucher.name);
  identity.scopes = *scopes;
  return identity;
}

}  // namespace tollgate::authentication
