#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"
#include "config/scalars.h"
#include "dialects/media_url.h"

namespace tollgate::config {

namespace {

bool is_every_address(std::string_view host) { return host == "0.0.0.0" || host == "::"; }

bool collide(std::string_view host_a, std::uint16_t port_a, std::string_view host_b,
             std::uint16_t port_b) {
  return port_a == port_b && port_a != 0 &&
         (host_a == host_b || is_every_address(host_a) || is_every_address(host_b));
}

// Nothing named on either side is anything; else something must be named on both.
template <class T>
bool share(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty() || b.empty()) return true;
  return std::ranges::any_of(a, [&](const T& one) { return std::ranges::count(b, one) != 0; });
}

class Validator {
 public:
  Validator(const Config& config, const Node& root, Report& report)
      : config_(config), root_(root), report_(report) {}

  void validate() {
    addresses();
    pepper();
    proxies();
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      dialect(i);
      anonymous(i);
      media(i);
      validate_made_prices(config_, i, root_, report_);
      for (std::size_t j = 0; j < i; ++j) pair(j, i);
    }
    validate_attempts(config_, root_, report_);
    for (const Upstream& upstream : config_.upstreams) translation(upstream);
    for (const Tenant& tenant : config_.tenants) width(tenant);
    for (const cost::Policy& budget : config_.budgets) downgrade(budget);
    for (const Tenant& tenant : config_.tenants) {
      if (tenant.budget) downgrade(*tenant.budget);
    }
  }

 private:
  void tell(const std::string& field, std::string message) {
    report_.tell(*find_path(root_, field), field, std::move(message));
  }

  // Without a list nobody could connect there.
  void proxies() {
    if (!config_.edge.trusted_proxies.empty()) return;
    for (const Listener& listener : config_.listeners) {
      if (listener.proxy_protocol == ProxyProtocol::kOff) continue;
      tell(fmt::format("listeners.{}.proxy_protocol", listener.name),
           "nobody is believed: list your load balancers in `edge.trusted_proxies`");
    }
  }

  void pepper() {
    if (config_.store.postgres_url.empty() || !config_.authentication.api_keys) return;
    if (!config_.authentication.pepper_file.empty()) return;
    tell("authentication.api_keys",
         "`pepper_file` is missing: all gateways of one `postgres://` ledger must read the keys "
         "with the same pepper. Make 32 random bytes once and give every gateway the file.");
  }

  void addresses() {
    const auto& all = config_.listeners;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].host.empty()) continue;
      const std::string field = fmt::format("listeners.{}.address", all[i].name);
      for (std::size_t j = 0; j < i; ++j) {
        if (collide(all[i].host, all[i].port, all[j].host, all[j].port)) {
          tell(field, fmt::format("listener `{}` has {} already", all[j].name,
                                  format_host_port(all[j].host, all[j].port)));
        }
      }
      if (collide(all[i].host, all[i].port, config_.admin.host, config_.admin.port)) {
        tell(field, fmt::format("{} is the admin address, which is never a listener's",
                                format_host_port(config_.admin.host, config_.admin.port)));
      }
    }
  }

  void dialect(std::size_t at) {
    const Route& route = config_.routes[at];
    if (route.surface == dialects::Surface::kModels || route.mcp) return;
    const dialects::Dialect wanted = dialects::dialect_of(route.surface);
    for (const int index : route.models) {
      const Model& model = config_.models[static_cast<std::size_t>(index)];
      if (model.upstream < 0) continue;
      const Upstream& upstream = config_.upstreams[static_cast<std::size_t>(model.upstream)];
      if (upstream.speaks == wanted || dialects::is_conversation(route.surface)) continue;
      tell(fmt::format("routes[{}].models", at),
           fmt::format("`{}` is served by `{}`, which speaks {}, and the surface `{}` is of {}: "
                       "only conversations (chat_completions, responses, messages) are translated",
                       model.name, upstream.name, name_of(upstream.speaks),
                       dialects::name_of(route.surface), name_of(wanted)));
    }
  }

  // What it is asked by is of its own dialect, and what is dropped is not what is asked.
  void translation(const Upstream& upstream) {
    constexpr std::string_view kAsked[] = {"model",
                                           "messages",
                                           "input",
                                           "system",
                                           "instructions",
                                           "tools",
                                           "functions",
                                           "max_tokens",
                                           "max_completion_tokens",
                                           "max_output_tokens",
                                           "stream"};
    const std::string field = "upstreams." + upstream.name;
    constexpr std::string_view kQuery =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~=&%+:,";
    if (upstream.query.find_first_not_of(kQuery) != std::string::npos) {
      tell(field + ".query", "is no query: NAME=VALUE, joined by `&`, without a `?`");
    }
    for (const dialects::Surface surface : upstream.surfaces) {
      if (dialects::dialect_of(surface) == upstream.speaks) continue;
      tell(field + ".surfaces",
           fmt::format("`{}` is not of the dialect {}, which this upstream speaks",
                       dialects::name_of(surface), name_of(upstream.speaks)));
    }
    for (const std::string& name : upstream.dropped_fields) {
      if (std::ranges::find(kAsked, name) == std::end(kAsked)) continue;
      tell(field + ".drop_fields",
           fmt::format("`{}` is a part of what is asked, and never left out", name));
    }
  }

  // Whoever comes without a credential is still somebody who pays, and is told apart by address.
  void anonymous(std::size_t at) {
    const Route& route = config_.routes[at];
    if (!route.access.anonymous) return;
    const std::string field = fmt::format("routes[{}].anonymous", at);
    if (index_of(config_.tenants, authentication::kAnonymousTenant) < 0) {
      tell(field,
           "callers without a credential are the tenant `anonymous`: add it to `tenants`, "
           "with a budget");
    }
    const bool by_address = std::ranges::any_of(route.limits, [](const limits::Policy& limit) {
      return limit.scope == limits::Scope::kClientIp && limit.mode == Mode::kEnforce;
    });
    if (!by_address && route.surface != dialects::Surface::kModels) {
      tell(field,
           "callers without a credential are told apart by their address alone: give the "
           "route `limits: { client_ip: { requests_per_minute: 10, "
           "input_tokens_per_minute: 10000 } }`");
    }
  }

  void media(std::size_t at) {
    const Route& route = config_.routes[at];
    const std::vector<std::string>& domains = route.prompt.media_domains;
    if (domains.empty()) return;
    const std::string field = fmt::format("routes[{}].prompt.media_domains", at);
    for (const std::string& domain : domains) {
      std::string_view host = domain;
      const bool is_wild = host.starts_with("*.");
      if (is_wild) host.remove_prefix(2);
      if (!dialects::is_host_name(host)) {
        tell(field, fmt::format("`{}` is no host: write a name in small letters, without scheme, "
                                "port and path, such as `images.example.com`, or "
                                "`*.example.com`; an IP address cannot be named",
                                domain));
      } else if (is_wild && host.find('.') == std::string_view::npos) {
        tell(field,
             fmt::format("`{}` is every host below a top-level domain: name the domain whose "
                         "hosts are meant, such as `*.images.example.{}`",
                         domain, host));
      } else if (std::ranges::count(domains, domain) > 1) {
        tell(field, fmt::format("`{}` is there twice", domain));
      }
    }
    const bool takes_images = std::ranges::any_of(route.models, [&](int model) {
      return config_.models[static_cast<std::size_t>(model)].media.images != nullptr;
    });
    if (!takes_images) {
      tell(field,
           "never applies: no model of this route is sent images; name the formula of one as its "
           "`images`");
    }
  }

  static std::string_view name_of(dialects::Dialect dialect) {
    return dialect == dialects::Dialect::kOpenAi ? "openai" : "anthropic";
  }

  // What two routes at one path and method must keep.
  void pair(std::size_t first, std::size_t second) {
    const Route& a = config_.routes[first];
    const Route& b = config_.routes[second];
    if (a.access.path.empty() || a.access.path != b.access.path) return;
    if (a.access.method != b.access.method && !a.access.streams && !b.access.streams) return;
    const std::string field = fmt::format("routes[{}]", second);
    if (a.surface != b.surface) {
      tell(field, fmt::format("route `{}` has this path with the surface `{}`: one path serves "
                              "one surface",
                              a.name, dialects::name_of(a.surface)));
      return;
    }
    const bool listing =
        a.surface == dialects::Surface::kModels || a.surface == dialects::Surface::kMcp;
    const auto shared = std::ranges::find_if(
        a.models, [&](int model) { return std::ranges::count(b.models, model) != 0; });
    if ((shared == a.models.end() && !listing) || !share_callers(a, b)) return;
    const std::string what =
        listing ? "a request"
                : fmt::format("a request for `{}`",
                              config_.models[static_cast<std::size_t>(*shared)].name);
    tell(field,
         fmt::format("{} could match route `{}` as well: keep them apart by path, by models, or "
                     "by tenants or credentials in `allow` (roles do not, as a caller may have "
                     "several; an internal listener serves public routes too)",
                     what, a.name));
  }

  void width(const Tenant& tenant) {
    const std::string field = fmt::format("tenants.{}", tenant.name);
    const Node* widen = find_path(root_, field)->find("widen");
    if (widen != nullptr && widen->text == "true") return;
    for (const limits::Policy& own : tenant.limits) {
      for (const limits::Policy& other : config_.limits) {
        if (other.scope != own.scope || other.figure != own.figure) continue;
        const bool looser = own.mode == Mode::kObserve && other.mode == Mode::kEnforce;
        if (own.limit <= other.limit && !looser) continue;
        tell(own.rule,
             fmt::format("wider than `{}`, which is {}{}: narrow it, or say `widen: true` on the "
                         "tenant",
                         other.rule, other.limit, looser ? " and enforced" : ""));
      }
    }
  }

  void downgrade(const cost::Policy& budget) {
    if (budget.downgrade_to.empty()) return;
    const std::string field = budget.rule + ".when_exhausted.downgrade_to";
    const int index = index_of(config_.models, budget.downgrade_to);
    if (index < 0) {
      return tell(field, unknown_name(budget.downgrade_to, "model", config_.models));
    }
    const Model& model = config_.models[static_cast<std::size_t>(index)];
    if (model.upstream < 0 || can_stand_in(config_, index, {})) return;
    tell(field,
         fmt::format("`{}` can stand in for no other model: a request stays on its path, and no "
                     "path that serves another model serves `{}`; name it in the `models` of a "
                     "route there, or name another",
                     model.name, model.name));
  }

  const Config& config_;
  const Node& root_;
  Report& report_;
};

bool admits(const Route& route, std::string_view tenant) {
  if (route.access.anonymous && tenant == authentication::kAnonymousTenant) return true;
  return tenant.empty() ||
         std::ranges::any_of(route.access.allow, [&](const authorization::Allow& line) {
           return line.tenants.empty() || std::ranges::count(line.tenants, tenant) != 0;
         });
}

}  // namespace

dialects::Surface spoken_surface(const Upstream& upstream, dialects::Surface asked) {
  if (!dialects::is_conversation(asked) || upstream.surfaces.empty()) return asked;
  const bool serves = std::ranges::find(upstream.surfaces, asked) != upstream.surfaces.end();
  return serves ? asked : upstream.surfaces.front();
}

bool can_stand_in(const Config& config, int model, std::string_view tenant) {
  return std::ranges::any_of(config.routes, [&](const Route& serves) {
    if (std::ranges::count(serves.models, model) == 0 || !admits(serves, tenant)) return false;
    return std::ranges::any_of(config.routes, [&](const Route& asked) {
      const bool other = std::ranges::any_of(asked.models, [&](int each) { return each != model; });
      return other && asked.access.path == serves.access.path &&
             asked.access.method == serves.access.method && admits(asked, tenant) &&
             (&asked == &serves || share_callers(asked, serves));
    });
  });
}

bool share_callers(const Route& a, const Route& b) {
  if (a.access.anonymous && b.access.anonymous) return true;
  return std::ranges::any_of(a.access.allow, [&](const authorization::Allow& one) {
    return std::ranges::any_of(b.access.allow, [&](const authorization::Allow& other) {
      return share(one.tenants, other.tenants) && share(one.credentials, other.credentials);
    });
  });
}

void validate(const Config& config, const Node& root, Report& report) {
  Validator(config, root, report).validate();
}

}  // namespace tollgate::config
