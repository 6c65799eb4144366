#include "config/choices.h"

#include "controls/administration/administration.h"
#include "controls/anomalies/signs.h"
#include "controls/attempts/failure.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/jwt_policy.h"
#include "controls/content/content.h"
#include "controls/cost/cost.h"
#include "controls/limits/limits.h"
#include "controls/overload/policy.h"
#include "dialects/chat_template.h"
#include "dialects/guard.h"
#include "dialects/mcp_methods.h"
#include "dialects/media.h"
#include "dialects/surface.h"
#include "tokens/vocabulary.h"

namespace tollgate::config::choices {

List chat_templates() {
  const auto names = dialects::chat_template_names();
  return {names.begin(), names.end()};
}
List service_tiers() { return {kServiceTierNames.begin() + 1, kServiceTierNames.end()}; }
List exposures() { return {"public", "internal"}; }
List modes() { return {"enforce", "observe"}; }
List dialect_names() { return {"openai", "anthropic"}; }
List credential_headers() { return {"authorization", "x-api-key", "api-key"}; }
List conversations() { return {"chat_completions", "responses", "messages"}; }
List cap_fields() { return {"both", "max_tokens", "max_completion_tokens"}; }
List over_caps() { return {"clamp", "refuse"}; }
List input_counts() { return {"near_limits", "always"}; }
List content_packs() {
  List names;
  for (int i = 0; i < content::kPackCount; ++i) {
    const auto pack = static_cast<content::Pack>(i);
    if (pack != content::Pack::kLinks) names.push_back(content::name_of(pack));
  }
  return names;
}
List alert_actions() { return {"none", "slow_down", "freeze"}; }
List alert_scopes() { return {"global", "tenant_id", "user_id", "key_id", "route", "model"}; }
List answer_packs() {
  using content::Pack;
  return {content::name_of(Pack::kSecrets),   content::name_of(Pack::kPii),
          content::name_of(Pack::kInjection), content::name_of(Pack::kSpecialTokens),
          content::name_of(Pack::kLinks),     content::name_of(Pack::kUnicode),
          content::name_of(Pack::kOwn)};
}
List on_repeating() { return {"pass", "end"}; }
List unlisted_tools() { return {"refuse", "remove"}; }
List tool_arguments() { return {"pass", "parse", "validate"}; }
List rule_readings() { return {"text", "words"}; }
List on_matches() { return {"refuse", "flag", "redact"}; }
List guard_kinds() {
  List names;
  for (int i = 0; i < dialects::kGuardKindCount; ++i) {
    names.push_back(dialects::name_of(static_cast<dialects::GuardKind>(i)));
  }
  return names;
}
List guard_on_matches() { return {"refuse", "flag"}; }
List guard_on_failures() { return {"refuse", "pass"}; }
List attempt_failures() { return {attempts::kFailures.begin(), attempts::kFailures.end()}; }
List priorities() { return {overload::kPriorities.begin(), overload::kPriorities.end()}; }
List on_anomalies() { return {"alert", "slow_down", "refuse"}; }
List anomaly_signs() {
  List names;
  for (const anomalies::SignRow& row : anomalies::kSigns) names.push_back(row.name);
  return names;
}
List mcp_server_requests() {
  List names;
  for (int i = 0; i < dialects::kMcpServerRequestCount; ++i) {
    names.push_back(dialects::name_of(static_cast<dialects::McpServerRequest>(i)));
  }
  return names;
}
List methods() { return {"POST", "GET"}; }
List contents() { return {"none", "hash"}; }
List survivals() { return {"kill", "power_loss"}; }
List image_formulas() { return dialects::image_formula_names(); }
List audio_formulas() { return dialects::audio_formula_names(); }
List later_contents() { return {"full"}; }
List whens() { return {"refuse", "allow_and_alert"}; }
List money_faults() { return {"refuse"}; }
List rate_faults() { return {"refuse", "local_share"}; }
List key_faults() { return {"refuse", "cached"}; }
List later_surfaces() { return {"images", "audio"}; }

List surfaces() {
  List names;
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<dialects::Surface>(i);
    // That has `mcp` on the route instead.
    if (surface != dialects::Surface::kMcp) names.push_back(dialects::name_of(surface));
  }
  return names;
}
List scopes() {
  List names;
  for (int i = 0; i < limits::kScopeCount; ++i) {
    names.push_back(limits::name_of(static_cast<limits::Scope>(i)));
  }
  return names;
}
List answer_scopes() { return {"user", "tenant"}; }
List budget_scopes() {
  List names = scopes();
  std::erase(names, limits::name_of(limits::Scope::kClientIp));
  return names;
}
List later_budget_scopes() { return {limits::name_of(limits::Scope::kClientIp)}; }
List windows() {
  List names;
  for (int i = 0; i <= static_cast<int>(cost::Window::kTotal); ++i) {
    names.push_back(cost::name_of(static_cast<cost::Window>(i)));
  }
  return names;
}
List credential_kinds() {
  List names;
  for (int i = 0; i < authentication::kCredentialKindCount; ++i) {
    names.push_back(authentication::name_of(static_cast<authentication::CredentialKind>(i)));
  }
  return names;
}
List token_kinds() {
  return {authentication::name_of(authentication::CredentialKind::kJwt),
          authentication::name_of(authentication::CredentialKind::kWorkload)};
}
List token_types() { return {"any", "access_token"}; }
List algorithms() {
  List names;
  for (const authentication::Algorithm algorithm : authentication::public_algorithms()) {
    names.push_back(authentication::name_of(algorithm));
  }
  return names;
}
List client_proofs() { return {"basic", "post"}; }
List cookie_forms() { return {"signed", "encrypted"}; }
List secret_uses() { return {"as_given", "derived"}; }
List certificate_names() { return {"common_name", "dns_name"}; }
List client_certificates() { return {"require", "optional"}; }
List proxy_protocols() { return {"off", "required"}; }
List forwarded_headers() { return {"x_forwarded_for", "forwarded"}; }
List admin_roles() {
  List names;
  for (int i = 0; i < administration::kRoleCount; ++i) {
    names.push_back(administration::name_of(static_cast<administration::Role>(i)));
  }
  return names;
}
List metrics_accesses() { return {"open", "authenticated"}; }
List vocabularies() { return tokens::known_vocabularies(); }

}  // namespace tollgate::config::choices
