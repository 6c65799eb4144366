// Fields that the tables of verifiers have in common.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kEntryName{.key = "name",
                                  .kind = Kind::kName,
                                  .doc = "Names it in rules, records and metrics.",
                                  .need = kRequired};
inline constexpr Field kAnswerTimeout{
    .key = "timeout",
    .kind = Kind::kDuration,
    .doc = "For the whole answer; beyond it the request is refused with 503.",
    .fallback = "2s",
    .min = 10 * kMs,
    .max = 30 * kSecond};

// Who signs tokens, and with which keys.
inline constexpr Field kAlgorithms{
    .key = "algorithms",
    .kind = Kind::kList,
    .doc = "Keys of other algorithms are not used. Not written: RS256 and ES256.",
    .min = 1,
    .max = 10,
    .names = choices::algorithms,
    .of = Kind::kChoice};
inline constexpr Field kTokenType{
    .key = "token_type",
    .kind = Kind::kChoice,
    .doc = "`access_token` takes no token but of the type `at+jwt` (RFC 9068), so no ID token.",
    .fallback = "any",
    .names = choices::token_types};
inline constexpr Field kJwksUrl{
    .key = "jwks_url", .kind = Kind::kText, .doc = "Where its keys are, without discovery."};
inline constexpr Field kJwksFile{.key = "jwks_file",
                                 .kind = Kind::kFile,
                                 .doc = "The file of its keys; read anew with every reload."};
inline constexpr Field kLeeway{.key = "leeway",
                               .kind = Kind::kDuration,
                               .doc = "For clocks that differ.",
                               .fallback = "30s",
                               .max = 60 * kSecond};

// How the claims of a token, an answer or a session say whose it is.
inline constexpr Field kTenantClaim{
    .key = "tenant",
    .kind = Kind::kText,
    .doc =
        "The claim that names the tenant; a dot leads into an object. One of `tenant`, "
        "`fixed_tenant` and `tenant_by_subject` says whose the callers are."};
inline constexpr Field kTenantsNamed{
    .key = "tenants",
    .kind = Kind::kList,
    .doc =
        "The only tenants that the claim `tenant` may name. Not written: every one that there "
        "is.",
    .min = 1,
    .max = 1024,
    .of = Kind::kName};
inline constexpr Field kFixedTenant{
    .key = "fixed_tenant", .kind = Kind::kName, .doc = "The tenant of all of them."};
inline constexpr Field kTenantBySubject{
    .key = "tenant_by_subject",
    .kind = Kind::kTextMap,
    .doc =
        "The tenant by a pattern of the subject. `*` stands for one or more characters: at the "
        "end for the whole rest, elsewhere within one part between `:` and `/`.",
    .max = 1024,
    .of = Kind::kName};
inline constexpr Field kSubjectClaim{.key = "subject",
                                     .kind = Kind::kText,
                                     .doc = "The claim that names the user or workload.",
                                     .fallback = "sub"};
inline constexpr Field kRolesClaim{.key = "roles",
                                   .kind = Kind::kText,
                                   .doc =
                                       "The claim that lists roles: texts, or one text of words. "
                                       "Not written: none."};
inline constexpr Field kScopesClaim{.key = "scopes",
                                    .kind = Kind::kText,
                                    .doc = "The claim that lists scopes.",
                                    .fallback = "scope"};
inline constexpr Field kCertificateAuthority{
    .key = "certificate_authority",
    .kind = Kind::kFile,
    .doc =
        "PEM of who signs the certificate of its server; read anew with every reload. Not written: "
        "the system's."};

}  // namespace tollgate::config
