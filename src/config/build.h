// The parts of the loader: from a checked tree to a Config, and what must hold across it.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/binder.h"
#include "config/config.h"
#include "config/scalars.h"

namespace tollgate::config {

// Fills `config` from what is sound in the tree. What a table cannot say is told here: names
// that refer to nothing, exactly one of two keys, files that cannot be read.
void build(const View& root, Config& config, Report& report);

// The part of build() for `authentication`.
void build_authentication(const View& view, Config& config, Report& report);

// The part of that for `authentication.mtls`; after the listeners and the tenants.
void build_mtls(const View& view, Config& config, Report& report);

// The part of build() for `guards`, after the upstreams, and those of a route.
void build_guards(const View& root, Config& config, Report& report);
void route_guards(Report& report, const View& view, const Config& config, Route& route);

// The part of build() for `alerts` and `notify`; after the routes, whose budgets it has tell.
void build_alerts(const View& root, Config& config, Report& report);

// First 12 hex digits of the SHA-256.
std::string version_of(std::string_view text);

// The tiers that callers of a route may ask for.
ServiceTiers build_service_tiers(const View& route, dialects::Surface surface, Report& report);

// What a model is paid by beside tokens, or instead of them, and that it has a price at all.
MadePrices build_made_prices(const View& model, Report& report);
// The part of validate() for the route at `at`: its models have a price for what it serves.
void validate_made_prices(const Config& config, std::size_t at, const Node& root, Report& report);

// Of an upstream, of the file and of a model what there is to say of attempts.
std::optional<attempts::HealthCheck> build_health_check(const View& upstream);
std::optional<overload::QueuePolicy> build_queue(const View& upstream);
attempts::BreakerPolicy build_breaker(const View& upstream, Report& report);
void upstream_credentials(Report& report, const View& view, Upstream& upstream);
attempts::RetryPolicy build_retries(const View& root);
void model_attempts(Report& report, const View& view, Model& model);
// The part of validate() for them: who steps in is there, on the same path.
void validate_attempts(const Config& config, const Node& root, Report& report);

// The `tools` of a route, and of a tenant.
tools::Policy build_tools(const View& route, Report& report);
tools::TenantPolicy build_tenant_tools(const View& tenant, Report& report);
// The `stored_responses` of a route, after all else of it.
void route_stored_responses(Report& report, const View& view, const Config& config, Route& route);
// The `cache` and `idempotency` of a route.
void route_answers(Report& report, const View& view, Route& route);
// The `mcp` of a route, where it has one; after the tenants.
void route_mcp(Report& report, const View& view, const Config& config, Route& route);

// The `content` of a route.
content::Policy build_content(const View& route, dialects::Surface surface, const Config& config,
                              Report& report);
// The rules of the operator's own; before the routes.
void build_own_rules(const View& root, Config& config, Report& report);
// One database for all routes, of the packs that any of them asks for; after them.
void build_content_rules(const View& root, Config& config, Report& report);

// The part of build() for `admin`; after the tenants.
void build_admin(const View& view, Config& config, Report& report);

// The `tls` of a listener or of the admin address; nothing: it has none.
std::optional<Tls> build_tls(const View& owner, Report& report);

// The entries of the list `key`; what is no mapping was told and is no entry.
std::vector<View> entries_of(const View& view, std::string_view key);

// Of an entry of `authentication.jwt` or `admin.oidc`: whose tokens, signed how, by keys from
// where.
authentication::JwtPolicy build_verifier(const View& view, Report& report);
// What is wrong with `jwks_file`, which is here and so can be told at once.
void check_key_file(const View& view, const authentication::JwtPolicy& policy, Report& report);

// Tells mistakes of a policy at the fields where they are written, else at the entry that lacks
// them. Those of a value that its table refused, or of a field that it demands, were told already.
void tell_mistakes(Report& report, const View& view,
                   std::span<const authentication::PolicyMistake> mistakes,
                   std::span<const std::string_view> demanded);

// The `email` of an entry of `notify`.
void build_email(Report& report, const View& view, alerts::Target& made);

// Tells what is wrong with the value of `key`, where it is written and was sound so far.
void tell_in(Report& report, const View& view, std::string_view key, std::string message);

// The file that `key` names, seen from the folder of the configuration; empty: none.
std::string file_of(const Report& report, const View& view, std::string_view key);

// The same; a file that cannot be read is told.
std::string readable_file(Report& report, const View& view, std::string_view key);

// `certificate_authority`, read; without it, or where it is of no use and that was told: the
// system's.
CertificateAuthority authority_of(Report& report, const View& view);

// What must hold between the parts: addresses, surfaces and dialects, routes that could both
// match one request, tenants' limits against the default.
void validate(const Config& config, const Node& root, Report& report);

// The place of `name` among the parts of that name, or -1.
template <class Parts>
int index_of(const Parts& parts, std::string_view name) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

// "there is no model `x`; did you mean `y`?"
template <class Parts>
std::string unknown_name(std::string_view name, std::string_view what, const Parts& parts) {
  std::vector<std::string_view> known;
  for (const auto& part : parts) known.push_back(part.name);
  const auto near = nearest(name, known);
  return fmt::format("there is no {} `{}`{}", what, name,
                     near ? fmt::format("; did you mean `{}`?", *near) : "");
}

// Whether some caller could be allowed by both routes. Roles do not keep routes apart: a caller
// may have several.
bool share_callers(const Route& a, const Route& b);

// Whether a request for another model may be served by `model` instead: on the same path and
// method, for a caller of `tenant` (of any, where that is empty) whom both routes may allow.
bool can_stand_in(const Config& config, int model, std::string_view tenant);

// Whether a certificate and key are readable PEM and belong together; else what is wrong.
std::string check_tls(const Tls& tls);

// Whether a bundle of authorities can be read; else what is wrong.
std::string check_client_ca(const std::string& path);

}  // namespace tollgate::config
