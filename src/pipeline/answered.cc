// What is done about callers after an alert (controls/alerts), as it holds for one request.
#include <fmt/format.h>

#include <array>

#include "pipeline/life.h"
#include "pipeline/pipeline.h"

namespace tollgate::pipeline {

namespace {

using limits::Scope;

// What a downgrade or a lower cap is told as in the record.
constexpr std::string_view kCode = "alert_in_force";

alerts::Who who_of(const authentication::Identity& caller) {
  return {.tenant = caller.tenant,
          .user = caller.subject,
          .key_id = caller.credential_id,
          .verifier = caller.verifier};
}

alerts::Who who_of(const authentication::Identity& caller, const Plan& plan) {
  alerts::Who who = who_of(caller);
  who.route = plan.route->name;
  who.model = plan.model->name;
  return who;
}

}  // namespace

void Pipeline::hold_to(std::shared_ptr<const alerts::InForce> answers) {
  answers_ = std::move(answers);
}

Expected<void> Pipeline::check_frozen(Life& life) {
  if (answers_ == nullptr || answers_->empty()) return {};
  constexpr std::array kCallers = {Scope::kGlobal, Scope::kTenantId, Scope::kUserId, Scope::kKeyId};
  return answers_->check(who_of(life.caller), kCallers, life.wall);
}

Expected<void> Pipeline::check_place(const Life& life, const alerts::Who& who) const {
  constexpr std::array kPlaces = {Scope::kRoute, Scope::kModel};
  return life.answers->check(who, kPlaces, life.wall);
}

void Pipeline::slow_down(Life& life, const alerts::InForce::Terms& held) {
  life.slowed = life.exchange.arena().make<LimitCharge>(held.limits.size());
  for (std::size_t i = 0; i < held.limits.size(); ++i) {
    life.slowed[i] = {held.limits[i], held.subjects[i], 1};
  }
}

Expected<void> Pipeline::hold_to_answers(Life& life, std::string_view route, std::string_view model,
                                         Charges& charges) {
  if (life.answers == nullptr) life.answers = answers_;  // The same from here to the end.
  if (life.answers == nullptr || life.answers->empty()) return {};
  alerts::Who who = who_of(life.caller);
  who.route = route;
  who.model = model;
  if (Expected<void> open = check_place(life, who); !open) return open;
  slow_down(life, life.answers->terms_for(who, life.wall));
  charges.limits =
      joined(charges.limits, std::span<const LimitCharge>(life.slowed), life.exchange.arena());
  return {};
}

Expected<Plan> Pipeline::decide_rewritten(Life& life, const Deciding& deciding,
                                          const Terms& terms) {
  for (;;) {
    Expected<Plan> plan = decide(deciding.facts, counting_, scanner_, life.exchange.arena(),
                                 life.record, terms, deciding.before);
    if (!plan || (plan->inspected != Inspected::kToRedact && plan->tools_removed.empty())) {
      return plan;
    }
    if (Expected<void> written = rewrite(life, deciding.body, *plan); !written) {
      return std::unexpected(written.error());
    }
  }
}

Expected<Plan> Pipeline::decide_answered(Life& life, const Deciding& deciding, const Terms& terms,
                                         Plan plan) {
  if (life.answers == nullptr) life.answers = answers_;  // The same from here to the end.
  if (life.answers == nullptr || life.answers->empty()) return plan;
  const auto held_of = [&](const Plan& of) {
    return life.answers->terms_for(who_of(life.caller, of), life.wall);
  };
  if (Expected<void> open = check_place(life, who_of(life.caller, plan)); !open) {
    return std::unexpected(open.error());
  }
  Terms on = terms;
  alerts::InForce::Terms held = held_of(plan);
  const alerts::Answer* const to = held.downgrade;
  // Whoever names another model already (a budget, a fallback) has said what serves instead.
  if (to != nullptr && terms.model.empty() && plan.model->name != to->downgrade_to) {
    on.model = to->downgrade_to;
    const Expected<Plan> other = decide_rewritten(life, deciding, on);
    const bool is_cheaper = other && other->held() < plan.held();
    if (!other || is_cheaper) life.answer = to;
    if (!other) return other;
    on.model = is_cheaper ? on.model : terms.model;
    if (is_cheaper) life.answer_held = other->held();
    // What is not cheaper is no answer; the record is again of what was asked.
    const Expected<Plan> chosen = is_cheaper ? other : decide_rewritten(life, deciding, terms);
    if (!chosen) return chosen;
    plan = *chosen;
    if (Expected<void> open = check_place(life, who_of(life.caller, plan)); !open) {
      return std::unexpected(open.error());
    }
    held = held_of(plan);
  } else if (to != nullptr && terms.model.empty()) {
    // It was asked for by its name.
    life.answer_held = plan.held();
  } else if (to != nullptr && !terms.rule.empty() && life.answer_held &&
             plan.held() > *life.answer_held) {
    // Nor does one step in for it that it was to be spared.
    return refuse(Reason::kModelNotAllowed, to->rule, "It is dearer than an alert lets it be.");
  } else if (to != nullptr && terms.model == to->downgrade_to && terms.rule.empty() &&
             terms.budget == nullptr && life.request.model != terms.model) {
    life.answer = to;  // The same again, elsewhere.
  }
  slow_down(life, held);
  if (held.cap == nullptr || on.output_tokens.value_or(kTokensMax) <= held.cap->cap_output_tokens) {
    return plan;
  }
  on.output_tokens = held.cap->cap_output_tokens;
  if (life.answer == nullptr) life.answer = held.cap;
  return decide_rewritten(life, deciding, on);
}

Expected<Plan> Pipeline::under_answer(Life& life, Expected<Plan> plan) {
  if (plan && !life.slowed.empty()) {
    plan->charges.limits = joined(plan->charges.limits, std::span<const LimitCharge>(life.slowed),
                                  life.exchange.arena());
  }
  if (life.answer == nullptr) return plan;
  if (!plan) {
    Refusal refusal = plan.error();
    refusal.reason = Reason::kAnomalyRefused;
    refusal.rule = life.answer->rule;
    refusal.message = fmt::format("After an alert this {} is held to {}, and so: {}",
                                  limits::name_of(life.answer->scope),
                                  alerts::name_of(life.answer->action), plan.error().message);
    return std::unexpected(std::move(refusal));
  }
  life.record.outcome = audit::Outcome::kDowngraded;
  life.record.code = kCode;
  life.record.rule = life.answer->rule;
  return plan;
}

}  // namespace tollgate::pipeline
