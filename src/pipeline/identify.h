// Who asks? From what a request shows to the one accountable actor, or a refusal.
//
// A request may show several credentials: a key or a token in its headers, a client certificate,
// a session's cookie. Each one that the configuration knows is verified, and all of them must
// name the same actor; nothing that fails is passed over for another that holds.
//
// Keys of ours are known here and cost no wait; all else is asked of `Callers`.
#pragma once

#include "controls/authentication/mtls.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// What identify_key() looks at. All outlive the call.
struct KeyServices {
  KeyStore& keys;
  const authentication::Pepper& pepper;
};

struct Shown {
  std::string_view key;  // Of the headers, to be judged as a key of ours; empty: none.
  Presented others;

  bool shows_others() const { return !others.token.empty() || !others.cookies.empty(); }
  bool shows_nothing() const { return key.empty() && !shows_others(); }
};

// What `head` shows of what `config` believes. kMissingCredential where that is nothing and no
// route is open to that, kCredentialConflict where the headers carry two.
Expected<Shown> shown_by(const RequestHead& head, const config::Config& config);

// Which page the browser that sent `head` says that it calls for.
authentication::CallOrigin origin_of(const RequestHead& head);

// Refuses where the configuration takes no key at all.
Expected<void> check_keys_accepted(const config::Config& config);

// The actor of a key that we know, made here or imported, which came `from` there. Views live in
// `arena`. Where a key is refused that its caller has proven to hold, `proven` is whose it was.
Expected<authentication::Identity> identify_key(const KeyServices& services,
                                                const config::Config& config,
                                                std::string_view secret, const IpAddress& from,
                                                WallTime wall, Arena& arena,
                                                authentication::Identity& proven);
// Whether a secret that might be anybody's token is a key that was imported.
bool is_imported_key(const KeyServices& services, const config::Config& config,
                     std::string_view secret, Arena& arena);

// The actor of the certificate that the connection of `head` has proven; nothing where there is
// none, or nobody's.
Expected<std::optional<authentication::Identity>> identify_certificate(
    const RequestHead& head, const config::Config& config, authentication::BundleVerdicts& verdicts,
    WallTime wall, Arena& arena);

// Refuses what others vouch for where it is bound to another certificate than that of `head`.
Expected<void> check_binding(const authentication::Identity& identity, const RequestHead& head);

// The actor of a request that shows nothing. Such a one is let in where a route says so; to all
// other routes it is the request that lacks a credential.
authentication::Identity anonymous(const config::Config& config, Arena& arena);
bool lets_anonymous_in(const config::Config& config);  // Some route does.
Refusal refuse_anonymous();

// A caller has the roles of its credential and those of its tenant.
std::span<const std::string_view> roles_of(std::span<const std::string_view> own,
                                           const config::Tenant& tenant, Arena& arena);

// Every caller of a tenant has the tenant's roles, too.
void add_roles_of_tenant(const config::Config& config, authentication::Identity& identity,
                         Arena& arena);

// The actor of a key that is good; kInvalidCredential where its tenant is not configured.
Expected<authentication::Identity> actor_of(const authentication::KeyFacts& key,
                                            const config::Config& config, Arena& arena);

// Whether two credentials may come with one request: the same tenant, and no two users.
bool are_one_actor(const authentication::Identity& a, const authentication::Identity& b);
// Takes `other` for the caller where there is none yet; kCredentialConflict where it is another.
Expected<void> join(std::optional<authentication::Identity>& caller,
                    const authentication::Identity& other);
Refusal refuse_two_actors();

}  // namespace tollgate::pipeline
