#include "controls/administration/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "controls/administration/token.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

using authentication::Digest;

namespace {

// Of a verifier in rules and metrics, apart from those of callers.
constexpr std::string_view kPrefix = "admin/";
constexpr std::string_view kLogin = "/login";

// Lengths stand before texts, so that no two entries write the same.
std::string text_of(const OidcPolicy& policy) {
  std::string text;
  const auto add = [&](std::string_view part) { text += fmt::format("{}:{}", part.size(), part); };
  add(policy.name);
  add(policy.client);
  add(policy.tenants);
  for (const RoleGrant& grant : policy.grants) {
    add(grant.value);
    add(name_of(grant.role));
    add(std::to_string(grant.tenants.size()));
    for (const std::string& tenant : grant.tenants) add(tenant);
  }
  return text;
}

const OidcPolicy* entry_of(const Policy& policy, std::string_view verifier, Shown shown) {
  const auto found = std::ranges::find_if(policy.oidc, [&](const OidcPolicy& each) {
    if (shown == Shown::kAsBearer) return verifier == each.bearer.name;
    return !each.client.empty() && verifier == each.login.name;
  });
  return found == policy.oidc.end() ? nullptr : &*found;
}

// The tenants that the claim and the grant both allow; nothing: none is left.
std::optional<std::vector<std::string>> bound_to(const OidcPolicy& entry, const RoleGrant& grant,
                                                 const authentication::Identity& identity) {
  if (entry.tenants.empty()) return grant.tenants;
  std::vector<std::string> both;
  for (const std::string_view tenant : identity.scopes) {
    if (grant.tenants.empty() || std::ranges::count(grant.tenants, tenant) != 0) {
      both.emplace_back(tenant);
    }
  }
  if (both.empty() || both.size() > kTenantsMax) return std::nullopt;
  return both;
}

}  // namespace

void derive(Policy& policy) {
  std::vector<Digest> parts;
  for (OidcPolicy& each : policy.oidc) {
    each.bearer.name = fmt::format("{}{}", kPrefix, each.name);
    each.login.name = each.bearer.name + std::string(kLogin);
    policy.verifiers.push_back(each.bearer);
    parts.push_back(authentication::digest_of(text_of(each)));
  }
  for (const OidcPolicy& each : policy.oidc) {
    if (!each.client.empty()) policy.verifiers.push_back(each.login);
  }
  for (const auto& each : policy.verifiers) parts.push_back(authentication::digest_of(each));
  policy.oidc_stamp = authentication::stamp_of(parts);
}

std::vector<authentication::PolicyMistake> check(const OidcPolicy& policy) {
  std::vector<authentication::PolicyMistake> found = authentication::check(policy.bearer);
  if (policy.bearer.claims.roles.empty()) {
    found.push_back({"roles", "Without a claim of roles nobody would have one."});
  }
  if (policy.grants.empty()) {
    found.push_back({"grants", "Nobody is granted anything: say who has which role."});
  }
  for (std::size_t i = 0; i < policy.grants.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (policy.grants[i].value != policy.grants[j].value) continue;
      found.push_back(
          {"grants", fmt::format("`{}` stands there twice; only the first would ever hold.",
                                 policy.grants[i].value)});
    }
  }
  if (!policy.client.empty() && !authentication::is_safe_url(policy.bearer.issuer)) {
    found.push_back({"client",
                     "A browser logs in at what the issuer publishes about itself, so the issuer "
                     "must be an https URL (http only on loopback)."});
  }
  const auto& audiences = policy.bearer.audiences;
  if (!policy.client.empty() && std::ranges::count(audiences, policy.client) != 0) {
    found.push_back({"audience",
                     "It is the client's id, so every ID token of a login would be a credential "
                     "by itself. Let access tokens have an audience of their own."});
  }
  return found;
}

Expected<Admin> admin_of(const Policy& policy, const authentication::Identity& identity,
                         Shown shown) {
  const OidcPolicy* entry = entry_of(policy, identity.verifier, shown);
  if (entry == nullptr) return std::unexpected(refuse_unknown());
  // The admin address asks for no client certificate, so nobody proves here what it is bound to.
  if (const Expected<void> free = check_binding(identity, std::nullopt); !free) {
    return std::unexpected(free.error());
  }
  const auto none = [&](std::string message) {
    return refuse(Reason::kRouteNotAllowed, "admin.oidc", std::move(message));
  };
  const auto fits = [&](const RoleGrant& grant) {
    return std::ranges::count(identity.roles, grant.value) != 0;
  };
  const auto grant = std::ranges::find_if(entry->grants, fits);
  if (grant == entry->grants.end()) return none("You have no role here: no grant names you.");
  std::optional<std::vector<std::string>> tenants = bound_to(*entry, *grant, identity);
  if (!tenants) return none("You are bound to tenants, and to none that you may administer.");
  Admin made;
  made.kind = Admin::Kind::kOidc;
  made.subject = identity.subject;
  made.credential_id = fmt::format("{}/{}", entry->name, identity.subject);
  made.grant = {grant->role, std::move(*tenants), identity.expires};
  return made;
}

}  // namespace tollgate::administration
