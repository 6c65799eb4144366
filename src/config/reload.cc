#include "config/reload.h"

#include <fmt/format.h>

#include <algorithm>

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

bool asks(const Config& config, const Route& route, std::string_view guard) {
  return std::ranges::any_of(route.guards, [&](int index) {
    return config.guards[static_cast<std::size_t>(index)].name == guard;
  });
}

}  // namespace

std::vector<std::string> vanished(const Config& now, const Config& next) {
  std::vector<std::string> gone;
  tell_rules(now.limits, next.limits, gone);
  tell_rules(now.budgets, next.budgets, gone);
  for (const Tenant& tenant : now.tenants) {
    const auto other = find_named(next.tenants, tenant.name);
    const std::vector<limits::Policy> none;
    tell_rules(tenant.limits, other == next.tenants.end() ? none : other->limits, gone);
    const bool keeps_budget = other != next.tenants.end() && other->budget;
    if (tenant.budget && !keeps_budget) gone.push_back(tenant.budget->rule);
  }
  for (const Route& route : now.routes) {
    const auto other = find_named(next.routes, route.name);
    if (other == next.routes.end()) {
      gone.push_back("routes." + route.name);
    } else {
      tell_rules(route.limits, other->limits, gone);
      if (route.anomalies && !other->anomalies) {
        gone.push_back(fmt::format("routes.{}.anomalies", route.name));
      }
      for (const int guard : route.guards) {
        const std::string& name = now.guards[static_cast<std::size_t>(guard)].name;
        if (!asks(next, *other, name)) {
          gone.push_back(fmt::format("routes.{}.guards.{}", route.name, name));
        }
      }
      tell_packs(route.name, "request", route.content.request, other->content.request, gone);
      tell_packs(route.name, "response", route.content.response, other->content.response, gone);
    }
  }
  return gone;
}

}  // namespace tollgate::config
