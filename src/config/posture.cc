// What is valid and weak all the same. Each finding says why it matters and what to write.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/build.h"
#include "config/posture_attempts.h"
#include "config/posture_authentication.h"
#include "config/posture_mcp.h"
#include "config/posture_memory.h"
#include "config/posture_tools.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace {

using limits::Figure;

bool counts_tokens(Figure figure) {
  return figure == Figure::kInputTokensPerMinute || figure == Figure::kOutputTokensPerMinute ||
         figure == Figure::kTotalTokensPerMinute;
}
bool counts_requests(Figure figure) {
  return figure == Figure::kRequestsPerMinute || figure == Figure::kRequestsPerDay;
}

// Findings of parts that do nothing: the gateway is no weaker for them.
bool is_note(std::string_view id) {
  constexpr std::string_view kNotes[] = {
      "upstream-unused",    "model-without-route", "tenant-without-route",  "limit-never-applies",
      "role-without-route", "cap-never-applies",   "output-cap-never-lower"};
  return std::ranges::count(kNotes, id) != 0;
}

// Without its last word: "limits.tenant_id.requests_per_minute" is of "limits.tenant_id".
std::string block_of(const std::string& rule) { return rule.substr(0, rule.rfind('.')); }

class Posture {
 public:
  Posture(const Config& config, const Node& root) : config_(config), root_(root) {}

  std::vector<Finding> find() {
    listeners();
    secrets();
    store();
    memory();
    callers();
    upstreams();
    if (serves_models()) token_limits(config_.limits);
    tenants();
    budgets();
    models();
    alerts();
    for (std::size_t i = 0; i < config_.routes.size(); ++i) route(i);
    std::ranges::sort(found_, [](const Finding& a, const Finding& b) {
      return std::tie(a.line, a.field, a.id) < std::tie(b.line, b.field, b.id);
    });
    return std::move(found_);
  }

 private:
  void tell(std::string id, const std::string& field, std::string message, std::string mend) {
    const Node* node = find_path(root_, field);
    const int line = node->key_line != 0 ? node->key_line : std::max(1, node->line);
    const auto level = is_note(id) ? Finding::Level::kNote : Finding::Level::kWarning;
    found_.push_back({level, std::move(id), line, field, std::move(message), std::move(mend)});
  }

  // Whether the file itself holds a value there.
  bool written(const std::string& owner, std::string_view key) const {
    return find_path(root_, owner)->find(key) != nullptr;
  }

  Written is_written() const {
    return [this](const std::string& owner, std::string_view key) { return written(owner, key); };
  }

  void listeners() {
    for (const Listener& listener : config_.listeners) {
      const std::string field = "listeners." + listener.name;
      if (!listener.tls && !is_loopback(listener.host)) {
        tell("listener-without-tls", field,
             fmt::format("`{}` listens beyond loopback in plain HTTP: keys and prompts can be "
                         "read and changed on the way.",
                         listener.name),
             "tls: { certificate: server.crt, key: server.key }, or an address on 127.0.0.1");
      }
      if (listener.exposure == authorization::Exposure::kInternal &&
          (listener.host == "0.0.0.0" || listener.host == "::")) {
        tell("internal-listener-everywhere", field,
             fmt::format("`{}` shows internal routes on every address of the machine, the public "
                         "ones too.",
                         listener.name),
             "the address of the internal network");
      }
    }
    if (!config_.admin.tls && !is_loopback(config_.admin.host)) {
      tell("admin-beyond-loopback", "admin.address",
           "The admin API is reachable from other machines and speaks plain HTTP: its token can "
           "be read on the way.",
           "tls: { certificate: admin.crt, key: admin.key }, or address: 127.0.0.1:9900 and a "
           "tunnel "
           "to it");
    }
    if (config_.admin.metrics == MetricsAccess::kOpen && !is_loopback(config_.admin.host)) {
      tell("metrics-beyond-loopback", "admin.address",
           "`/metrics` names tenants, users and models to whoever reaches the admin address from "
           "another machine.",
           "metrics: authenticated, and a token of a viewer for Prometheus");
    }
    if (!config_.authentication.accepts_any()) {
      tell("no-credential-accepted", "authentication",
           "No kind of credential is accepted: every request is refused.",
           "authentication: { api_keys: {} }");
    }
  }

  void secret(const std::string& owner, std::string_view key) {
    const Node* node = find_path(root_, owner)->find(key);
    if (node != nullptr) secret(*node, fmt::format("{}.{}", owner, key), key);
  }
  void secret(const Node& node, const std::string& field, std::string_view key) {
    if (node.text.empty() || node.text.starts_with("file:")) return;
    if (find_variable(node.text) != std::string::npos) return;
    tell("secret-in-plain-text", field,
         "A secret stands in the file: whoever reads the file, a backup or the repository has it.",
         fmt::format("{}: \"${{NAME}}\" or {}: file:PATH", key, key));
  }

  void store_password(std::string_view key, const Secret& url) {
    if (url.reveal() != without_password(url)) secret("store", key);
  }

  void secrets() {
    secret("admin", "token");
    for (std::size_t i = 0; i < config_.admin.policy.tokens.size(); ++i) {
      secret(fmt::format("admin.tokens[{}]", i), "token");
    }
    for (std::size_t i = 0; i < config_.admin.policy.oidc.size(); ++i) {
      if (config_.admin.policy.oidc[i].client_secret.empty()) continue;
      secret(fmt::format("admin.oidc[{}].client", i), "secret");
    }
    store_password("ledger", config_.store.postgres_url);
    store_password("rates", config_.store.redis_url);
    for (const Upstream& upstream : config_.upstreams) {
      secret("upstreams." + upstream.name, "credential");
      const Node* all = find_path(root_, "upstreams." + upstream.name)->find("credentials");
      for (std::size_t i = 0; all != nullptr && i < all->children.size(); ++i) {
        secret(all->children[i], fmt::format("upstreams.{}.credentials[{}]", upstream.name, i),
               "credential");
      }
    }
    for (const alerts::Target& target : config_.alerts.notify) {
      secret("notify." + target.name, "secret");
      secret("notify." + target.name, "slack");
    }
    const authentication::Policy& callers = config_.authentication;
    for (std::size_t i = 0; i < callers.introspection.size(); ++i) {
      secret(fmt::format("authentication.introspection[{}].client", i), "secret");
    }
    for (std::size_t i = 0; i < callers.sessions.size(); ++i) {
      const std::string entry = fmt::format("authentication.sessions[{}]", i);
      const Secret& redis = callers.sessions[i].redis_url;
      if (redis.reveal() != without_password(redis)) secret(entry, "redis");
      secret(entry, "secret");
      secret(entry, "previous_secret");
    }
  }

  void callers() {
    const bool asked = std::ranges::any_of(config_.listeners, [](const Listener& listener) {
      return listener.tls && !listener.tls->client_ca.empty();
    });
    if (!asked && !config_.authentication.mtls.empty()) {
      tell("certificates-never-asked-for", "authentication.mtls",
           "No listener asks for client certificates, so nobody can show one.",
           "tls: { client_ca: bundle.pem } on a listener");
    }
    for (Weakness& each : weaknesses_of_verifiers(config_, is_written())) {
      tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
    }
  }

  void memory() {
    for (Weakness& each : weaknesses_of_memory(config_, is_written())) {
      tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
    }
  }

  void store() {
    if (!config_.store.in_memory) return;
    tell("books-in-memory", "store.ledger",
         "Keys, spend and the trail are forgotten when the process ends: budgets start anew.",
         "ledger: sqlite:///var/lib/tollgate/tollgate.db");
  }

  void upstreams() {
    for (std::size_t i = 0; i < config_.upstreams.size(); ++i) {
      const Upstream& upstream = config_.upstreams[i];
      const std::string field = "upstreams." + upstream.name;
      const bool clear = std::ranges::any_of(upstream.endpoints, [](const Endpoint& endpoint) {
        return !endpoint.tls && !is_loopback(endpoint.host);
      });
      if (clear) {
        tell("upstream-in-clear", field,
             fmt::format("`{}` is reached by plain HTTP beyond loopback: prompts{} can be read "
                         "on the way.",
                         upstream.name, upstream.credential.empty() ? "" : " and its credential"),
             "url: https://…");
      }
      if (std::ranges::count(config_.models, static_cast<int>(i), &Model::upstream) == 0) {
        tell("upstream-unused", field, fmt::format("No model is served by `{}`.", upstream.name),
             "remove it");
      }
    }
  }

  // A subject that may only count its requests can still make each of them huge.
  void token_limits(const std::vector<limits::Policy>& policies) {
    std::set<std::string> told;
    for (const limits::Policy& policy : policies) {
      const std::string block = block_of(policy.rule);
      if (!counts_requests(policy.figure) || !told.insert(block).second) continue;
      const bool tokens = std::ranges::any_of(policies, [&](const limits::Policy& other) {
        return other.scope == policy.scope && counts_tokens(other.figure);
      });
      if (tokens) continue;
      tell("requests-without-tokens", block,
           fmt::format("`{}` counts requests and no tokens: one request can cost as much as a "
                       "thousand.",
                       block),
           "input_tokens_per_minute: 80000");
    }
  }

  bool every_tenant_has_budget() const {
    return std::ranges::any_of(config_.budgets, [](const cost::Policy& policy) {
      return policy.scope == limits::Scope::kTenantId || policy.scope == limits::Scope::kGlobal;
    });
  }

  bool some_route_allows(const std::string& tenant) const {
    return std::ranges::any_of(config_.routes, [&](const Route& route) {
      if (route.access.anonymous && tenant == authentication::kAnonymousTenant) return true;
      return std::ranges::any_of(route.access.allow, [&](const authorization::Allow& line) {
        return line.tenants.empty() || std::ranges::count(line.tenants, tenant) != 0;
      });
    });
  }

  bool some_route_asks_for(const std::string& role) const {
    return std::ranges::any_of(config_.routes, [&](const Route& route) {
      return (route.mcp && asks_for(*route.mcp, role)) ||
             std::ranges::any_of(route.access.allow, [&](const authorization::Allow& line) {
               return std::ranges::count(line.roles, role) != 0;
             });
    });
  }

  // No tokens are counted where there are MCP servers alone.
  bool serves_models() const {
    return config_.routes.empty() ||
           std::ranges::any_of(config_.routes, [](const Route& route) { return !route.mcp; });
  }

  bool is_paid() const {
    return serves_models() || std::ranges::any_of(config_.routes, [](const Route& route) {
             return route.mcp && config::is_paid(*route.mcp);
           });
  }

  void tenants() {
    const bool covered = every_tenant_has_budget();
    for (const Tenant& tenant : config_.tenants) {
      const std::string field = "tenants." + tenant.name;
      for (const std::string& role : tenant.grantable_roles) {
        if (some_route_asks_for(role)) continue;
        tell("role-without-route", field + ".grantable_roles",
             fmt::format("No route asks for the role `{}`: a key that is given it may do no more.",
                         role),
             fmt::format("roles: [{}] in `allow` of a route, or remove it", role));
      }
      tenant_tools(tenant);
      if (!covered && !tenant.budget && is_paid()) {
        tell("tenant-without-budget", field,
             fmt::format("Nothing bounds what `{}` may spend.", tenant.name),
             "budget: { usd: 50, per: month, when_exhausted: refuse }");
      }
      if (!some_route_allows(tenant.name)) {
        tell("tenant-without-route", field,
             fmt::format("No route allows `{}`: all its requests are refused.", tenant.name),
             fmt::format("allow: [{{ tenants: [{}] }}] on a route", tenant.name));
      }
    }
  }

  // What a budget says and what can never come about. `tenant`: the one whose it is, or none.
  void exhausted(const cost::Policy& policy, std::string_view tenant) {
    const std::string field = policy.rule + ".when_exhausted";
    const int model = index_of(config_.models, policy.downgrade_to);
    if (model >= 0 && !can_stand_in(config_, model, tenant)) {
      tell("downgrade-not-allowed", field,
           fmt::format("No route lets `{}` use `{}` where it may use another model: what no "
                       "longer fits is refused.",
                       tenant, policy.downgrade_to),
           fmt::format("a route that allows `{}` to use `{}`", tenant, policy.downgrade_to));
    }
    const bool lowers = std::ranges::any_of(config_.routes, [&](const Route& route) {
      return dialects::makes_output(route.surface) &&
             (route.prompt.mode == Mode::kObserve ||
              route.prompt.output_tokens > policy.cap_output_tokens);
    });
    if (policy.when_exhausted == cost::WhenExhausted::kCapOutputTokens && !lowers) {
      tell("output-cap-never-lower", field,
           fmt::format("No route gives more than {} output tokens: what no longer fits is refused.",
                       policy.cap_output_tokens),
           "a lower `cap_output_tokens`");
    }
  }

  void budget(const std::string& field) {
    if (written(field, "when_exhausted")) return;
    tell("budget-without-when-exhausted", field,
         "What happens when the money is spent is left to the default, which is to refuse.",
         "when_exhausted: refuse");
  }

  void budgets() {
    for (const cost::Policy& policy : config_.budgets) {
      budget(policy.rule);
      exhausted(policy, {});
    }
    for (const Tenant& tenant : config_.tenants) {
      if (!tenant.budget) continue;
      budget(tenant.budget->rule);
      exhausted(*tenant.budget, tenant.name);
    }
  }

  void alerts() {
    for (const alerts::Rule& rule : config_.alerts.rules) {
      if (!rule.notify.empty()) continue;
      tell("alert-notifies-nobody", rule.rule,
           "Something is done about callers, and nobody is told of it.", "notify: [ops]");
    }
  }

  void models() {
    for (std::size_t i = 0; i < config_.models.size(); ++i) {
      for (Weakness& each : weaknesses_of_attempts(config_, config_.models[i])) {
        tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
      }
      const bool served = std::ranges::any_of(config_.routes, [&](const Route& route) {
        return std::ranges::count(route.models, static_cast<int>(i)) != 0;
      });
      if (served) continue;
      tell("model-without-route", "models." + config_.models[i].name,
           fmt::format("No route serves `{}`: nobody may ask for it.", config_.models[i].name),
           "name it in a route's `models`, or remove it");
    }
  }

  void tools(const Route& route, const std::string& field) {
    const tools::Policy& policy = route.tools;
    if (std::ranges::count(policy.allow.entries(), "*") != 0) {
      tell("tools-any", field + ".tools.allow",
           fmt::format("Route `{}` lets a caller offer any tool to the model.", route.name),
           "name the tools: [search_docs, get_weather]");
    }
    denied(policy.allow, policy.deny, field + ".tools.allow");
    for (const tools::OfRole& of : policy.by_role) {
      denied(of.allow, policy.deny, field + ".tools.by_role");
    }
    const bool takes_tools = route.surface == dialects::Surface::kChatCompletions ||
                             route.surface == dialects::Surface::kResponses ||
                             route.surface == dialects::Surface::kMessages ||
                             route.surface == dialects::Surface::kCountTokens;
    if (!takes_tools && !(policy.allow.empty() && policy.by_role.empty())) {
      tell("tools-never-apply", field + ".tools",
           fmt::format("A request for {} has no tools.", dialects::name_of(route.surface)),
           "remove `tools`");
    }
  }

  // What is allowed and denied is denied.
  void denied(const tools::NameSet& allow, const tools::NameSet& deny, const std::string& field) {
    constexpr std::string_view kType = "type:";
    for (const std::string& entry : allow.entries()) {
      const bool is_one = std::ranges::count(deny.entries(), entry) != 0;
      const bool is_type =
          entry.starts_with(kType) && deny.keeps_out({.type = entry.substr(kType.size())});
      if (!is_one && !is_type && !deny.has_name(entry)) continue;
      tell("tool-denied", field,
           fmt::format("`{}` is allowed here, and `deny` takes it away.", entry),
           "remove it from one of both");
    }
  }

  // Beside no route it means nothing.
  void tenant_tools(const Tenant& tenant) {
    denied(tenant.tools.allow, tenant.tools.deny,
           fmt::format("tenants.{}.tools.allow", tenant.name));
    for (Weakness& each : weaknesses_of_tools(tenant)) {
      tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
    }
    for (const std::string& entry : tenant.tools.allow.entries()) {
      const bool is_pattern = entry.starts_with('*') || entry.ends_with('*');
      const bool somewhere = std::ranges::any_of(config_.routes, [&](const Route& route) {
        const auto has = [&](const tools::NameSet& allow) {
          return allow.has_name(entry) || std::ranges::count(allow.entries(), entry) != 0;
        };
        return has(route.tools.allow) ||
               std::ranges::any_of(route.tools.by_role,
                                   [&](const tools::OfRole& of) { return has(of.allow); });
      });
      if (somewhere || is_pattern) continue;
      tell("tool-without-route", fmt::format("tenants.{}.tools.allow", tenant.name),
           fmt::format("No route allows the tool `{}`: nobody may use it.", entry),
           "name it in a route's `tools.allow`, or remove it");
    }
  }

  void route(std::size_t at) {
    const Route& route = config_.routes[at];
    const std::string field = fmt::format("routes[{}]", at);
    reach(route, field);
    callers(route, field);
    caps(route, field);
    never_applying(route, field);
    tools(route, field);
    watched(route, field);
    for (Weakness& each : weaknesses_of_tools(config_, route, field)) {
      tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
    }
    if (!route.mcp) return token_limits(route.limits, field);
    secrets_of(*route.mcp, field + ".mcp");
    for (Weakness& each : weaknesses_of_mcp(config_, *route.mcp, field + ".mcp")) {
      tell(std::move(each.id), each.field, std::move(each.message), std::move(each.mend));
    }
  }

  void secrets_of(const Mcp& mcp, const std::string& field) {
    for (const Mcp& server : mcp.servers) {
      secrets_of(server, fmt::format("{}.servers.{}", field, server.name));
    }
    if (!mcp.servers.empty()) return;
    secret(field, "credential");
    for (const auto& each : mcp.credentials) secret(field + ".credential_by_tenant", each.first);
    for (const auto& each : mcp.user_credentials) {
      secret(field + ".credential_by_user", each.first);
    }
  }

  // Who has a credential answers for what it sends; nobody answers for anonymous callers.
  void watched(const Route& route, const std::string& field) {
    if (route.anomalies || !route.access.anonymous) return;
    if (route.surface == dialects::Surface::kModels || route.mcp) return;
    tell("anonymous-route-without-anomalies", field,
         fmt::format("Route `{}` lets callers in without a credential, and nobody looks for "
                     "unusual behaviour on it.",
                     route.name),
         "anomalies: {}");
  }

  // As above, told at the route; the limits of all requests may hold the tokens.
  void token_limits(const std::vector<limits::Policy>& policies, const std::string& field) {
    const bool requests = std::ranges::any_of(policies, counts_requests, &limits::Policy::figure);
    const bool tokens = std::ranges::any_of(policies, counts_tokens, &limits::Policy::figure) ||
                        std::ranges::any_of(config_.limits, counts_tokens, &limits::Policy::figure);
    if (!requests || tokens) return;
    tell("requests-without-tokens", field + ".limits",
         "The route's limits count requests and nothing counts tokens: one request can cost as "
         "much as a thousand.",
         "input_tokens_per_minute: 80000");
  }

  void reach(const Route& route, const std::string& field) {
    if (route.access.exposure != authorization::Exposure::kInternal) return;
    const bool reachable = std::ranges::any_of(config_.listeners, [](const Listener& listener) {
      return listener.exposure == authorization::Exposure::kInternal;
    });
    if (reachable) return;
    tell("internal-route-without-listener", field,
         fmt::format("Route `{}` is internal and every listener is public: it does not exist "
                     "anywhere.",
                     route.name),
         "a listener with exposure: internal");
  }

  void callers(const Route& route, const std::string& field) {
    if (route.access.mode == Mode::kObserve) {
      tell("route-observed", field + ".mode",
           fmt::format("Route `{}` lets everyone with a credential pass and only records who "
                       "would have been refused.",
                       route.name),
           "mode: enforce");
    }
    if (route.access.allow.empty()) {
      tell("route-without-allow", field,
           fmt::format("Route `{}` allows nobody: every request is refused.", route.name),
           "allow: [{ tenants: [NAME] }]");
      return;
    }
    for (std::size_t i = 0; i < route.access.allow.size(); ++i) {
      const authorization::Allow& line = route.access.allow[i];
      const std::string place = fmt::format("{}.allow[{}]", field, i);
      for (const std::string& role : line.roles) {
        if (some_tenant_has(role)) continue;
        tell("unknown-role", place,
             fmt::format("Route `{}` allows the role `{}`, which no tenant has: only keys made "
                         "with it may pass.",
                         route.name, role),
             fmt::format("roles: [{}] on a tenant, or keys with that role", role));
      }
    }
  }

  bool some_tenant_has(const std::string& role) const {
    return std::ranges::any_of(config_.tenants, [&](const Tenant& tenant) {
      return std::ranges::count(tenant.roles, role) +
                 std::ranges::count(tenant.grantable_roles, role) !=
             0;
    });
  }

  void caps(const Route& route, const std::string& field) {
    if (route.surface == dialects::Surface::kModels) return;
    if (route.access.exposure == authorization::Exposure::kPublic && !route.mcp &&
        !written(field, "prompt")) {
      tell("public-route-without-prompt-caps", field,
           fmt::format("Route `{}` is public and its prompts have only the default caps.",
                       route.name),
           "prompt: { body: 1MiB, input_tokens: 32000, output_tokens: 4096, choices: 1 }");
    }
    if (config_.limits.empty() && route.limits.empty()) {
      tell("route-without-limits", field,
           fmt::format("Nothing limits how fast route `{}` may be used.", route.name),
           "limits: { tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000, "
           "concurrent_requests: 6 } }");
    }
  }

  void never_applying(const Route& route, const std::string& field) {
    if (dialects::makes_output(route.surface)) return;
    const std::string_view surface = dialects::name_of(route.surface);
    const bool counts_images = std::ranges::any_of(route.models, [&](int model) {
      return !config_.models[static_cast<std::size_t>(model)].made.image_tokens.empty();
    });
    for (const limits::Policy& policy : route.limits) {
      const bool output = policy.figure == Figure::kOutputTokensPerMinute;
      const bool listing = route.surface == dialects::Surface::kModels || route.mcp;
      if (output && counts_images) continue;
      if (!output && !(listing && counts_tokens(policy.figure))) continue;
      tell("limit-never-applies",
           fmt::format("{}.limits.{}.{}", field, limits::name_of(policy.scope),
                       limits::name_of(policy.figure)),
           fmt::format("`{}` makes no such tokens: this limit can never apply.", surface),
           "remove it");
    }
    for (const std::string_view key : {"output_tokens", "on_output_over"}) {
      if (!written(field, "prompt") || !written(field + ".prompt", key)) continue;
      tell("cap-never-applies", fmt::format("{}.prompt.{}", field, key),
           fmt::format("`{}` makes no output: this cap can never apply.", surface), "remove it");
    }
  }

  const Config& config_;
  const Node& root_;
  std::vector<Finding> found_;
};

}  // namespace

std::vector<Finding> posture(const Config& config, std::string_view text) {
  std::vector<Problem> problems;
  const Node root = parse_tree(text, config.file, problems);
  return Posture(config, root).find();
}

}  // namespace tollgate::config
