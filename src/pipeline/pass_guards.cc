// What the guards of a route say of a request that is held for, and of its answer.
#include "base/check.h"
#include "pipeline/answer_guards.h"
#include "pipeline/life.h"
#include "pipeline/refusals.h"

namespace tollgate::pipeline {

Task<bool> Pipeline::pass_guards(Life& life, std::string_view body, const Plan& plan, Hold& hold,
                                 const Booking& booking) {
  // The reader may hold another request by now; the body is the same, and was sound.
  const Expected<void> sound = read(life, body);
  Judgement judgement;
  if (sound) {
    const Guards::Case asked{*life.config,   *plan.route,   life.request, life.caller.tenant,
                             life.record.id, life.exchange, life.stop,    turn_++};
    judgement = co_await guards_.judge(asked);
  } else {
    judgement.refusal = sound.error();
  }
  Arena& arena = life.exchange.arena();
  life.record.content_after = judgement.findings;
  life.record.observed = joined(life.record.observed, judgement.observed, arena);
  life.record.attempts = judgement.attempts;
  life.record.guard_cost = judgement.cost;
  life.upstream_time += judgement.waited;
  const bool is_gone = life.exchange.caller_gone();
  if (!judgement.refusal && life.stop.asked()) judgement.refusal = pipeline::revoked();
  if (!judgement.refusal && !is_gone) co_return true;

  // Nothing of it reached a model.
  life.record.cost = judgement.cost;
  const Used used{.cost = judgement.cost, .never_left = judgement.attempts.empty()};
  services_.ledger.settle(hold, plan.charges, used, booking, services_.clock.now(),
                          services_.clock.wall());
  if (judgement.refusal) {
    co_await refuse_request(life, *judgement.refusal);
  } else {
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
    life.record.rule = {};
    close_record(life);
  }
  co_return false;
}

void Pipeline::begin_answer_guards(Life& life, std::string_view body, const Plan& plan,
                                   Exchange& caller, std::optional<AnswerGuards>& guards) {
  if (plan.route->response_guards.empty()) return;
  const bool reads_asked = std::ranges::any_of(plan.route->response_guards, [&](int guard) {
    return dialects::reads_what_was_asked(
        life.config->guards[static_cast<std::size_t>(guard)].kind);
  });
  std::optional<std::string> asked;
  if (!reads_asked) {
    asked.emplace();
  } else if (read(life, body)) {  // The reader may hold another request by now.
    asked = dialects::texts_as_one(life.request.texts, life.request.carried);
  }
  const Guards::Case of{*life.config,   *plan.route, life.request, life.caller.tenant,
                        life.record.id, caller,      life.stop,    turn_++};
  guards.emplace(guards_, of, std::move(asked), plan.guards, life.record.guard_cost);
}

void Pipeline::tell_of_guards(Life& life, const AnswerGuards& guards) {
  Arena& arena = life.exchange.arena();
  life.record.content_after = joined(life.record.content_after, guards.findings(), arena);
  life.record.observed = joined(life.record.observed, guards.observed(), arena);
  life.record.attempts = joined(life.record.attempts, guards.attempts(), arena);
  life.upstream_time += guards.waited();
}

}  // namespace tollgate::pipeline
