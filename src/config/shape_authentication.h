// The tables of shape.h for authentication.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_claims.h"
#include "config/shape_mtls.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kApiKeysFields[] = {
    {.key = "pepper_file",
     .kind = Kind::kFile,
     .doc =
         "32 or more random bytes that the stored digests of keys need, the same for all gateways "
         "of a `postgres://` ledger, which must name it. Not written: made beside the ledger at "
         "the first start."},
};
inline constexpr Section kApiKeys{"api_keys", "Tenant API keys; `{}` is enough.", kApiKeysFields};

inline constexpr Field kTokenReviewFields[] = {
    {.key = "url",
     .kind = Kind::kText,
     .doc = "Of the API server, https, without the path of reviews.",
     .need = kRequired},
    kCertificateAuthority,
    {.key = "token_file",
     .kind = Kind::kFile,
     .doc = "The token of our own service account, which may create TokenReviews (role "
            "`system:auth-delegator`); read anew within a second of the kubelet's rotation.",
     .need = kRequired},
    kAnswerTimeout,
    {.key = "keep",
     .kind = Kind::kDuration,
     .doc = "How long a good answer is believed, and never beyond the token: so late it is seen at "
            "most that a pod or an account is gone.",
     .fallback = "30s",
     .max = 30 * kSecond},
};
inline constexpr Section kTokenReview{
    "token_review",
    "The API server of a Kubernetes cluster is asked whether a token is still good "
    "(authentication.k8s.io/v1) for one of `audience`. What it does not answer is a 503.",
    kTokenReviewFields};

inline constexpr Field kJwtFields[] = {
    kEntryName,
    {.key = "issuer",
     .kind = Kind::kText,
     .doc = "`iss` of its tokens, to the letter. Its keys are found through "
            "`/.well-known/openid-configuration` there, unless `jwks_url` or `jwks_file` says "
            "where. Required, but with `trust_domain`."},
    {.key = "trust_domain",
     .kind = Kind::kText,
     .doc = "The tokens are JWT-SVIDs of this SPIFFE trust domain."},
    {.key = "audience",
     .kind = Kind::kTexts,
     .doc = "`aud` of a token must have one of these, to the letter.",
     .need = kRequired,
     .max = 16},
    kAlgorithms,
    {.key = "kind",
     .kind = Kind::kChoice,
     .doc = "What the credential counts as, for `allow.credentials` and in records.",
     .fallback = "jwt",
     .names = choices::token_kinds},
    kTokenType,
    kJwksUrl,
    kJwksFile,
    {.key = "token_review",
     .kind = Kind::kSection,
     .doc = "Asks the API server of a cluster of every token, besides its signature; without "
            "`jwks_url` and `jwks_file` in its place. With `kind: workload`.",
     .section = &kTokenReview},
    kCertificateAuthority,
    kLeeway,
    {.key = "token_max_age",
     .kind = Kind::kDuration,
     .doc = "Since `iat`. Not written: until its `exp`.",
     .min = kSecond,
     .max = 36'500 * kDay},
    kTenantClaim,
    kTenantsNamed,
    kFixedTenant,
    kTenantBySubject,
    kSubjectClaim,
    kRolesClaim,
    kScopesClaim,
};
inline constexpr Section kJwt{"jwt",
                              "An issuer of signed tokens: an identity provider, or what names the "
                              "workloads of a platform.",
                              kJwtFields};

inline constexpr Field kClientFields[] = {
    {.key = "id", .kind = Kind::kText, .doc = "Who we are there.", .need = kRequired},
    {.key = "secret", .kind = Kind::kSecret, .doc = "That proves it.", .need = kRequired},
    {.key = "proof",
     .kind = Kind::kChoice,
     .doc = "How both are sent: in the head, or in the form.",
     .fallback = "basic",
     .names = choices::client_proofs},
};
inline constexpr Section kClient{"client", "As whom tokens are asked about.", kClientFields};

inline constexpr Field kIntrospectionFields[] = {
    kEntryName,
    {.key = "url", .kind = Kind::kText, .doc = "Of the endpoint, https.", .need = kRequired},
    {.key = "prefix",
     .kind = Kind::kTexts,
     .doc = "What its tokens begin with: it is asked about no others, and nobody else is about "
            "these. Not written: about all that are no other entry's, but none that begin with "
            "`sk-`.",
     .max = 16},
    {.key = "client",
     .kind = Kind::kSection,
     .doc = "As whom to ask.",
     .need = kRequired,
     .section = &kClient},
    {.key = "issuer", .kind = Kind::kText, .doc = "`iss` of the answer. Not written: any."},
    {.key = "audience",
     .kind = Kind::kTexts,
     .doc = "`aud` of the answer must have one of these. Not written: not looked at, so a token "
            "for any service that this client may ask about will do.",
     .max = 16},
    kAnswerTimeout,
    {.key = "keep",
     .kind = Kind::kDuration,
     .doc = "How long a good answer is believed, and never beyond its `exp`.",
     .fallback = "30s",
     .max = 30 * kSecond},
    kCertificateAuthority,
    kTenantClaim,
    kTenantsNamed,
    kFixedTenant,
    kTenantBySubject,
    kSubjectClaim,
    kRolesClaim,
    kScopesClaim,
};
inline constexpr Section kIntrospection{
    "introspection",
    "Who is asked what an opaque token means (RFC 7662): every token that is no signed one and no "
    "key of ours, but refresh tokens and ID tokens are good for nothing. Without `tenant`, "
    "`fixed_tenant` and `tenant_by_subject` its tenant is "
    "the answer's member `tenant`. With several entries the first that calls it active decides.",
    kIntrospectionFields};

inline constexpr Field kSessionFields[] = {
    kEntryName,
    {.key = "cookie", .kind = Kind::kText, .doc = "The cookie's name.", .need = kRequired},
    {.key = "redis",
     .kind = Kind::kSecret,
     .doc = "Where sessions are kept as JSON objects: `redis://user:password@host:6379/0` or "
            "`rediss://…`. This or `secret`."},
    {.key = "key",
     .kind = Kind::kText,
     .doc = "Under which key; `{id}` stands for the cookie's value: letters, digits and `-_.~`, "
            "at most 128.",
     .fallback = "session:{id}"},
    {.key = "created",
     .kind = Kind::kText,
     .doc = "The member of a kept session that says when it began, in seconds since 1970. Not "
            "written: it ends when Redis drops it."},
    {.key = "secret",
     .kind = Kind::kSecret,
     .doc = "The cookie is the session itself, a JWS or JWE made with this secret: 32 or more "
            "bytes, or an `oct` JWK."},
    {.key = "previous_secret",
     .kind = Kind::kSecret,
     .doc = "Is accepted as well, while cookies are about that were made with it."},
    {.key = "form",
     .kind = Kind::kChoice,
     .doc = "Of a cookie with a secret: a JWS with HS256, or a JWE with `dir` and A256GCM.",
     .fallback = "signed",
     .names = choices::cookie_forms},
    {.key = "secret_use",
     .kind = Kind::kChoice,
     .doc = "`derived` makes a key of each purpose from the secret with HKDF-SHA-256, whose info "
            "is `tollgate session_cookie signed` or `… encrypted`.",
     .fallback = "as_given",
     .names = choices::secret_uses},
    {.key = "issuer", .kind = Kind::kText, .doc = "`iss` of a signed or encrypted cookie."},
    {.key = "audience", .kind = Kind::kTexts, .doc = "`aud` of such a cookie.", .max = 16},
    {.key = "age_max",
     .kind = Kind::kDuration,
     .doc = "How long a session lasts at most, since `iat` or `created`.",
     .fallback = "12h",
     .min = kSecond,
     .max = 36'500 * kDay},
    {.key = "idle_max",
     .kind = Kind::kDuration,
     .doc = "How long it lasts without being used, since `last_used`; of a cookie without that, "
            "since `iat`.",
     .fallback = "1h",
     .min = kSecond,
     .max = 36'500 * kDay},
    {.key = "last_used",
     .kind = Kind::kText,
     .doc = "The member that says when it was last used, in seconds since 1970."},
    {.key = "origins",
     .kind = Kind::kList,
     .doc = "Pages that may call with the cookie, `https://app.example.com`. Not written: those of "
            "the host that is called. Calls with another `Origin` are refused.",
     .max = 64,
     .of = Kind::kText},
    kTenantClaim,
    kTenantsNamed,
    kFixedTenant,
    kTenantBySubject,
    kSubjectClaim,
    kRolesClaim,
    kScopesClaim,
};
inline constexpr Section kSession{"session", "Callers by the session of a web application.",
                                  kSessionFields};

inline constexpr std::int64_t kFailuresMax = 1'000'000;
inline constexpr Field kFailureFields[] = {
    {.key = "per_address",
     .kind = Kind::kCount,
     .doc = "Failures of an address (a /64 of IPv6) before each further one delays it: 1 s, then "
            "twice as long each time. One is forgotten each minute.",
     .fallback = "10",
     .min = 1,
     .max = kFailuresMax},
    {.key = "per_key",
     .kind = Kind::kCount,
     .doc = "Failures with the id of one key in a minute; beyond it the first failure of an "
            "address delays it. Nobody who shows the right key is refused for it.",
     .fallback = "10",
     .min = 1,
     .max = kFailuresMax},
    {.key = "in_all",
     .kind = Kind::kCount,
     .doc = "The same of all failures in a minute.",
     .fallback = "600",
     .min = 1,
     .max = kFailuresMax},
    {.key = "delay_max",
     .kind = Kind::kDuration,
     .doc = "The longest delay.",
     .fallback = "60s",
     .min = kSecond,
     .max = 60 * kSecond},
    {.key = "mode",
     .kind = Kind::kChoice,
     .doc = "`observe` counts and tells, and delays nobody.",
     .fallback = "enforce",
     .names = choices::modes},
};
inline constexpr Section kFailures{
    "failures",
    "How often an authentication may fail. An address that is delayed is refused with 429 and told "
    "how long; what was good from there before still is, and what nobody can guess.",
    kFailureFields};

inline constexpr Field kAuthenticationFields[] = {
    {.key = "api_keys",
     .kind = Kind::kSection,
     .doc = "Accept tenant API keys. Without it no key is accepted.",
     .section = &kApiKeys},
    {.key = "failures",
     .kind = Kind::kSection,
     .doc = "What guessing at credentials meets.",
     .section = &kFailures},
    {.key = "jwt",
     .kind = Kind::kList,
     .doc = "Accept tokens that an identity provider or a platform has signed.",
     .max = 64,
     .section = &kJwt,
     .of = Kind::kSection},
    {.key = "introspection",
     .kind = Kind::kList,
     .doc = "Accept opaque tokens (RFC 7662).",
     .max = 8,
     .section = &kIntrospection,
     .of = Kind::kSection},
    {.key = "sessions",
     .kind = Kind::kList,
     .doc = "Accept session cookies.",
     .max = 8,
     .section = &kSession,
     .of = Kind::kSection},
    {.key = "mtls",
     .kind = Kind::kList,
     .doc = "Accept client certificates.",
     .max = 64,
     .section = &kMtls,
     .of = Kind::kSection},
};
inline constexpr Section kAuthentication{
    "authentication", "Which credentials are accepted. None unless named.", kAuthenticationFields};

}  // namespace tollgate::config
