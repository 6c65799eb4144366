// Attempts at a request that is held for, each with a hold and a record of its own, and which model
// serves it where it is not the one that was asked for.
#include <algorithm>

#include "pipeline/answer_guards.h"
#include "pipeline/at_work.h"
#include "pipeline/held_request.h"
#include "pipeline/life.h"
#include "pipeline/paid_tools.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "pipeline/tool_rules.h"

namespace tollgate::pipeline {

struct Pipeline::Tried {
  std::optional<attempts::Failure> failure;  // Nothing: its caller has an answer or a refusal.
  bool is_free = false;                      // Nothing was charged for it…
  bool is_unsent = false;                    // …and nothing was sent, for want of a place…
  bool is_full = false;                      // …at the whole upstream.
  Refusal refusal;
};

namespace {

// Of an outcome that another model serves by a rule of the model asked for.
constexpr std::string_view kByRule = "downgraded";

// What became of a request, as the trail tells it.
void tell(const Forwarded& result, const Plan& plan, audit::Record& record) {
  const cost::Amounts paid = amounts_of(plan, result.usage);
  record.input = paid.input;
  record.cached_input = paid.cached_input;
  record.audio_input = paid.audio;
  record.image_input = paid.image;
  record.cache_write_5m = paid.cache_write_5m;
  record.cache_write_1h = paid.cache_write_1h;
  record.audio_output = paid.audio_output;
  if (paid.tier != ServiceTier::kDefault) record.service_tier = name_of(paid.tier);
  record.units = result.usage.units;
  record.output = result.usage.output;
  record.reasoning = result.usage.reasoning;
  record.input_reported = result.provider_input;
  record.usage_source = result.source;
  record.cost = add_saturated(cost_of(plan, result.usage), record.guard_cost);
  record.queued = result.queued;
  record.first_byte = result.first_byte;
  if (!result.cut_code.empty()) record.code = result.cut_code;
  if (result.outcome == audit::Outcome::kAllowed) return;  // It ended as it was decided.
  record.outcome = result.outcome;
  record.rule = {};
}

void tell_held(const Hold& hold, Arena& arena, audit::Record& record) {
  record.limits = hold.limits;
  record.budgets = hold.budgets;
  record.accounts = hold.accounts;
  record.observed = joined(record.observed, hold.observed, arena);
}

void observe(std::string_view route, std::string_view field, Arena& arena, audit::Record& record) {
  const std::string rule = std::string("routes.").append(route).append(field);
  const auto one = arena.make<std::string_view>(1);
  one[0] = arena.copy(rule);
  record.observed = joined(record.observed, one, arena);
}

// What was found in the answer, and called.
void tell_of_answer(const Forwarded& result, const Plan& plan, const ToolWatch& tools, Arena& arena,
                    audit::Record& record) {
  tell_of_calls(tools, arena, record);
  if (plan.prices != nullptr) {
    tell_paid_calls(*plan.prices, result.usage.tool_calls, arena, record);
  }
  const AnswerVerdict& answer = result.answer;
  const auto told = arena.make<audit::ContentFinding>(answer.found.size());
  for (std::size_t i = 0; i < told.size(); ++i) {
    const AnswerFinding& found = answer.found[i];
    told[i] = {found.rule, arena.copy(found.where), found.action};
  }
  record.content_after = joined(record.content_after, told, arena);
  const std::string_view route = plan.route->name;
  const bool is_told = plan.inspected == Inspected::kObserved;  // Of the request.
  if (answer.inspected == Inspected::kObserved && !is_told) {
    observe(route, ".content", arena, record);
  }
  if (result.repeats) observe(route, ".prompt.on_repeating_output", arena, record);
}

bool counts_requests(const LimitCharge& charge) {
  return charge.policy->figure == limits::Figure::kRequestsPerMinute ||
         charge.policy->figure == limits::Figure::kRequestsPerDay;
}

// What `charges` take beside the requests that are `counted` already: whoever asked once is counted
// once, however often it is attempted.
Charges without_counted(const Charges& charges, std::span<const LimitCharge> counted,
                        Arena& arena) {
  const auto is_counted = [&](const LimitCharge& charge) {
    return counts_requests(charge) && std::ranges::any_of(counted, [&](const LimitCharge& before) {
             return before.policy == charge.policy && before.subject == charge.subject;
           });
  };
  const auto kept = arena.make<LimitCharge>(charges.limits.size());
  std::size_t count = 0;
  for (const LimitCharge& charge : charges.limits) {
    if (!is_counted(charge)) kept[count++] = charge;
  }
  Charges made = charges;
  made.limits = kept.first(count);
  return made;
}

// Those of `charges` that count requests.
std::span<const LimitCharge> requests_of(const Charges& charges, Arena& arena) {
  const auto counted = arena.make<LimitCharge>(charges.limits.size());
  std::size_t count = 0;
  for (const LimitCharge& charge : charges.limits) {
    if (counts_requests(charge)) counted[count++] = charge;
  }
  return counted.first(count);
}

// How long the first byte is waited for where another model steps in after that.
// A whole answer has its first byte when all of it is made.
std::optional<Duration> patience_of(const Plan& plan, dialects::Delivery delivery, int attempt,
                                    const config::Config& config) {
  const attempts::Fallback& fallback = plan.model->fallback;
  const bool may_follow = attempt < config.retries.attempts && !fallback.models.empty() &&
                          fallback.on.contains(attempts::Failure::kTimeout);
  const bool is_streamed = delivery == dialects::Delivery::kStreamed;
  return may_follow && is_streamed ? fallback.after : std::nullopt;
}

bool is_named(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_for(const attempts::Downgrade& line, std::string_view tenant, Money held) {
  const bool of_tenant = line.tenants.empty() || std::ranges::count(line.tenants, tenant) != 0;
  return of_tenant && (!line.request_usd || held > *line.request_usd);
}

// The share of a budget that was used before this request took its part.
double used_before(const audit::BudgetEvidence& budget) {
  if (budget.limit.micro_usd <= 0) return 1;
  const double left =
      static_cast<double>(budget.free.micro_usd) + static_cast<double>(budget.held.micro_usd);
  return 1 - left / static_cast<double>(budget.limit.micro_usd);
}

// The most that is used of any of the budgets.
double used_of(const Hold& hold) {
  double used = 0;
  for (const audit::BudgetEvidence& budget : hold.budgets) {
    used = std::max(used, used_before(budget));
  }
  return used;
}

// Whether a rule of its own has another model serve instead of this one: then it steps in for none.
bool is_downgraded(const Plan& plan, std::string_view tenant, double used) {
  return std::ranges::any_of(plan.model->downgrades, [&](const attempts::Downgrade& line) {
    return is_for(line, tenant, plan.held()) && used >= line.budget_used.value_or(0);
  });
}

}  // namespace

void Pipeline::serve_instead(Life& life, const Terms& terms, std::string_view code) {
  life.terms = terms;
  life.instead = code;
  life.record.outcome = audit::Outcome::kDowngraded;
  life.record.code = code;
  life.record.rule = terms.budget != nullptr ? std::string_view(terms.budget->rule) : terms.rule;
}

// Nothing of it was used.
void Pipeline::give_back(Hold& hold, const Plan& plan, const Booking& booking) {
  services_.ledger.settle(hold, plan.charges, Used{.never_left = true}, booking,
                          services_.clock.now(), services_.clock.wall());
}

std::optional<Plan> Pipeline::decide_for(Life& life, std::string_view body, const Terms& terms,
                                         const Plan* before, std::string& message) {
  const Expected<Plan> plan = read_and_decide(life, body, terms, before, message);
  // An answer to an alert may have put another model there.
  const bool is_meant = plan && (terms.model.empty() || plan->model->name == terms.model);
  if (!is_meant || life.place < 0) return std::nullopt;
  return *plan;
}

Expected<Plan> Pipeline::decide_first(Life& life, std::string_view body, std::string& message) {
  using attempts::Failure;
  life.undecided = life.record;
  Expected<Plan> plan = read_and_decide(life, body, {}, nullptr, message);
  if (!plan) {
    if (plan.error().reason != Reason::kPromptTooLarge) return plan;
    const auto& models = life.config->models;
    const auto asked = std::ranges::find(models, life.record.model_served, &config::Model::name);
    if (asked == models.end()) return plan;
    const auto other = fall_back(life, body, *asked, Failure::kContextLength, message);
    return other ? Expected<Plan>(*other) : plan;
  }
  plan = downgrade(life, body, *plan, message);
  if (!plan || life.place >= 0) return plan;
  const Instant now = services_.clock.now();
  const auto places = places_.of(*life.config, *plan->model);
  const bool is_ill =
      std::ranges::any_of(places, [&](const auto* place) { return place->is_ill(now); });
  const Failure failure = is_ill ? Failure::kError : Failure::kOverloaded;
  if (const auto other = fall_back(life, body, *plan->model, failure, message)) return *other;
  return std::unexpected(unavailable_now(life, *plan));
}

// None of its endpoints may be asked now.
Refusal Pipeline::unavailable_now(const Life& life, const Plan& plan) {
  const auto places = places_.of(*life.config, *plan.model);
  const Instant now = services_.clock.now();
  return unavailable(*plan.upstream,
                     attempts::available_from(places, tokens_held(plan), now) - now);
}

std::optional<Plan> Pipeline::fall_back(Life& life, std::string_view body,
                                        const config::Model& model, attempts::Failure failure,
                                        std::string& message) {
  if (!model.fallback.on.contains(failure)) return std::nullopt;
  const audit::Record before = life.record;
  const auto one = life.exchange.arena().make<std::string_view>(1);
  one[0] = model.name;
  for (const std::string& name : model.fallback.models) {
    Terms terms;
    terms.model = name;
    terms.rule = model.fallback.rule;
    const std::optional<Plan> plan = decide_for(life, body, terms, nullptr, message);
    if (!plan || is_downgraded(*plan, life.caller.tenant, 0)) continue;
    life.models_tried = one;
    serve_instead(life, terms, attempts::name_of(failure));
    return plan;
  }
  life.record = before;
  return std::nullopt;
}

Expected<Plan> Pipeline::downgrade(Life& life, std::string_view body, Plan plan,
                                   std::string& message) {
  const std::vector<attempts::Downgrade>& lines = plan.model->downgrades;
  const auto asks_price = [](const attempts::Downgrade& line) {
    return line.request_usd.has_value();
  };
  if (plan.charges.at_a_bound && std::ranges::any_of(lines, asks_price)) {
    life.input = InputFigure::kCounted;
    const Expected<Plan> counted = read_and_decide(life, body, {}, nullptr, message);
    if (!counted) return counted;
    plan = *counted;
  }
  for (const attempts::Downgrade& line : lines) {
    if (!is_for(line, life.caller.tenant, plan.held())) continue;
    if (line.budget_used) break;  // Known once it is held.
    const audit::Record before = life.record;
    const Terms terms{.model = line.to, .rule = line.rule};
    if (const std::optional<Plan> other = decide_for(life, body, terms, &plan, message)) {
      serve_instead(life, terms, kByRule);
      return *other;
    }
    life.record = before;
    if (Expected<void> written = write_message(life, plan, message); !written) {
      return std::unexpected(written.error());
    }
  }
  return plan;
}

Task<Expected<Hold, Shortfall>> Pipeline::downgrade_held(Life& life, std::string_view body,
                                                         Plan& plan, std::string& message,
                                                         Hold hold) {
  if (plan.model->downgrades.empty() || !life.terms.model.empty()) co_return hold;
  const double used = used_of(hold);
  bool is_open = false;  // Lines before the first that asks for a budget are decided.
  for (const attempts::Downgrade& line : plan.model->downgrades) {
    if (!is_for(line, life.caller.tenant, plan.held())) continue;
    is_open = is_open || line.budget_used;
    if (!is_open || used < line.budget_used.value_or(0)) continue;
    const audit::Record before = life.record;
    const Terms terms{.model = line.to, .rule = line.rule};
    const std::optional<Plan> other = decide_for(life, body, terms, &plan, message);
    // Held beside the one that is there, so that whoever was let in once is not turned away now.
    if (other) {
      const Expected<Hold, Shortfall> held = co_await this->hold(life, other->charges);
      if (held) {
        give_back(hold, plan, booking_of(before, life.caller, plan));
        plan = *other;
        serve_instead(life, terms, kByRule);
        co_return *held;
      }
    }
    life.record = before;
    if (!write_message(life, plan, message)) break;
  }
  co_return hold;
}

// Who may serve it next: the same model elsewhere, where the failure cost nothing, then those that
// step in for it.
std::vector<Terms> Pipeline::others_of(Life& life, const Plan& plan, const Tried& tried) {
  Arena& arena = life.exchange.arena();
  const auto one = arena.make<std::string_view>(1);
  one[0] = plan.model->name;
  life.models_tried = joined(life.models_tried, one, arena);
  std::vector<Terms> made;
  if (tried.is_free && !tried.is_full) {
    made.push_back(life.terms);
    made.back().model = plan.model->name;
  }
  // Those of the first that failed: so a circle of models ends.
  const auto first =
      std::ranges::find(life.config->models, life.models_tried.front(), &config::Model::name);
  const attempts::Fallback& fallback = first->fallback;
  if (!fallback.on.contains(*tried.failure)) return made;
  for (const std::string& name : fallback.models) {
    if (is_named(life.models_tried, name)) continue;
    Terms terms;
    terms.model = name;
    terms.rule = fallback.rule;
    made.push_back(terms);
  }
  return made;
}

Task<void> Pipeline::serve_held(Life& life, std::string_view body, Plan plan, std::string& message,
                                Hold hold) {
  places_.budget(*plan.upstream).admitted(life.config->retries.share);
  for (;;) {
    const Tried tried = co_await attempt(life, body, plan, message, hold);
    if (!tried.failure) co_return;
    if (!co_await attempt_anew(life, body, tried, plan, message, hold)) {
      co_return co_await refuse_request(life, tried.refusal);
    }
  }
}

// The endpoint that it goes to; null: there is none any more, and it is settled and answered.
Task<attempts::Endpoint*> Pipeline::take_place(Life& life, const Plan& plan, Hold& hold,
                                               const Booking& booking) {
  const auto places = places_.of(*life.config, *plan.model);
  if (life.place >= 0) co_return places[static_cast<std::size_t>(life.place)];
  give_back(hold, plan, booking);
  co_await refuse_request(life, unavailable_now(life, plan));
  co_return nullptr;
}

// On record before the first byte goes upstream, or it does not go: then it is settled and
// answered.
Task<bool> Pipeline::put_on_record(Life& life, const Plan& plan, Hold& hold,
                                   const Booking& booking) {
  bool recorded = append(life, audit::Phase::kDecision, plan.held());
  life.decided = recorded;
  if (recorded && life.config->audit.survives == audit::Survives::kPowerLoss) {
    recorded = (co_await services_.trail.committed(life.record.id, services_.executor)).has_value();
  }
  if (recorded) co_return true;
  services_.ledger.settle(hold, plan.charges, Used{.never_left = true}, booking,
                          services_.clock.now(), services_.clock.wall());
  const Refusal refusal = unrecorded();
  co_await refuse_request(life, refusal);
  co_return false;
}

Task<Pipeline::Tried> Pipeline::attempt(Life& life, std::string_view body, const Plan& plan,
                                        const std::string& message, Hold& hold) {
  Arena& arena = life.exchange.arena();
  tell_held(hold, arena, life.record);
  const Booking booking = booking_of(life.record, life.caller, plan);

  attempts::Endpoint* const at = co_await take_place(life, plan, hold, booking);
  if (at == nullptr || !co_await put_on_record(life, plan, hold, booking)) co_return Tried{};
  // From here on the decision is on record.
  if (!plan.route->guards.empty() && !co_await pass_guards(life, body, plan, hold, booking)) {
    co_return Tried{};
  }

  std::optional<AnswerGuards> guards;
  Exchange& caller = note_reply(life, plan, message);
  begin_answer_guards(life, body, plan, caller, guards);
  ToolWatch tools(tool_scope(*life.config, *plan.route, life.caller), plan.tools);
  HeldRequest held(life, body, plan, hold, booking, enforced(plan.charges, hold, arena));
  const bool restores = plan.route->content.restore;
  const Forwarder::Work work{
      caller,
      plan,
      life.place,
      *at,
      life.caller.tenant,
      weight_of(*life.config, life.caller, *plan.route),
      life.deadline,
      patience_of(plan, life.delivery, life.attempt, *life.config),
      life.delivery,
      life.usage_asked,
      life.record.id,
      message,
      life.config->edge.reply_bytes_max,
      restores ? life.redaction.masked() : std::span<const dialects::Masked>(),
      life.config->content_rules,
      guards ? &*guards : nullptr,
      tools,
      held,
      life.stop};
  const Forwarded result = co_await forwarder_.forward(work);
  // From here on the upstream is done with it, one way or another, and it is settled.

  if (!result.unsent) {
    const audit::Attempt attempt{plan.upstream->name, result.status, result.waited};
    life.record.attempts = joined(life.record.attempts, std::span(&attempt, 1), arena);
  }
  if (guards) tell_of_guards(life, *guards);
  tell(result, plan, life.record);
  tell_of_answer(result, plan, tools, arena, life.record);
  keep_reply(life, plan, result);
  life.upstream_time += result.waited + result.queued;
  if (result.provider_input && dialects::costs_tokens(plan.route->surface)) {
    compare(plan, held.counted(), *result.provider_input);
  }
  if (result.status != 0 || result.source != audit::UsageSource::kNone) {
    life.counted = joined(life.counted, requests_of(plan.charges, arena), arena);
  }
  if (!result.refusal) {
    close_record(life);
    co_return Tried{};
  }
  if (result.failure && !life.exchange.caller_gone()) {
    const bool is_free = result.source == audit::UsageSource::kNone;
    co_return Tried{result.failure, is_free, result.unsent, result.full, *result.refusal};
  }
  co_await refuse_request(life, *result.refusal);
  co_return Tried{};
}

Task<Expected<Hold, Shortfall>> Pipeline::hold_anew(Life& life, Plan& plan) {
  plan.charges = without_counted(plan.charges, life.counted, life.exchange.arena());
  return hold(life, plan.charges);
}

// The record of the attempt that failed is closed, and that of the one that follows is open.
void Pipeline::begin_attempt(Life& life, std::string_view id, const audit::Record& failed) {
  const audit::Record next = life.record;
  life.record = failed;
  life.record.followed_by = id;
  life.record.total = services_.clock.now() - life.began;
  (void)append(life, audit::Phase::kOutcome);
  count_tools(life);
  services_.meter.ended(life.record, {});
  life.record = next;
  life.decided = false;
  ++life.attempt;
}

Task<bool> Pipeline::attempt_anew(Life& life, std::string_view body, const Tried& tried, Plan& plan,
                                  std::string& message, Hold& hold) {
  if (life.attempt >= life.config->retries.attempts) co_return false;
  // What was not sent multiplies nothing.
  attempts::RetryBudget& budget = places_.budget(*plan.upstream);
  if (!tried.is_unsent && !budget.take()) co_return false;
  Arena& arena = life.exchange.arena();
  audit::Record failed = life.record;
  failed.outcome = audit::Outcome::kRefused;
  failed.code = row_of(tried.refusal.reason).code;
  failed.rule = arena.copy(tried.refusal.rule);
  failed.message = arena.copy(tried.refusal.message);

  // What was seen of the request itself stays; all else is decided anew.
  const WallTime wall = services_.clock.wall();
  audit::Record fresh = life.undecided;
  fresh.id = ids_.next(wall, arena);
  fresh.time = wall;
  fresh.attempt = life.attempt + 1;
  fresh.follows = failed.id;
  fresh.fingerprint = failed.fingerprint;
  fresh.features = failed.features;
  fresh.anomaly = failed.anomaly;

  const std::vector<Terms> others = others_of(life, plan, tried);
  for (const Terms& terms : others) {
    const bool is_same = terms.model == plan.model->name;
    life.tried = is_same ? life.tried | (std::uint64_t{1} << static_cast<unsigned>(life.place)) : 0;
    life.record = fresh;
    std::optional<Plan> next = decide_for(life, body, terms, nullptr, message);
    if (!next) continue;
    if (!is_same && is_downgraded(*next, life.caller.tenant, 0)) continue;
    Expected<Hold, Shortfall> held = co_await hold_anew(life, *next);
    if (!held) continue;
    if (!is_same && is_downgraded(*next, life.caller.tenant, used_of(*held))) {
      give_back(*held, *next, booking_of(life.record, life.caller, *next));
      continue;
    }
    life.record.degraded = services_.outages.now();
    if (!is_same) {
      serve_instead(life, terms, attempts::name_of(*tried.failure));
    } else if (!life.instead.empty()) {
      serve_instead(life, life.terms, life.instead);
    }
    begin_attempt(life, fresh.id, failed);
    plan = *next;
    hold = *held;
    co_return true;
  }
  if (!tried.is_unsent) budget.give_back();
  life.record = failed;
  co_return false;
}

}  // namespace tollgate::pipeline
