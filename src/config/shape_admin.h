// The tables of shape.h for the admin address.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_claims.h"
#include "config/shape_tls.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kAdminTokenFields[] = {
    {.key = "name",
     .kind = Kind::kName,
     .doc = "Names its holder in the records of changes.",
     .need = kRequired},
    {.key = "token", .kind = Kind::kSecret, .doc = "32 or more characters.", .need = kRequired},
    {.key = "role",
     .kind = Kind::kChoice,
     .doc = "What its holder may do.",
     .need = kRequired,
     .names = choices::admin_roles},
    {.key = "tenants",
     .kind = Kind::kList,
     .doc = "Bound to these. Not written: to none, which is all of them and what is of none.",
     .min = 1,
     .max = 64,
     .of = Kind::kName},
};
inline constexpr Section kAdminToken{"admin_token", "A token for somebody who administers.",
                                     kAdminTokenFields};

inline constexpr Field kAdminGrantFields[] = {
    {.key = "value",
     .kind = Kind::kText,
     .doc = "Who has it in the claim of `roles`.",
     .need = kRequired},
    {.key = "role",
     .kind = Kind::kChoice,
     .doc = "What they may do.",
     .need = kRequired,
     .names = choices::admin_roles},
    {.key = "tenants",
     .kind = Kind::kList,
     .doc = "Bound to these. Not written: as of a token.",
     .min = 1,
     .max = 64,
     .of = Kind::kName},
};
inline constexpr Section kAdminGrant{"admin_grant", "Who of an issuer's people may do what.",
                                     kAdminGrantFields};

inline constexpr Field kAdminClientFields[] = {
    {.key = "id", .kind = Kind::kText, .doc = "Who we are there.", .need = kRequired},
    {.key = "secret",
     .kind = Kind::kSecret,
     .doc = "That proves it. Not written: a public client, which PKCE protects alone."},
};
inline constexpr Section kAdminClient{
    "admin_client",
    "As whom people are sent to the issuer to log in, by `/admin/login`. The issuer must know "
    "`/admin/callback` of the admin address as a redirect URI.",
    kAdminClientFields};

inline constexpr Field kAdminOidcFields[] = {
    kEntryName,
    {.key = "issuer",
     .kind = Kind::kText,
     .doc = "`iss` of its tokens, to the letter.",
     .need = kRequired},
    {.key = "audience",
     .kind = Kind::kTexts,
     .doc = "`aud` of a token that is shown as a credential must have one of these. Let it be "
            "another one than that of callers.",
     .need = kRequired,
     .max = 16},
    kAlgorithms,
    kTokenType,
    kJwksUrl,
    kJwksFile,
    kCertificateAuthority,
    kLeeway,
    {.key = "subject",
     .kind = Kind::kText,
     .doc = "The claim that names the person.",
     .fallback = "sub"},
    {.key = "roles",
     .kind = Kind::kText,
     .doc = "The claim that lists the values of `grants`; a dot leads into an object.",
     .need = kRequired},
    {.key = "tenants",
     .kind = Kind::kText,
     .doc = "The claim that lists the tenants that a person is bound to, among those of the grant. "
            "Who has none of them may do nothing. Not written: the grant alone binds."},
    {.key = "grants",
     .kind = Kind::kList,
     .doc = "The first that fits holds; whom none fits may do nothing.",
     .need = kRequired,
     .min = 1,
     .max = 64,
     .section = &kAdminGrant,
     .of = Kind::kSection},
    {.key = "client",
     .kind = Kind::kSection,
     .doc = "For logins in the browser. Not written: there are none.",
     .section = &kAdminClient},
    {.key = "scopes", .kind = Kind::kText, .doc = "What a login asks for.", .fallback = "openid"},
};
inline constexpr Section kAdminOidc{
    "admin_oidc", "An OpenID Connect provider whose people administer.", kAdminOidcFields};

inline constexpr Field kAdminSessionFields[] = {
    {.key = "idle_max",
     .kind = Kind::kDuration,
     .doc = "Since its last use.",
     .fallback = "30m",
     .min = 60 * kSecond,
     .max = kDay},
    {.key = "age_max",
     .kind = Kind::kDuration,
     .doc = "Since it began. It never outlives the credential that began it.",
     .fallback = "8h",
     .min = 60 * kSecond,
     .max = 7 * kDay},
};
inline constexpr Section kAdminSession{"admin_session", "A session of a browser.",
                                       kAdminSessionFields};

inline constexpr Field kAdminFields[] = {
    {.key = "address",
     .kind = Kind::kAddress,
     .doc = "Of the admin API, `/metrics` and health. Never a listener's.",
     .fallback = "127.0.0.1:9900"},
    {.key = "tls",
     .kind = Kind::kSection,
     .doc = "Without it the address speaks plain HTTP, which is for this machine alone.",
     .section = &kTls},
    {.key = "url",
     .kind = Kind::kText,
     .doc = "By which browsers reach it, where that is another than the address: "
            "`https://admin.example.com`, without a path. Logins come back there."},
    {.key = "hosts",
     .kind = Kind::kList,
     .doc = "Further names by which it is reached, without ports. Others than these, `localhost`, "
            "those of `address` and `url`, and addresses in numbers are answered with 421, so that "
            "no page of others can use a browser to reach it.",
     .max = 64,
     .of = Kind::kText},
    {.key = "token",
     .kind = Kind::kSecret,
     .doc = "The first owner's, 32 or more characters. Not written: made at the first start, in "
            "`admin.token` beside the ledger."},
    {.key = "tokens",
     .kind = Kind::kList,
     .doc = "Further ones. More can be made while the gateway runs (`tollgate admin create`).",
     .max = 256,
     .section = &kAdminToken,
     .of = Kind::kSection},
    {.key = "oidc",
     .kind = Kind::kList,
     .doc = "Providers whose people administer.",
     .max = 16,
     .section = &kAdminOidc,
     .of = Kind::kSection},
    {.key = "metrics",
     .kind = Kind::kChoice,
     .doc = "Who may read `/metrics`, which names tenants, users and models: whoever reaches the "
            "address, or `authenticated`: an administrator of any role who is bound to no tenants, "
            "with a Bearer token.",
     .fallback = "open",
     .names = choices::metrics_accesses},
    {.key = "sessions",
     .kind = Kind::kSection,
     .doc = "How long a browser stays logged in.",
     .section = &kAdminSession},
};
inline constexpr Section kAdmin{"admin", "The operator's side.", kAdminFields};

}  // namespace tollgate::config
