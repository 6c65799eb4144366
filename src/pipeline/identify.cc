#include "pipeline/identify.h"

#include <algorithm>

#include "controls/authentication/imported_key.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

namespace {

// What browsers say of a page that they do not name, and what is taken from whoever names two.
constexpr std::string_view kNobodysPage = "null";

Refusal refuse_stale_keys() {
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.rule = "store.on_fault.keys";
  refusal.message =
      "The store of the keys is out of reach, so nobody can tell whether this one was revoked. "
      "Nothing was forwarded; try again shortly.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

// The cookies, where one of them is a session's.
Expected<std::string_view> cookies_of(const RequestHead& head,
                                      const authentication::Policy& policy) {
  if (policy.sessions.empty()) return std::string_view();
  const std::optional<std::string_view> cookies = head.only_header("cookie");
  if (!cookies) {
    return refuse(Reason::kCredentialConflict, "authentication.sessions",
                  "The request carries its cookies twice. Send them once.");
  }
  for (const authentication::SessionPolicy& each : policy.sessions) {
    const Expected<std::string_view> found =
        authentication::find_cookie(*cookies, each.cookie.cookie);
    if (!found) return found;
    if (!found->empty()) return *cookies;
  }
  return std::string_view();
}

bool may_be_imported(const KeyStore& keys, std::string_view secret) {
  return authentication::may_be_imported(secret) && keys.holds_imported();
}

// What the record says of who has proven to hold a key and is refused all the same.
authentication::Identity holder_of(const authentication::KeyFacts& key) {
  authentication::Identity holder;
  holder.tenant = key.tenant;
  holder.subject = key.user;
  holder.credential_id = key.id;
  return holder;
}

// Of the key whose secret that is, where it may be used from there and now.
Expected<authentication::KeyFacts> good_key(const KeyServices& services, std::string_view secret,
                                            const IpAddress& from, WallTime wall, Arena& arena,
                                            authentication::Identity& proven) {
  std::optional<authentication::KeyFacts> key;
  authentication::Digest digest;
  if (may_be_imported(services.keys, secret)) {
    const authentication::ImportedKey shown = authentication::imported_key(services.pepper, secret);
    digest = shown.digest;
    key = services.keys.find(shown.id(), arena);
  } else {
    const Expected<std::string_view> id = authentication::read_key(secret);
    if (!id) return std::unexpected(id.error());
    digest = services.pepper.digest(secret);
    key = services.keys.find(*id, arena);
  }
  // Both have cost one digest by now, whether there is such a key or not.
  if (!key) return std::unexpected(authentication::refuse_unknown());
  if (Expected<void> good = authentication::verify(digest, *key, from, wall); !good) {
    if (authentication::is_key(digest, *key)) {
      proven = holder_of(*key);
    } else {
      good.error().recorded = "A wrong secret was shown with the id " + std::string(key->id) + ".";
    }
    return std::unexpected(std::move(good.error()));
  }
  return *key;
}

}  // namespace

std::span<const std::string_view> roles_of(std::span<const std::string_view> own,
                                           const config::Tenant& tenant, Arena& arena) {
  const auto roles = arena.make<std::string_view>(own.size() + tenant.roles.size());
  const auto end = std::copy(own.begin(), own.end(), roles.begin());
  std::copy(tenant.roles.begin(), tenant.roles.end(), end);
  return roles;
}

Expected<Shown> shown_by(const RequestHead& head, const config::Config& config) {
  const authentication::Policy& policy = config.authentication;
  const bool is_open = lets_anonymous_in(config);
  if (!policy.accepts_any() && !is_open) {
    return refuse(Reason::kInvalidCredential, "authentication", "No credential is accepted here.");
  }
  const std::optional<std::string_view> authorization = head.only_header("authorization");
  const std::optional<std::string_view> x_api_key = head.only_header("x-api-key");
  const std::optional<std::string_view> api_key = head.only_header("api-key");
  if (!authorization || !x_api_key || !api_key) {
    return refuse(Reason::kCredentialConflict, "authentication",
                  "The request carries a credential header twice with different values. Send "
                  "one.");
  }
  const Expected<std::string_view> secret =
      authentication::find_credential({*authorization, *x_api_key, *api_key});
  Shown shown;
  const Expected<std::string_view> cookies = cookies_of(head, policy);
  if (!cookies) return std::unexpected(cookies.error());
  shown.others.cookies = *cookies;
  if (!cookies->empty()) {
    shown.others.origin = origin_of(head);
  }
  if (!secret) {
    const bool missing = secret.error().reason == Reason::kMissingCredential;
    const bool certified = head.certificate != nullptr && !policy.mtls.empty();
    if (missing && (shown.shows_others() || certified)) return shown;
    if (is_open && secret.error().reason == Reason::kMissingCredential) return shown;
    return std::unexpected(secret.error());
  }
  const bool is_key = secret->starts_with(authentication::kKeyPrefix) || !policy.takes_tokens();
  (is_key ? shown.key : shown.others.token) = *secret;
  return shown;
}

authentication::CallOrigin origin_of(const RequestHead& head) {
  return {head.method, head.header("host"), head.only_header("origin").value_or(kNobodysPage),
          head.only_header("sec-fetch-site").value_or("cross-site"), head.transport};
}

void add_roles_of_tenant(const config::Config& config, authentication::Identity& identity,
                         Arena& arena) {
  const config::Tenant* tenant = tenant_named(config, identity.tenant);
  if (tenant != nullptr) identity.roles = roles_of(identity.roles, *tenant, arena);
}

Expected<void> check_keys_accepted(const config::Config& config) {
  if (config.authentication.api_keys) return {};
  return refuse(Reason::kInvalidCredential, "authentication", "No API key is accepted here.");
}

Expected<authentication::Identity> identify_key(const KeyServices& services,
                                                const config::Config& config,
                                                std::string_view secret, const IpAddress& from,
                                                WallTime wall, Arena& arena,
                                                authentication::Identity& proven) {
  if (Expected<void> accepted = check_keys_accepted(config); !accepted) {
    return std::unexpected(accepted.error());
  }
  if (!services.keys.current()) return std::unexpected(refuse_stale_keys());
  const Expected<authentication::KeyFacts> key =
      good_key(services, secret, from, wall, arena, proven);
  if (!key) return std::unexpected(key.error());
  const Expected<authentication::Identity> caller = actor_of(*key, config, arena);
  if (caller) services.keys.used(*key, wall);
  return caller;
}

Expected<authentication::Identity> actor_of(const authentication::KeyFacts& key,
                                            const config::Config& config, Arena& arena) {
  const config::Tenant* tenant = tenant_named(config, key.tenant);
  if (tenant == nullptr) {
    return refuse(Reason::kInvalidCredential, "tenants",
                  "The tenant of this key is not configured here.");
  }
  authentication::Identity caller;
  caller.tenant = key.tenant;
  caller.subject = key.user;
  caller.credential_kind = authentication::CredentialKind::kApiKey;
  caller.credential_id = key.id;
  caller.roles = roles_of(key.roles, *tenant, arena);
  caller.expires = key.expires;
  caller.reach = key.reach;
  return caller;
}

bool is_imported_key(const KeyServices& services, const config::Config& config,
                     std::string_view secret, Arena& arena) {
  return config.authentication.api_keys && may_be_imported(services.keys, secret) &&
         services.keys.find(authentication::imported_key(services.pepper, secret).id(), arena)
             .has_value();
}

Expected<std::optional<authentication::Identity>> identify_certificate(
    const RequestHead& head, const config::Config& config, authentication::BundleVerdicts& verdicts,
    WallTime wall, Arena& arena) {
  if (head.certificate == nullptr) return std::nullopt;
  const authentication::Policy& policy = config.authentication;
  Expected<std::optional<authentication::Identity>> caller =
      head.kept == nullptr
          ? authentication::identify(policy.mtls, *head.certificate, verdicts, wall, arena)
          : head.kept->identify(policy.mtls, policy.stamp, *head.certificate, verdicts, wall,
                                arena);
  if (!caller || !*caller) return caller;
  const config::Tenant* tenant = tenant_named(config, (*caller)->tenant);
  if (tenant == nullptr) {
    return refuse(Reason::kInvalidCredential, "tenants",
                  "The tenant of this certificate is not configured here.");
  }
  (*caller)->roles = roles_of((*caller)->roles, *tenant, arena);
  return caller;
}

Expected<void> check_binding(const authentication::Identity& identity, const RequestHead& head) {
  std::optional<authentication::Digest> proven;
  if (head.certificate != nullptr) proven = head.certificate->digest;
  return authentication::check_binding(identity, proven);
}

authentication::Identity anonymous(const config::Config& config, Arena& arena) {
  authentication::Identity caller;
  caller.tenant = authentication::kAnonymousTenant;
  caller.credential_kind = authentication::CredentialKind::kAnonymous;
  const config::Tenant* tenant = tenant_named(config, caller.tenant);
  if (tenant != nullptr) caller.roles = roles_of({}, *tenant, arena);
  return caller;
}

bool lets_anonymous_in(const config::Config& config) {
  return std::ranges::any_of(config.access,
                             [](const authorization::Policy* route) { return route->anonymous; });
}

Refusal refuse_anonymous() { return authentication::find_credential({}).error(); }

bool are_one_actor(const authentication::Identity& a, const authentication::Identity& b) {
  return a.tenant == b.tenant && (a.subject == b.subject || a.subject.empty() || b.subject.empty());
}

Expected<void> join(std::optional<authentication::Identity>& caller,
                    const authentication::Identity& other) {
  if (caller && !are_one_actor(*caller, other)) return std::unexpected(refuse_two_actors());
  if (!caller) caller = other;
  return {};
}

Refusal refuse_two_actors() {
  return refuse(Reason::kCredentialConflict, "authentication",
                "The request carries credentials of two different actors. Send one.")
      .error();
}

}  // namespace tollgate::pipeline
