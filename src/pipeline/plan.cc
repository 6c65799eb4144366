#include "pipeline/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "pipeline/conversation.h"
#include "pipeline/guards.h"
#include "pipeline/hold_prices.h"
#include "pipeline/inspect.h"
#include "pipeline/made.h"
#include "pipeline/paid_tools.h"
#include "pipeline/stored_response.h"
#include "pipeline/tool_rules.h"

namespace tollgate::pipeline {

namespace {

// Rules in observe mode that would have refused; few, so they are gathered in place.
struct Observed {
  std::array<std::string_view, 8> rules;
  std::size_t count = 0;
  void add(std::string_view rule) {
    if (count < rules.size()) rules[count++] = rule;
  }
};

std::string_view join(Arena& arena, std::string_view a, std::string_view b,
                      std::string_view c = {}) {
  const std::span<char> text = arena.make<char>(a.size() + b.size() + c.size());
  char* end = std::copy(a.begin(), a.end(), text.data());
  end = std::copy(b.begin(), b.end(), end);
  std::copy(c.begin(), c.end(), end);
  return {text.data(), text.size()};
}

const config::Model* model_named(const config::Config& config, const config::Route& route,
                                 std::string_view name) {
  for (const int index : route.models) {
    if (config.models[index].name == name) return &config.models[index];
  }
  return nullptr;
}

// A limit of the same scope and figure that the tenant sets for itself stands in for the
// default.
const limits::Policy& limit_for(const config::Tenant* tenant, const limits::Policy& standard) {
  if (tenant == nullptr) return standard;
  for (const limits::Policy& own : tenant->limits) {
    if (own.scope == standard.scope && own.figure == standard.figure) return own;
  }
  return standard;
}

// Calls `visit` with each limit that applies to the request, once.
template <class Visit>
void each_limit(const config::Config& config, const config::Tenant* tenant,
                const config::Route& route, Visit visit) {
  for (const limits::Policy& standard : config.limits) visit(limit_for(tenant, standard));
  if (tenant != nullptr) {
    for (const limits::Policy& own : tenant->limits) {
      const bool replaces = std::any_of(
          config.limits.begin(), config.limits.end(), [&](const limits::Policy& standard) {
            return standard.scope == own.scope && standard.figure == own.figure;
          });
      if (!replaces) visit(own);
    }
  }
  for (const limits::Policy& of_route : route.limits) visit(of_route);
}

std::int64_t amount_of(limits::Figure figure, const Plan& plan) {
  switch (figure) {
    case limits::Figure::kRequestsPerMinute:
    case limits::Figure::kRequestsPerDay:
    case limits::Figure::kConcurrentRequests:
      return 1;
    case limits::Figure::kInputTokensPerMinute:
      return plan.input.held();
    case limits::Figure::kOutputTokensPerMinute:
      return plan.output_cap_total;
    case limits::Figure::kTotalTokensPerMinute:
      // More than any limit is as good as the most that a limit can be asked for.
      return std::min(plan.input.held() + plan.output_cap_total, kTokensMax);
  }
  CHECK(false);
}

// The most output a choice may make under the limits on output: a cap above a limit's burst
// could never be held, so the cap gives way instead of the request.
Tokens cap_under_limits(const config::Config& config, const config::Tenant* tenant,
                        const config::Route& route, const Plan& plan, Tokens cap) {
  each_limit(config, tenant, route, [&](const limits::Policy& limit) {
    if (limit.mode == Mode::kObserve) return;
    std::int64_t room = limit.limit;
    if (limit.figure == limits::Figure::kTotalTokensPerMinute) {
      room -= plan.input.held();
    } else if (limit.figure != limits::Figure::kOutputTokensPerMinute) {
      return;
    }
    cap = std::min(cap, std::max<Tokens>(1, room / plan.choices));
  });
  return cap;
}

Charges charges_of(const Facts& facts, const config::Tenant* tenant, const Plan& plan,
                   Arena& arena) {
  const config::Config& config = facts.config;
  std::size_t count = 0;
  each_limit(config, tenant, *plan.route, [&](const limits::Policy&) { ++count; });
  const std::span<LimitCharge> limits = arena.make<LimitCharge>(count);
  std::size_t next = 0;
  each_limit(config, tenant, *plan.route, [&](const limits::Policy& limit) {
    limits[next++] = {&limit, subject_of(limit.scope, facts, *plan.route, *plan.model, arena),
                      amount_of(limit.figure, plan)};
  });

  const std::span<BudgetCharge> budgets = arena.make<BudgetCharge>(config.budgets.size() + 1);
  next = 0;
  for (const cost::Policy& budget : config.budgets) {
    budgets[next++] = {&budget, subject_of(budget.scope, facts, *plan.route, *plan.model, arena),
                       plan.held()};
  }
  if (tenant != nullptr && tenant->budget) {
    budgets[next++] = {&*tenant->budget, facts.caller.tenant, plan.held()};
  }
  return {.limits = limits, .budgets = budgets.first(next), .tenant = facts.caller.tenant};
}

std::unexpected<Refusal> refuse_media(std::string_view where, std::string_view what,
                                      const config::Model& model, std::string_view setting) {
  return refuse(Reason::kUnsupportedParameter, fmt::format("models.{}.{}", model.name, setting),
                fmt::format("'{}' is {}, and what that costs on `{}` is not known here: it is set "
                            "by the operator as `models.{}.{}`.",
                            where, what, model.name, model.name, setting),
                std::string(where));
}

// What cannot be counted is sent to no model, whichever it was that was asked for, and nobody has a
// model server fetch what the route does not list.
Expected<void> check_media(const dialects::Request& request, const config::Route& route,
                           const config::Model& model, Arena& arena, Observed& observed) {
  const std::string_view rule = join(arena, "routes.", route.name, ".prompt");
  for (const dialects::MediaAddress& address : request.addresses) {
    Expected<void> listed = prompts::check_media(route.prompt, address.host, address.where, rule);
    if (listed) continue;
    const bool is_listing = !route.prompt.media_domains.empty();
    if (!is_listing || route.prompt.mode == Mode::kEnforce) return listed;
    observed.add(rule);
    break;
  }
  if (!request.images.empty() && model.media.images == nullptr) {
    return refuse_media(request.first_image, "an image", model, "images");
  }
  if (!request.recordings.empty() && model.media.audio == nullptr) {
    return refuse_media(request.first_recording, "a recording", model, "audio");
  }
  return {};
}

// All that there is in the request, what it refers to, and what the provider does for it.
Expected<void> check_sendable(const Facts& facts, const Terms& terms, Plan& plan, Arena& arena,
                              Observed& observed, audit::Record& record) {
  Expected<void> media = check_media(facts.request, *plan.route, *plan.model, arena, observed);
  if (!media) return media;
  if (Expected<void> stored = check_stored(facts, terms, plan, arena); !stored) return stored;
  if (Expected<void> tier = hold_tier(facts, terms, plan); !tier) return tier;
  if (Expected<void> cache = hold_cache(facts, terms, plan); !cache) return cache;
  return hold_paid_tools(facts, plan, arena, record);
}

// The caps on size, and with them the most that the request can make.
Expected<void> cap_output(const Facts& facts, const config::Tenant* tenant, const Terms& terms,
                          Plan& plan, Arena& arena, Observed& observed) {
  prompts::Facts asked;
  asked.body = facts.body_bytes;
  asked.input_tokens = plan.input.tokens;
  asked.input_is_bound = plan.input.is_bound;
  asked.output_tokens_asked = facts.request.output_tokens_asked;
  asked.choices = facts.request.choices;
  // A conversation is held at all that the context takes: whether it fits is for its provider.
  asked.context_tokens = plan.kept.is_conversation ? 0 : plan.model->context_tokens;
  const std::string_view rule = join(arena, "routes.", plan.route->name, ".prompt");
  Expected<prompts::Caps> caps = prompts::check(plan.route->prompt, asked, rule);
  if (!caps) {
    if (plan.route->prompt.mode == Mode::kEnforce) return std::unexpected(caps.error());
    observed.add(rule);
    caps = prompts::observe(plan.route->prompt, asked);
  }
  plan.choices = facts.request.choices;
  if (!dialects::makes_output(plan.route->surface)) return {};
  const Tokens cap = std::min(caps->output_tokens, terms.output_tokens.value_or(kTokensMax));
  plan.output_cap = cap_under_limits(facts.config, tenant, *plan.route, plan, cap);
  if (plan.output_cap > kTokensMax / plan.choices) {
    return refuse(Reason::kInvalidRequest, std::string(rule),
                  "The output asked for, times the choices, is more than can be counted.");
  }
  plan.output_cap_total = plan.output_cap * plan.choices;
  return {};
}

// What a hold at a bound takes of any limit or budget is at most one part of so many: what many
// hold too much for a while leaves room for those that are counted.
constexpr std::int64_t kParts = 64;

// So many hosts of images the record names.
constexpr std::size_t kMediaDomainsTold = 16;

// Whether a request that is held at `bound` is decided as one that is counted: the bound passes
// every cap, takes nothing of the output, and is little beside every limit and budget.
bool decides_alike(const Facts& facts, const config::Tenant* tenant, const Plan& plan,
                   const Count& bound) {
  const prompts::Policy& prompt = plan.route->prompt;
  if (prompt.count_input == prompts::InputCount::kAlways) return false;
  if (dialects::unit_of(plan.route->surface) != dialects::Unit::kNone) return false;
  const Tokens output =
      std::max(facts.request.output_tokens_asked.value_or(0), prompt.output_tokens);
  const Tokens context = plan.model->context_tokens;
  const std::int64_t choices = facts.request.choices;
  if (bound.held() > prompt.input_tokens) return false;
  if (choices < 1 || output > kTokensMax / choices) return false;
  if (context > 0 && bound.held() > context - output) return false;
  cost::Most most;
  most.input = bound.held();
  most.audio = bound.audio;
  most.images = plan.has_images;
  most.writes = plan.cache;
  most.output = output * choices;
  most.tiers = plan.tiers;
  bool alike = true;
  each_limit(facts.config, tenant, *plan.route, [&](const limits::Policy& limit) {
    if (limit.figure == limits::Figure::kInputTokensPerMinute) {
      alike = alike && most.input <= limit.limit / kParts;
    } else if (limit.figure == limits::Figure::kTotalTokensPerMinute) {
      alike = alike && most.input + most.output <= limit.limit / kParts;
    }
  });
  const Money worst = cost::worst(plan.prices->prices, most);
  const auto is_little = [&](const cost::Policy& budget) {
    return worst.micro_usd <= budget.limit.micro_usd / kParts;
  };
  return alike && std::ranges::all_of(facts.config.budgets, is_little) &&
         (tenant == nullptr || !tenant->budget || is_little(*tenant->budget));
}

Count input_of(const Facts& facts, const config::Tenant* tenant, const Plan& plan,
               Counting& counting, const Plan* before) {
  const Scheme scheme = scheme_of(*plan.model);
  const auto with_margin = [&](Count count) {
    count.margin = counting.margin(*plan.model, count);
    return count;
  };
  // A bound that could be a count is none where it may matter.
  if (before != nullptr && scheme_of(*before->model) == scheme && !before->charges.at_a_bound &&
      !plan.kept.any() && plan.paid_tools.total == 0) {
    return with_margin(before->input);
  }
  // What is kept is held again with whatever goes on from it.
  if (facts.input == InputFigure::kBounded && !plan.kept.any() && plan.paid_tools.total == 0 &&
      counting.is_bounded(scheme.tokenizer)) {
    const Count bound = with_margin(Counting::bound(facts.request, scheme));
    if (decides_alike(facts, tenant, plan, bound)) return bound;
  }
  const bool enforced = plan.route->prompt.mode == Mode::kEnforce;
  Count input = with_margin(counting.input(facts.request, scheme,
                                           enforced ? plan.route->prompt.input_tokens : kTokensMax,
                                           facts.caller.tenant));
  input.add_stored(plan.kept.is_conversation ? rest_of_conversation(plan, input.held())
                                             : plan.kept.previous_tokens);
  return input;
}

// The hosts that it has images fetched from, each once.
std::span<const std::string_view> media_domains_of(const dialects::Request& request, Arena& arena) {
  if (request.addresses.empty()) return {};
  std::array<std::string_view, kMediaDomainsTold> told;
  std::size_t count = 0;
  for (const dialects::MediaAddress& address : request.addresses) {
    const std::span<const std::string_view> before(told.data(), count);
    if (count == told.size() || std::ranges::count(before, address.host) != 0) continue;
    told[count++] = arena.copy(address.host);
  }
  return arena.copy(std::span<const std::string_view>(told.data(), count));
}

// Those in force now hold for all of the request.
void choose_prices(const Facts& facts, Plan& plan, audit::Record& record) {
  plan.prices = &config::prices_at(*plan.model, facts.now);
  record.price_version = plan.prices->price_version;
}

// What the record says of the request, known before any verdict that can refuse it.
void describe(const Facts& facts, Arena& arena, audit::Record& record) {
  record.surface = dialects::name_of(facts.request.surface);
  record.model_asked = arena.copy(facts.request.model);
  record.prompt_bytes = facts.body_bytes;
  record.images = std::ssize(facts.request.images);
  record.media_domains = media_domains_of(facts.request, arena);
  record.audio = facts.request.sound;
  for (const Duration recording : facts.request.recordings) record.audio += recording;
  const auto offered = arena.make<std::string_view>(facts.request.tools.size());
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const dialects::Tool& tool = facts.request.tools[i];
    offered[i] = arena.copy(tool.name.empty() ? tool.type : tool.name);
  }
  record.tools_offered = offered;
}

// Whoever vouches for a subject may write any text there, one that looks like a key's too.
std::string_view user_of(const authentication::Identity& caller, Arena& arena) {
  if (caller.subject.empty()) return join(arena, caller.tenant, "/key:", caller.credential_id);
  const bool marked = caller.subject.starts_with("key:") || caller.subject.starts_with("user:");
  return join(arena, caller.tenant, marked ? "/user:" : "/", caller.subject);
}

}  // namespace

const config::Tenant* tenant_named(const config::Config& config, std::string_view name) {
  const auto found = std::ranges::lower_bound(config.tenants, name, {}, &config::Tenant::name);
  return found == config.tenants.end() || found->name != name ? nullptr : &*found;
}

std::string_view subject_of(limits::Scope scope, const Facts& facts, const config::Route& route,
                            const config::Model& model, Arena& arena) {
  switch (scope) {
    case limits::Scope::kGlobal:
      return {};
    case limits::Scope::kTenantId:
      return facts.caller.tenant;
    case limits::Scope::kUserId:
      return user_of(facts.caller, arena);
    case limits::Scope::kKeyId:
      // One verifier may vouch for the same subject in two tenants; a key is of one.
      return facts.caller.verifier.empty()
                 ? facts.caller.credential_id
                 : join(arena, facts.caller.tenant, "/", facts.caller.credential_id);
    case limits::Scope::kRoute:
      return route.name;
    case limits::Scope::kModel:
      return model.name;
    case limits::Scope::kClientIp:
      return arena.copy(format_address(subscriber_of(facts.client_ip)));
  }
  CHECK(false);
}

namespace {

const config::McpToolLimits* limits_of(const McpDemand& demand) {
  if (demand.server == nullptr || demand.tool.empty()) return nullptr;
  const auto& all = demand.server->tool_limits;
  const auto found = std::ranges::find(all, demand.tool, &config::McpToolLimits::tool);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

Money mcp_price(const McpDemand& demand) {
  if (demand.server == nullptr || demand.tool.empty()) return {};
  const config::McpToolLimits* of = limits_of(demand);
  return of != nullptr && of->price_per_call ? *of->price_per_call : demand.server->price_per_call;
}

Charges request_charges(const Facts& facts, const Plan& plan, Arena& arena) {
  return charges_of(facts, tenant_named(facts.config, facts.caller.tenant), plan, arena);
}

Charges mcp_charges(const config::Config& config, const config::Route& route,
                    const authentication::Identity& caller, const IpAddress& client_ip,
                    const McpDemand& demand, Arena& arena) {
  const dialects::Request request;
  const config::Model none;  // No model's limit applies.
  const Facts facts{.config = config, .caller = caller, .client_ip = client_ip, .request = request};
  const config::Tenant* tenant = tenant_named(config, caller.tenant);
  const auto applies = [](const limits::Policy& limit) {
    return limit.scope != limits::Scope::kModel &&
           (limit.figure == limits::Figure::kRequestsPerMinute ||
            limit.figure == limits::Figure::kRequestsPerDay ||
            limit.figure == limits::Figure::kConcurrentRequests);
  };
  std::size_t count = 0;
  const auto each = [&](auto visit) {
    each_limit(config, tenant, route, visit);
    if (const config::McpToolLimits* of = limits_of(demand))
      std::ranges::for_each(of->limits, visit);
  };
  each([&](const limits::Policy& limit) { count += applies(limit); });
  const std::span<LimitCharge> limits = arena.make<LimitCharge>(count);
  std::size_t next = 0;
  each([&](const limits::Policy& limit) {
    if (!applies(limit)) return;
    limits[next++] = {&limit, subject_of(limit.scope, facts, route, none, arena), 1};
  });
  const Money price = mcp_price(demand);
  if (price == Money{}) return {.limits = limits, .budgets = {}, .tenant = caller.tenant};
  const std::span<BudgetCharge> budgets = arena.make<BudgetCharge>(config.budgets.size() + 1);
  next = 0;
  for (const cost::Policy& budget : config.budgets) {
    if (budget.scope == limits::Scope::kModel) continue;
    budgets[next++] = {&budget, subject_of(budget.scope, facts, route, none, arena), price};
  }
  if (tenant != nullptr && tenant->budget) {
    budgets[next++] = {&*tenant->budget, caller.tenant, price};
  }
  return {.limits = limits, .budgets = budgets.first(next), .tenant = caller.tenant};
}

Expected<Plan> decide(const Facts& facts, Counting& counting, content::Scanner& scanner,
                      Arena& arena, audit::Record& record, const Terms& terms, const Plan* before) {
  const config::Config& config = facts.config;
  describe(facts, arena, record);
  Observed observed;
  Plan plan;

  const std::string_view model = terms.model.empty() ? facts.request.model : terms.model;
  const Expected<authorization::Choice> choice =
      authorization::choose(config.access, facts.target, model, facts.caller);
  if (!choice) return std::unexpected(choice.error());
  plan.route = &config.routes[choice->route];
  record.route = plan.route->name;
  if (choice->observed) observed.add(join(arena, "routes.", plan.route->name, ".allow"));
  plan.model = model_named(config, *plan.route, model);
  CHECK(plan.model != nullptr);
  plan.upstream = &config.upstreams[plan.model->upstream];
  record.model_served = plan.model->name;
  choose_prices(facts, plan, record);
  record.upstream = plan.upstream->name;
  // From here on the caller may ask this model here.

  const Expected<ToolVerdict> tools = check_tools(facts, plan, arena, record);
  if (!tools) return std::unexpected(tools.error());
  if (!plan.tools_removed.empty()) return plan;
  for (const std::string_view rule : tools->observed) observed.add(rule);

  // On other terms it is the same texts, and the route has let them pass.
  if (before != nullptr && before->route == plan.route) {
    plan.inspected = before->inspected;
  } else if (const auto inspected = inspect(facts, *plan.route, scanner, arena, record)) {
    plan.inspected = *inspected;
  } else {
    return std::unexpected(inspected.error());
  }
  if (plan.inspected == Inspected::kToRedact) return plan;
  if (plan.inspected == Inspected::kObserved) {
    observed.add(join(arena, "routes.", plan.route->name, ".content"));
  }

  if (Expected<void> sendable = check_sendable(facts, terms, plan, arena, observed, record);
      !sendable) {
    return std::unexpected(sendable.error());
  }
  // From here on the model may be sent all that there is in the request, and what it refers to.

  const config::Tenant* tenant = tenant_named(config, facts.caller.tenant);
  plan.input = input_of(facts, tenant, plan, counting, before);
  record.input_tokens_counted = plan.input.tokens;
  record.input_is_bound = plan.input.is_bound;
  record.input_margin = plan.input.margin;
  if (Expected<void> capped = cap_output(facts, tenant, terms, plan, arena, observed); !capped) {
    return std::unexpected(capped.error());
  }
  hold_tool_tokens(plan);
  if (Expected<void> made = hold_made(facts, plan, arena, record); !made) {
    return std::unexpected(made.error());
  }
  record.output_tokens_cap = plan.output_cap_total;
  if (!dialects::costs_tokens(plan.route->surface)) plan.input = {};
  // From here on the most that it can cost is known.

  plan.worst = worst_of(plan);
  plan.guards = guards_cost_at_most(config, *plan.route, facts.request, plan.output_cap_total);
  plan.charges = charges_of(facts, tenant, plan, arena);
  plan.charges.at_a_bound = plan.input.is_bound && counting.knows(plan.model->tokenizer);
  plan.observed =
      arena.copy(std::span<const std::string_view>(observed.rules.data(), observed.count));
  return plan;
}

}  // namespace tollgate::pipeline
