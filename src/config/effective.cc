// The configuration in force, in the shape of the file. Money and prices are texts, so that no
// reader makes them floats; secrets are masked.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/check.h"
#include "config/choices.h"
#include "config/effective_admin.h"
#include "config/effective_alerts.h"
#include "config/effective_answers.h"
#include "config/effective_attempts.h"
#include "config/effective_authentication.h"
#include "config/effective_mcp.h"
#include "config/effective_parts.h"
#include "config/effective_prices.h"
#include "config/effective_tools.h"
#include "config/load.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace {

namespace json = boost::json;

std::string_view name_of(authorization::Exposure exposure) {
  return exposure == authorization::Exposure::kPublic ? "public" : "internal";
}
std::string_view name_of(Mode mode) { return mode == Mode::kEnforce ? "enforce" : "observe"; }

json::object listeners(const Config& config) {
  json::object made;
  for (const Listener& listener : config.listeners) {
    json::object one;
    one["address"] = format_host_port(listener.host, listener.port);
    one["exposure"] = text(name_of(listener.exposure));
    if (listener.tls) one["tls"] = effective_tls(*listener.tls);
    one["proxy_protocol"] =
        text(choices::proxy_protocols()[static_cast<std::size_t>(listener.proxy_protocol)]);
    made[listener.name] = std::move(one);
  }
  return made;
}

json::object store(const Config& config) {
  const Store& from = config.store;
  json::object made;
  made["ledger"] = from.in_memory              ? "memory"
                   : from.postgres_url.empty() ? "sqlite://" + from.sqlite_path
                                               : without_password(from.postgres_url);
  made["rates"] = from.redis_url.empty() ? "memory" : without_password(from.redis_url);
  if (!from.state_directory.empty()) made["state_directory"] = from.state_directory;
  made["on_fault"] = {
      {"money", "refuse"},
      {"rates", text(choices::rate_faults()[static_cast<std::size_t>(from.rates_on_fault)])},
      {"keys", text(choices::key_faults()[static_cast<std::size_t>(from.keys_on_fault)])}};
  return made;
}

json::object upstreams(const Config& config) {
  json::object made;
  for (const Upstream& upstream : config.upstreams) {
    json::array urls;
    for (const Endpoint& endpoint : upstream.endpoints) urls.emplace_back(format_url(endpoint));
    json::object one{{"urls", std::move(urls)}};
    one["speaks"] = upstream.speaks == dialects::Dialect::kOpenAi ? "openai" : "anthropic";
    if (!upstream.further_credentials.empty()) {
      one["credentials"] = json::array(1 + upstream.further_credentials.size(), text(kMask));
    } else if (!upstream.credential.empty()) {
      one["credential"] = text(kMask);
    }
    const auto header = static_cast<std::size_t>(upstream.credential_header);
    one["credential_header"] = text(choices::credential_headers()[header]);
    if (!upstream.query.empty()) one["query"] = upstream.query;
    one["concurrent_requests"] = upstream.concurrent_requests;
    const auto cap_field = static_cast<std::size_t>(upstream.output_cap_field);
    one["output_cap_field"] = text(choices::cap_fields()[cap_field]);
    json::array surfaces;
    for (const dialects::Surface surface : upstream.surfaces)
      surfaces.emplace_back(text(dialects::name_of(surface)));
    one["surfaces"] = std::move(surfaces);
    if (!upstream.dropped_fields.empty()) one["drop_fields"] = texts(upstream.dropped_fields);
    one["timeout"] = {{"connect", format_duration(upstream.timeout.connect)},
                      {"first_byte", format_duration(upstream.timeout.first_byte)},
                      {"between_chunks", format_duration(upstream.timeout.between_chunks)},
                      {"total", format_duration(upstream.timeout.total)}};
    one["adaptive_concurrency"] = upstream.adaptive_concurrency;
    if (upstream.queue) one["queue"] = effective_queue(*upstream.queue);
    if (upstream.health_check) {
      one["health_check"] = effective_health_check(*upstream.health_check);
    }
    one["circuit_breaker"] = effective_breaker(upstream.breaker);
    if (!upstream.certificate_authority.empty()) {
      one["certificate_authority"] = upstream.certificate_authority.path;
    }
    made[upstream.name] = std::move(one);
  }
  return made;
}

json::object models(const Config& config) {
  json::object made;
  for (const Model& model : config.models) {
    json::object one;
    one["upstream"] = config.upstreams[static_cast<std::size_t>(model.upstream)].name;
    one["name"] = model.upstream_name;
    if (!model.tokenizer.empty()) one["tokenizer"] = model.tokenizer;
    one["chat_template"] = dialects::name_of(model.chat_template);
    if (model.media.images != nullptr) one["images"] = text(name_of(*model.media.images));
    if (model.media.audio != nullptr) one["audio"] = text(name_of(*model.media.audio));
    if (model.context_tokens != 0) one["context_tokens"] = model.context_tokens;
    one["reasoning"] = model.reasoning;
    if (!model.price_entry.empty()) {
      one["prices"] = model.price_entry;
    } else {
      put_prices(one, model);
    }
    put_attempts(one, model);
    made[model.name] = std::move(one);
  }
  return made;
}

json::value when_exhausted(const cost::Policy& policy) {
  switch (policy.when_exhausted) {
    case cost::WhenExhausted::kRefuse:
      return "refuse";
    case cost::WhenExhausted::kAllowAndAlert:
      return "allow_and_alert";
    case cost::WhenExhausted::kDowngradeTo:
      return json::object{{"downgrade_to", policy.downgrade_to}};
    case cost::WhenExhausted::kCapOutputTokens:
      return json::object{{"cap_output_tokens", policy.cap_output_tokens}};
  }
  CHECK(false);
}

json::object budget(const cost::Policy& policy) {
  json::object made{{"usd", format_usd(policy.limit)}};
  made["per"] = text(cost::name_of(policy.window));
  if (policy.window != cost::Window::kTotal) made["time_zone"] = text(policy.zone.name());
  made["mode"] = text(name_of(policy.mode));
  json::array shares;
  for (const double share : policy.alert_at) shares.emplace_back(fmt::format("{}", share));
  if (!shares.empty()) made["alert_at"] = std::move(shares);
  made["when_exhausted"] = when_exhausted(policy);
  return made;
}

json::object tenants(const Config& config) {
  json::object made;
  for (const Tenant& tenant : config.tenants) {
    json::object one{{"roles", texts(tenant.roles)}};
    put(one, "grantable_roles", tenant.grantable_roles);
    one["keys_max"] = tenant.keys_max;
    one["weight"] = tenant.weight;
    if (tenant.budget) one["budget"] = budget(*tenant.budget);
    if (!tenant.limits.empty()) {
      one["limits"] = figures(tenant.limits, limits::Scope::kTenantId);
    }
    put_tenant_tools(one, tenant.tools);
    made[tenant.name] = std::move(one);
  }
  return made;
}

json::object budgets(const Config& config) {
  json::object made;
  for (const cost::Policy& policy : config.budgets) {
    made[limits::name_of(policy.scope)] = budget(policy);
  }
  return made;
}

json::array allow(const Route& route) {
  json::array made;
  for (const authorization::Allow& line : route.access.allow) {
    json::object one;
    if (!line.tenants.empty()) one["tenants"] = texts(line.tenants);
    if (!line.roles.empty()) one["roles"] = texts(line.roles);
    json::array kinds;
    for (const auto kind : line.credentials) kinds.push_back(text(authentication::name_of(kind)));
    if (!kinds.empty()) one["credentials"] = std::move(kinds);
    if (!line.scopes.empty()) one["scopes"] = texts(line.scopes);
    made.push_back(std::move(one));
  }
  return made;
}

json::object guards(const Config& config) {
  json::object made;
  for (const Guard& guard : config.guards) {
    json::object one{{"kind", text(dialects::name_of(guard.kind))}};
    one["upstream"] = config.upstreams[static_cast<std::size_t>(guard.upstream)].name;
    one["path"] = guard.path;
    if (!guard.model.empty()) one["model"] = guard.model;
    if (guard.kind == dialects::GuardKind::kPresidio) one["language"] = guard.language;
    one["categories"] = texts(guard.threshold.categories);
    one["score"] = guard.threshold.score;
    one["on_match"] = guard.on_match == OnGuardMatch::kFlag ? "flag" : "refuse";
    one["on_failure"] = guard.on_failure == OnGuardFailure::kPass ? "pass" : "refuse";
    one["mode"] = text(name_of(guard.mode));
    one["price_per_request"] = format_usd(guard.price_per_request);
    if (guard.prices) {
      one["price_per_million"] = {{"input", format_price_per_million(guard.prices->input)},
                                  {"output", format_price_per_million(guard.prices->output)}};
    }
    one["section"] = format_bytes(guard.section);
    one["cache"] = format_duration(guard.cache);
    made[guard.name] = std::move(one);
  }
  return made;
}

json::array names_of(const Config& config, const std::vector<int>& guards) {
  json::array names;
  for (const int guard : guards) {
    names.push_back(text(config.guards[static_cast<std::size_t>(guard)].name));
  }
  return names;
}

json::object own_rules(const content::OwnRules& rules) {
  json::object made;
  for (const content::OwnRule& rule : *rules) {
    const content::OwnSource& source = rule.source();
    json::object one;
    if (!source.pattern.empty()) one["pattern"] = source.pattern;
    if (!source.words.empty()) one["words"] = texts(source.words);
    one["reads"] = text(choices::rule_readings()[static_cast<std::size_t>(source.reading)]);
    if (!source.description.empty()) one["description"] = source.description;
    made[source.name.substr(source.name.find('.') + 1)] = std::move(one);
  }
  return {{"rules", std::move(made)}};
}

json::object content(const content::Policy& policy) {
  json::object made;
  const auto add = [&](std::string_view field, const std::vector<content::Pack>& packs) {
    json::array names;
    for (const content::Pack pack : packs) names.push_back(text(content::name_of(pack)));
    if (!names.empty()) made[field] = std::move(names);
  };
  add("request", policy.request);
  add("response", policy.response);
  if (!policy.link_hosts.empty()) made["links"] = json::object{{"allow", texts(policy.link_hosts)}};
  made["on_match"] = text(choices::on_matches()[static_cast<std::size_t>(policy.on_match)]);
  if (policy.restore) made["restore"] = true;
  made["mode"] = text(name_of(policy.mode));
  if (!policy.except.empty()) made["except"] = texts(policy.except);
  json::object overrides;
  for (const content::Override& one : policy.overrides) {
    json::object differs;
    if (one.on_match) {
      differs["on_match"] = text(choices::on_matches()[static_cast<std::size_t>(*one.on_match)]);
    }
    if (one.mode) differs["mode"] = text(name_of(*one.mode));
    overrides[one.name] = std::move(differs);
  }
  if (!overrides.empty()) made["overrides"] = std::move(overrides);
  return made;
}

json::object watched(const anomalies::Policy& policy) {
  json::array ignored;
  for (int i = 0; i < anomalies::kSignCount; ++i) {
    const auto sign = static_cast<anomalies::Sign>(i);
    if (policy.ignored.has(sign)) ignored.push_back(text(anomalies::name_of(sign)));
  }
  return {{"on_anomaly", text(anomalies::name_of(policy.on_anomaly))},
          {"threshold", policy.threshold},
          {"ignore", std::move(ignored)},
          {"mode", text(name_of(policy.mode))}};
}

json::array routes(const Config& config) {
  json::array made;
  for (const Route& route : config.routes) {
    json::object one{{"name", route.name}, {"path", route.access.path}};
    one["method"] = route.access.method;
    one["surface"] = text(dialects::name_of(route.surface));
    one["exposure"] = text(name_of(route.access.exposure));
    one["models"] = texts(route.access.models);
    put_service_tiers(one, route.service_tiers);
    one["allow"] = allow(route);
    one["anonymous"] = route.access.anonymous;
    one["mode"] = text(name_of(route.access.mode));
    one["limits"] = figures_by_scope(route.limits);
    if (route.mcp) {
      one["mcp"] = effective_mcp(*route.mcp, route.prompt.body);
      made.push_back(std::move(one));
      continue;
    }
    const bool clamps = route.prompt.on_output_over == prompts::OverCap::kClamp;
    json::object prompt{{"body", format_bytes(route.prompt.body)}};
    prompt["input_tokens"] = route.prompt.input_tokens;
    prompt["output_tokens"] = route.prompt.output_tokens;
    prompt["choices"] = route.prompt.choices;
    prompt["on_output_over"] = clamps ? "clamp" : "refuse";
    const bool always = route.prompt.count_input == prompts::InputCount::kAlways;
    prompt["count_input"] = always ? "always" : "near_limits";
    const bool ends = route.prompt.on_repeating_output == prompts::OnRepeating::kEnd;
    prompt["on_repeating_output"] = ends ? "end" : "pass";
    if (!route.prompt.media_domains.empty())
      prompt["media_domains"] = texts(route.prompt.media_domains);
    prompt["mode"] = text(name_of(route.prompt.mode));
    one["prompt"] = std::move(prompt);
    one["tools"] = effective_tools(route.tools);
    one["guards"] = names_of(config, route.guards);
    one["response_guards"] = names_of(config, route.response_guards);
    one["priority"] = text(choices::priorities()[static_cast<std::size_t>(route.priority)]);
    put_answers(one, route.answers);
    if (route.anomalies) one["anomalies"] = watched(*route.anomalies);
    if (route.surface == dialects::Surface::kResponses)
      one["stored_responses"] = !route.stored_responses.empty();
    if (!route.content.request.empty() || !route.content.response.empty())
      one["content"] = content(route.content);
    made.push_back(std::move(one));
  }
  return made;
}

json::object edge(const Edge& edge) {
  json::array proxies;
  for (const AddressRange& range : edge.trusted_proxies) {
    proxies.push_back(text(format_address_range(range)));
  }
  return {{"header_bytes_max", format_bytes(edge.header_bytes_max)},
          {"headers_max", edge.headers_max},
          {"header_timeout", format_duration(edge.header_timeout)},
          {"handshake_timeout", format_duration(edge.handshake_timeout)},
          {"body_timeout", format_duration(edge.body_timeout)},
          {"idle_timeout", format_duration(edge.idle_timeout)},
          {"stalled_reply_timeout", format_duration(edge.stalled_reply_timeout)},
          {"connections_max", edge.connections_max},
          {"connections_per_address", edge.connections_per_address},
          {"reply_bytes_max", format_bytes(edge.reply_bytes_max)},
          {"buffered_bytes_max", format_bytes(edge.buffered_bytes_max)},
          {"drain_timeout", format_duration(edge.drain_timeout)},
          {"workers", edge.workers},
          {"trusted_proxies", std::move(proxies)},
          {"forwarded_header",
           text(choices::forwarded_headers()[static_cast<std::size_t>(edge.forwarded_header)])}};
}

}  // namespace

std::string effective_json(const Config& config) {
  json::object root{{"version", config.version}, {"file", config.file}};
  root["listeners"] = listeners(config);
  root["admin"] = effective_admin(config);
  root["store"] = store(config);
  root["authentication"] = effective_authentication(config);
  root["upstreams"] = upstreams(config);
  root["retries"] = effective_retries(config.retries);
  root["guards"] = guards(config);
  if (config.own_rules != nullptr) root["content"] = own_rules(config.own_rules);
  root["models"] = models(config);
  if (json::array prices = effective_price_table(config); !prices.empty()) {
    root["prices"] = std::move(prices);
  }
  root["tenants"] = tenants(config);
  root["limits"] = figures_by_scope(config.limits);
  root["budgets"] = budgets(config);
  root["routes"] = routes(config);
  root["audit"] = {
      {"content", config.audit.content == audit::Content::kNone ? "none" : "hash"},
      {"keep", format_duration(config.audit.keep)},
      {"queue", format_bytes(config.audit.queue_bytes)},
      {"survives", config.audit.survives == audit::Survives::kKill ? "kill" : "power_loss"}};
  put_alerts(root, config.alerts);
  root["edge"] = edge(config.edge);
  return json::serialize(root);
}

}  // namespace tollgate::config
