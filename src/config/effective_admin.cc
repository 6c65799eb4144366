#include "config/effective_admin.h"

#include <boost/json.hpp>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

namespace {

json::object entry(const administration::FixedToken& token) {
  json::object made{{"name", text(token.name)}, {"token", text(kMask)}};
  made["role"] = text(name_of(token.grant.role));
  put(made, "tenants", token.grant.tenants);
  return made;
}

json::object entry(const administration::RoleGrant& grant) {
  json::object made{{"value", text(grant.value)}, {"role", text(name_of(grant.role))}};
  put(made, "tenants", grant.tenants);
  return made;
}

json::object entry(const administration::OidcPolicy& policy) {
  const authentication::JwtPolicy& bearer = policy.bearer;
  json::object made{{"name", text(policy.name)}};
  put_verifier(made, bearer);
  put(made, "subject", bearer.claims.subject);
  put(made, "roles", bearer.claims.roles);
  put(made, "tenants", policy.tenants);
  json::array grants;
  for (const auto& each : policy.grants) grants.push_back(entry(each));
  made["grants"] = std::move(grants);
  if (!policy.client.empty()) {
    json::object client{{"id", text(policy.client)}};
    if (!policy.client_secret.empty()) client["secret"] = text(kMask);
    made["client"] = std::move(client);
    put(made, "scopes", policy.scopes);
  }
  return made;
}

template <class Entries>
void put_all(json::object& made, std::string_view key, const Entries& entries) {
  if (entries.empty()) return;
  json::array all;
  for (const auto& each : entries) all.push_back(entry(each));
  made[key] = std::move(all);
}

}  // namespace

json::object effective_tls(const Tls& tls) {
  json::object made{{"certificate", text(tls.certificate)}, {"key", text(tls.key)}};
  if (!tls.client_ca.empty()) {
    made["client_ca"] = text(tls.client_ca);
    made["client_certificates"] =
        text(choices::client_certificates()[static_cast<std::size_t>(tls.client_certificates)]);
  }
  return made;
}

json::object effective_admin(const Config& config) {
  const Admin& admin = config.admin;
  json::object made{{"address", format_host_port(admin.host, admin.port)}};
  if (admin.tls) made["tls"] = effective_tls(*admin.tls);
  put(made, "url", admin.policy.url);
  put(made, "hosts", admin.policy.hosts);
  if (!admin.token.empty()) made["token"] = text(kMask);
  put_all(made, "tokens", admin.policy.tokens);
  put_all(made, "oidc", admin.policy.oidc);
  made["metrics"] = text(choices::metrics_accesses()[static_cast<std::size_t>(admin.metrics)]);
  made["sessions"] = {{"idle_max", format_duration(admin.policy.sessions.idle_max)},
                      {"age_max", format_duration(admin.policy.sessions.age_max)}};
  return made;
}

}  // namespace tollgate::config
