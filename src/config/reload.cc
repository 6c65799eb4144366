#include "config/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "controls/content/rules.h"

namespace tollgate::config {

namespace {

bool same_listeners(const Config& a, const Config& b) {
  return std::ranges::equal(a.listeners, b.listeners, [](const Listener& x, const Listener& y) {
    return x.name == y.name && x.host == y.host && x.port == y.port && x.exposure == y.exposure &&
           x.tls.has_value() == y.tls.has_value();
  });
}

template <class Policies>
void tell_rules(const Policies& now, const Policies& next, std::vector<std::string>& gone) {
  for (const auto& policy : now) {
    const bool stays =
        std::ranges::any_of(next, [&](const auto& other) { return other.rule == policy.rule; });
    if (!stays) gone.push_back(policy.rule);
  }
}

template <class Parts>
auto find_named(const Parts& parts, const std::string& name) {
  return std::ranges::find_if(parts, [&](const auto& part) { return part.name == name; });
}

}  // namespace

std::vector<std::string> needs_restart(const Config& now, const Config& next) {
  std::vector<std::string> fields;
  const auto tell = [&](bool same, std::string_view field) {
    if (!same) fields.emplace_back(field);
  };
  tell(same_listeners(now, next), "listeners (addresses, exposures, whether they speak TLS)");
  tell(now.admin.host == next.admin.host && now.admin.port == next.admin.port, "admin.address");
  tell(now.admin.tls.has_value() == next.admin.tls.has_value(), "admin.tls (whether it is there)");
  tell(now.store.in_memory == next.store.in_memory &&
           now.store.sqlite_path == next.store.sqlite_path &&
           now.store.postgres_url.reveal() == next.store.postgres_url.reveal(),
       "store.ledger");
  tell(now.store.redis_url.reveal() == next.store.redis_url.reveal(), "store.rates");
  tell(now.store.state_directory == next.store.state_directory, "store.state_directory");
  tell(now.store.rates_on_fault == next.store.rates_on_fault &&
           now.store.keys_on_fault == next.store.keys_on_fault,
       "store.on_fault");
  tell(now.authentication.pepper_file == next.authentication.pepper_file,
       "authentication.api_keys.pepper_file");
  tell(now.audit.keep == next.audit.keep, "audit.keep");
  tell(now.audit.queue_bytes == next.audit.queue_bytes, "audit.queue");
  tell(now.edge.workers == next.edge.workers, "edge.workers");
  return fields;
}

namespace {

void tell_packs(std::string_view route, std::string_view of, std::span<const content::Pack> now,
                std::span<const content::Pack> next, std::vector<std::string>& gone) {
  for (const content::Pack pack : now) {
    if (std::ranges::count(next, pack) != 0) continue;
    gone.push_back(fmt::format("routes.{}.content.{}.{}", route, of, content::name_of(pack)));
  }
}

// What is done about matches of one rule.
struct RuleActions {
  std::string_view name;
  content::Action now;
  content::Action next;
};

// Of the rules of a pack that both have.
std::vector<RuleActions> rules_of(content::Pack pack, const content::Policy& before,
                                  std::span<const content::Action> now,
                                  const content::Policy& after,
                                  std::span<const content::Action> next) {
  const std::span<const content::Rule> rules = content::all_rules();
  std::vector<RuleActions> made;
  for (std::size_t i = 0; i < std::min({rules.size(), now.size(), next.size()}); ++i) {
    if (rules[i].pack == pack) made.push_back({rules[i].name, now[i], next[i]});
  }
  for (std::size_t i = 0; pack == content::Pack::kOwn && i < before.own.size(); ++i) {
    const auto other = std::ranges::find(after.own, before.own[i]);
    if (other == after.own.end()) continue;  // Told as what is gone for all routes.
    const auto number = static_cast<std::size_t>(other - after.own.begin());
    made.push_back({before.own[i], now[rules.size() + i], next[rules.size() + number]});
  }
  return made;
}

// What is done about matches of a pack that stays, where it becomes less: an exception, an override
// or the mode. Rules of which the same is true are told as their pack.
void tell_weaker(const std::string& policy, content::Pack pack, std::span<const RuleActions> rules,
                 std::vector<std::string>& gone) {
  std::map<std::pair<content::Action, content::Action>, std::vector<std::string_view>> weaker;
  std::size_t all = 0;
  for (const RuleActions& rule : rules) {
    if (rule.now == content::Action::kNone) continue;
    ++all;
    if (rule.next < rule.now) weaker[{rule.now, rule.next}].push_back(rule.name);
  }
  for (const auto& [actions, names] : weaker) {
    const auto [before, after] = actions;
    const std::string what =
        after == content::Action::kNone
            ? std::string("left out")
            : fmt::format("{} instead of {}", content::name_of(after), content::name_of(before));
    if (names.size() == 1) {
      gone.push_back(fmt::format("{}.{} ({})", policy, names.front(), what));
    } else if (names.size() == all) {
      gone.push_back(fmt::format("{}.{} ({})", policy, content::name_of(pack), what));
    } else {
      gone.push_back(fmt::format("{}.{} ({} of its rules: {})", policy, content::name_of(pack),
                                 names.size(), what));
    }
  }
}

void tell_content(const Route& now, const Route& next, std::vector<std::string>& gone) {
  const content::Policy& before = now.content;
  const content::Policy& after = next.content;
  tell_packs(now.name, "request", before.request, after.request, gone);
  tell_packs(now.name, "response", before.response, after.response, gone);
  const std::string policy = fmt::format("routes.{}.content", now.name);
  for (const content::Pack pack : before.request) {
    if (std::ranges::count(after.request, pack) == 0) continue;
    tell_weaker(policy + ".request", pack,
                rules_of(pack, before, before.actions, after, after.actions), gone);
  }
  for (const content::Pack pack : before.response) {
    if (!content::holds_answers_to(after, pack)) continue;
    tell_weaker(policy + ".response", pack,
                rules_of(pack, before, before.answer_actions, after, after.answer_actions), gone);
  }
}

// Rules of the operator's own that are not there any more, or have fewer words. What another
// pattern finds less nobody can tell: that is another figure, as those of limits are.
void tell_own_rules(const content::OwnRules& now, const content::OwnRules& next,
                    std::vector<std::string>& gone) {
  if (now == nullptr) return;
  for (const content::OwnRule& rule : *now) {
    const content::OwnSource& before = rule.source();
    const content::OwnSource* after = nullptr;
    if (next != nullptr) {
      const auto other = std::ranges::find_if(
          *next, [&](const content::OwnRule& one) { return one.source().name == before.name; });
      if (other != next->end()) after = &other->source();
    }
    constexpr std::string_view kPack = "own.";
    const std::string field =
        fmt::format("content.rules.{}", std::string_view(before.name).substr(kPack.size()));
    if (after == nullptr) {
      gone.push_back(field);
      continue;
    }
    const auto lost = std::ranges::count_if(before.words, [&](const std::string& word) {
      return std::ranges::count(after->words, word) == 0;
    });
    if (lost > 0 && after->pattern.empty())
      gone.push_back(fmt::format("{}.words ({} of {} left out)", field, lost, before.words.size()));
  }
}

// Of a guard that stays: what it refuses, and whether its failure does.
void tell_weaker_guard(const Guard& now, const Guard& next, std::vector<std::string>& gone) {
  if (now.mode == Mode::kEnforce && next.mode == Mode::kObserve) {
    gone.push_back(now.rule + " (observe instead of enforce)");
  }
  if (now.on_match == OnGuardMatch::kRefuse && next.on_match == OnGuardMatch::kFlag) {
    gone.push_back(now.rule + ".on_match (flag instead of refuse)");
  }
  if (now.on_failure == OnGuardFailure::kRefuse && next.on_failure == OnGuardFailure::kPass) {
    gone.push_back(now.rule + ".on_failure (pass instead of refuse)");
  }
}

// Of one route: what it asked and does not ask any more.
void tell_guards(std::string_view field, std::span<const std::string> now,
                 std::span<const std::string> next, std::vector<std::string>& gone) {
  for (const std::string& guard : now) {
    if (std::ranges::count(next, guard) == 0) gone.push_back(fmt::format("{}.{}", field, guard));
  }
}

void tell_denied(std::string_view field, const tools::NameSet& now, const tools::NameSet& next,
                 std::vector<std::string>& gone) {
  for (const std::string& entry : now.entries()) {
    if (std::ranges::count(next.entries(), entry) == 0)
      gone.push_back(fmt::format("{}.deny.{}", field, entry));
  }
}

// Who is allowed what is for the operator to change; what holds those who are is not for a file
// that is half written.
void tell_tools(std::string_view route, const tools::Policy& now, const tools::Policy& next,
                std::vector<std::string>& gone) {
  const std::string field = fmt::format("routes.{}.tools", route);
  if (now.mode == Mode::kEnforce && next.mode == Mode::kObserve)
    gone.push_back(field + " (observe instead of enforce)");
  tell_denied(field, now.deny, next.deny, gone);
  constexpr std::string_view kArguments[] = {"pass", "parse", "validate"};
  if (next.arguments < now.arguments) {
    gone.push_back(fmt::format("{}.arguments ({} instead of {})", field,
                               kArguments[static_cast<std::size_t>(next.arguments)],
                               kArguments[static_cast<std::size_t>(now.arguments)]));
  }
  if (now.steps && !next.steps) gone.push_back(field + ".steps");
  if (now.repeats && !next.repeats) gone.push_back(field + ".repeats");
}

void tell_tools_of_tenant(const Tenant& now, const Tenant& next, std::vector<std::string>& gone) {
  const std::string field = fmt::format("tenants.{}.tools", now.name);
  if (!now.tools.allow.empty() && next.tools.allow.empty()) gone.push_back(field + ".allow");
  tell_denied(field, now.tools.deny, next.tools.deny, gone);
}

void tell_mcp(const Mcp& now, const Mcp& next, std::vector<std::string>& gone) {
  for (const Mcp& server : now.servers) {
    const auto other = find_named(next.servers, server.name);
    if (other != next.servers.end()) tell_mcp(server, *other, gone);
  }
  if (now.mode == Mode::kEnforce && next.mode == Mode::kObserve)
    gone.push_back(now.rule + " (observe instead of enforce)");
  if (now.pins && !next.pins) gone.push_back(now.rule + ".pins");
}

std::vector<limits::Policy> limits_of_tools(const Route& route) {
  std::vector<limits::Policy> all;
  if (!route.mcp) return all;
  const auto add = [&all](const Mcp& server) {
    for (const McpToolLimits& each : server.tool_limits) {
      all.insert(all.end(), each.limits.begin(), each.limits.end());
    }
  };
  add(*route.mcp);
  std::ranges::for_each(route.mcp->servers, add);
  return all;
}

std::vector<std::string> names_of(const Config& config, std::span<const int> guards) {
  std::vector<std::string> names;
  for (const int guard : guards) {
    names.push_back(config.guards[static_cast<std::size_t>(guard)].name);
  }
  return names;
}

}  // namespace

namespace {

// Whether `other` is an alert for less than `rule`, or does less about it.
bool is_weaker(const alerts::Rule& rule, const alerts::Rule& other) {
  const Duration forever = Duration::max();
  const auto lasts = [&](const alerts::Rule& one) {
    return one.lasts > Duration(0) ? one.lasts : forever;
  };
  const bool does = rule.action != alerts::Action::kNone;
  const bool capped = rule.action == alerts::Action::kCapOutputTokens;
  return other.times_usual > rule.times_usual || other.at_least > rule.at_least ||
         (rule.newcomers && (!other.newcomers || *other.newcomers > *rule.newcomers)) ||
         other.count > rule.count || other.share > rule.share || other.cooldown > rule.cooldown ||
         (does && lasts(other) < lasts(rule)) ||
         (capped && other.cap_output_tokens > rule.cap_output_tokens) ||
         other.downgrade_to != rule.downgrade_to;
}

// Alerts have no names: one is gone where no other tells as much of the same subjects to as many,
// and does as much.
void tell_alerts(const alerts::Policy& now, const alerts::Policy& next,
                 std::vector<std::string>& gone) {
  for (const alerts::Rule& rule : now.rules) {
    const bool stays = std::ranges::any_of(next.rules, [&](const alerts::Rule& other) {
      return other.when == rule.when && other.scope == rule.scope && other.action == rule.action &&
             !is_weaker(rule, other) &&
             std::ranges::all_of(rule.notify, [&](const std::string& target) {
               return std::ranges::count(other.notify, target) != 0;
             });
    });
    if (!stays) gone.push_back(fmt::format("{} ({})", rule.rule, alerts::name_of(rule.when)));
  }
}

}  // namespace

std::vector<std::string> vanished(const Config& now, const Config& next) {
  std::vector<std::string> gone;
  tell_rules(now.limits, next.limits, gone);
  tell_rules(now.budgets, next.budgets, gone);
  tell_own_rules(now.own_rules, next.own_rules, gone);
  for (const Tenant& tenant : now.tenants) {
    const auto other = find_named(next.tenants, tenant.name);
    const std::vector<limits::Policy> none;
    tell_rules(tenant.limits, other == next.tenants.end() ? none : other->limits, gone);
    const bool keeps_budget = other != next.tenants.end() && other->budget;
    if (tenant.budget && !keeps_budget) gone.push_back(tenant.budget->rule);
    if (other != next.tenants.end()) tell_tools_of_tenant(tenant, *other, gone);
  }
  for (const Route& route : now.routes) {
    const auto other = find_named(next.routes, route.name);
    if (other == next.routes.end()) {
      gone.push_back("routes." + route.name);
    } else {
      tell_rules(route.limits, other->limits, gone);
      tell_rules(limits_of_tools(route), limits_of_tools(*other), gone);
      if (route.anomalies && !other->anomalies) {
        gone.push_back(fmt::format("routes.{}.anomalies", route.name));
      }
      tell_guards(fmt::format("routes.{}.guards", route.name), names_of(now, route.guards),
                  names_of(next, other->guards), gone);
      tell_guards(fmt::format("routes.{}.response_guards", route.name),
                  names_of(now, route.response_guards), names_of(next, other->response_guards),
                  gone);
      tell_content(route, *other, gone);
      tell_tools(route.name, route.tools, other->tools, gone);
      if (route.mcp && other->mcp) tell_mcp(*route.mcp, *other->mcp, gone);
    }
  }
  for (const Guard& guard : now.guards) {
    const auto other = find_named(next.guards, guard.name);
    if (other != next.guards.end()) tell_weaker_guard(guard, *other, gone);
  }
  tell_alerts(now.alerts, next.alerts, gone);
  return gone;
}

}  // namespace tollgate::config
