// How single claims are read, for tokens and for cookies. Internal to the room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/refusal.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/json_document.h"

namespace tollgate::authentication {

std::unexpected<Refusal> refuse_claims(std::string_view rule, std::string message);
std::unexpected<Refusal> refuse_expired(std::string_view rule, std::string message);

enum class Presence : std::uint8_t { kOptional, kMandatory };

// A NumericDate (RFC 7519 2) in 0 to kSecondsMax, whole or decimal; nothing where it is absent and
// may be. A text, a negative number, a truth value: refused.
Expected<std::optional<WallTime>> read_time(const simdjson::dom::object& claims,
                                            std::string_view name, Presence presence,
                                            std::string_view rule);

// Whether `name`, a text or a list of texts, has one of `audiences`. Deny for every other form.
bool has_audience(const simdjson::dom::object& claims, std::span<const std::string> audiences,
                  std::string_view name = "aud");

// Refuses claims of another issuer, and those for none of `audiences`. Empty: not looked at.
Expected<void> check_source(const simdjson::dom::object& claims, std::string_view issuer,
                            std::span<const std::string> audiences, std::string_view rule);

// The claim that `path` names, as ClaimMapping describes it.
std::optional<simdjson::dom::element> find_claim(const simdjson::dom::object& claims,
                                                 std::string_view path);

// Who vouches, as the record names it.
struct Voucher {
  std::string_view name;  // Of the verifier.
  CredentialKind kind{};
  std::string_view rule;
};

// Who vouches for whom, "corporate/alice", in `arena`.
std::string_view credential_id_of(std::string_view verifier, std::string_view subject,
                                  Arena& arena);

// Tenant, subject, roles and scopes. Views are in `arena`.
Expected<Identity> map_claims(const ClaimMapping& mapping, const Voucher& voucher,
                              const simdjson::dom::object& claims, const Tenants& tenants,
                              Arena& arena);

}  // namespace tollgate::authentication
