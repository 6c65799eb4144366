// The words that a field of Kind::kChoice takes, and those that the public contract knows and
// this version does not serve. Where a room names its own values they are asked of it.
//
// The order is that of the enumerators: View::choice() goes by place.
#pragma once

#include <string_view>
#include <vector>

namespace tollgate::config::choices {

using List = std::vector<std::string_view>;

List exposures();
List modes();
List dialect_names();
List cap_fields();  // In the order of dialects::CapField.
List over_caps();
List input_counts();  // In the order of prompts::InputCount.
List methods();
List content_packs();      // In the order of content::Pack…
List guard_kinds();        // In the order of dialects::GuardKind.
List guard_on_matches();   // In the order of OnGuardMatch…
List guard_on_failures();  // …and of OnGuardFailure.
List on_matches();         // …and of content::OnMatch.
List unlisted_tools();     // In the order of tools::Unlisted…
List tool_arguments();     // …and of tools::Arguments.
List rule_readings();      // Of content::Reading.
List attempt_failures();   // In the order of attempts::Failure.
List priorities();         // In the order of overload::Priority.
List on_anomalies();       // In the order of anomalies::OnAnomaly…
List anomaly_signs();      // …and of anomalies::Sign.
List alert_actions();      // In the order of alerts::Action, those without terms.
List alert_scopes();       // Of limits::Scope, those that money is spent by.
List answer_packs();       // Of content::Pack, those that answers can be held to.
List on_repeating();       // In the order of prompts::OnRepeating.
List contents();
List survivals();
List whens();
List money_faults();
List rate_faults();  // In the order of OnFault…
List key_faults();   // …and of KeysOnFault.
List surfaces();
List service_tiers();        // Those besides the usual one, in the order of ServiceTier.
List credential_headers();   // In the order of CredentialHeader.
List conversations();        // Names of dialects::Surface.
List mcp_server_requests();  // In the order of dialects::McpServerRequest.
List scopes();
List answer_scopes();  // In the order of answers::Scope.
List budget_scopes();
List windows();
List credential_kinds();
List token_kinds();
List token_types();          // In the order of authentication::TokenType.
List algorithms();           // Those with a public key, in the order of authentication::Algorithm.
List client_proofs();        // In the order of authentication::ClientProof…
List cookie_forms();         // …of CookieForm…
List secret_uses();          // …and of SecretUse.
List certificate_names();    // In the order of authentication::CertificateName.
List client_certificates();  // In the order of ClientCertificates…
List proxy_protocols();      // …of ProxyProtocol…
List forwarded_headers();    // …and of ForwardedHeader.
List admin_roles();          // In the order of administration::Role…
List metrics_accesses();     // …and of MetricsAccess.
List chat_templates();       // In the order of dialects::ChatTemplate.
List vocabularies();
List image_formulas();
List audio_formulas();

// Known, not served. A name that ends in "://" stands for all that begin with it.
List later_contents();
List later_budget_scopes();
List later_surfaces();

}  // namespace tollgate::config::choices
