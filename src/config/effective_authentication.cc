#include "config/effective_authentication.h"

#include <boost/json.hpp>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

namespace {

void put_claims(json::object& made, const authentication::ClaimMapping& claims) {
  put(made, "tenant", claims.tenant);
  if (!claims.tenants.empty()) made["tenants"] = texts(claims.tenants);
  put(made, "fixed_tenant", claims.fixed_tenant);
  json::object patterns;
  for (const auto& [pattern, tenant] : claims.tenant_by_subject) patterns[pattern] = text(tenant);
  if (!patterns.empty()) made["tenant_by_subject"] = std::move(patterns);
  put(made, "subject", claims.subject);
  put(made, "roles", claims.roles);
  put(made, "scopes", claims.scopes);
}

json::object entry(const authentication::JwtPolicy& policy) {
  json::object made{{"name", text(policy.name)}};
  put_verifier(made, policy);
  put(made, "trust_domain", policy.trust_domain);
  made["kind"] = text(authentication::name_of(policy.kind));
  if (policy.review) {
    json::object review{{"url", text(policy.review->url)},
                        {"token_file", text(policy.review->token_file)},
                        {"timeout", format_duration(policy.review->timeout)},
                        {"keep", format_duration(policy.review->kept)}};
    put(review, "certificate_authority", policy.review->certificate_authority.path);
    made["token_review"] = std::move(review);
  }
  if (policy.token_max_age) made["token_max_age"] = format_duration(*policy.token_max_age);
  put_claims(made, policy.claims);
  return made;
}

json::object entry(const authentication::IntrospectionPolicy& policy) {
  json::object made{{"name", text(policy.name)}, {"url", text(policy.url)}};
  if (!policy.prefixes.empty()) made["prefix"] = texts(policy.prefixes);
  made["client"] = {
      {"id", text(policy.client)},
      {"secret", text(kMask)},
      {"proof", text(choices::client_proofs()[static_cast<std::size_t>(policy.proof)])}};
  put(made, "issuer", policy.issuer);
  if (!policy.audiences.empty()) made["audience"] = texts(policy.audiences);
  made["timeout"] = format_duration(policy.timeout);
  made["keep"] = format_duration(policy.kept);
  put(made, "certificate_authority", policy.certificate_authority.path);
  put_claims(made, policy.claims);
  return made;
}

json::object entry(const authentication::SessionPolicy& policy) {
  const authentication::SessionCookiePolicy& cookie = policy.cookie;
  json::object made{{"name", text(cookie.name)}, {"cookie", text(cookie.cookie)}};
  if (policy.in_store()) {
    made["redis"] = without_password(policy.redis_url);
    made["key"] = text(policy.key);
    put(made, "created", policy.created);
  } else {
    made["secret"] = text(kMask);
    made["form"] = text(choices::cookie_forms()[static_cast<std::size_t>(cookie.form)]);
    put(made, "issuer", cookie.issuer);
    if (!cookie.audiences.empty()) made["audience"] = texts(cookie.audiences);
  }
  made["age_max"] = format_duration(cookie.age_max);
  made["idle_max"] = format_duration(cookie.idle_max);
  put(made, "last_used", cookie.last_used);
  if (!policy.origins.empty()) made["origins"] = texts(policy.origins);
  put_claims(made, cookie.claims);
  return made;
}

json::object entry(const authentication::MtlsPolicy& policy) {
  json::object made{{"name", text(policy.name)}};
  const bool spiffe = policy.named_by == authentication::CertificateName::kSpiffeId;
  put(made, "trust_domain", policy.trust_domain);
  if (!spiffe) {
    made["subject"] = text(choices::certificate_names()[static_cast<std::size_t>(policy.named_by)]);
  }
  put(made, "bundle", policy.bundle);
  put(made, "tenant", policy.tenant);
  json::object patterns;
  for (const auto& each : policy.tenant_by_name) patterns[each.pattern] = text(each.tenant);
  if (!patterns.empty()) {
    made[spiffe ? "tenant_by_spiffe_id" : "tenant_by_subject"] = std::move(patterns);
  }
  if (!policy.roles.empty()) made["roles"] = texts(policy.roles);
  return made;
}

template <class Policies>
void put_all(json::object& made, std::string_view key, const Policies& policies) {
  json::array list;
  for (const auto& policy : policies) list.push_back(entry(policy));
  if (!list.empty()) made[key] = std::move(list);
}

}  // namespace

json::object effective_authentication(const Config& config) {
  const authentication::Policy& policy = config.authentication;
  json::object made;
  if (policy.api_keys) {
    json::object keys;
    put(keys, "pepper_file", policy.pepper_file);
    made["api_keys"] = std::move(keys);
  }
  made["failures"] = {
      {"per_address", policy.failures.per_address},
      {"per_key", policy.failures.per_key},
      {"in_all", policy.failures.in_all},
      {"delay_max", format_duration(policy.failures.delay_max)},
      {"mode", text(choices::modes()[static_cast<std::size_t>(policy.failures.mode)])}};
  put_all(made, "jwt", policy.jwt);
  put_all(made, "introspection", policy.introspection);
  put_all(made, "sessions", policy.sessions);
  put_all(made, "mtls", policy.mtls);
  return made;
}

}  // namespace tollgate::config
