#include "pipeline/held_request.h"

#include <algorithm>

#include "pipeline/replies.h"
#include "pipeline/stored_response.h"

namespace tollgate::pipeline {

std::span<const audit::LimitEvidence> enforced(const Charges& charges, const Hold& hold,
                                               Arena& arena) {
  const auto kept = arena.make<audit::LimitEvidence>(hold.limits.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < hold.limits.size(); ++i) {
    if (charges.limits[i].policy->mode == Mode::kEnforce) kept[count++] = hold.limits[i];
  }
  return kept.first(count);
}

Booking booking_of(const audit::Record& record, const authentication::Identity& caller,
                   const Plan& plan) {
  Booking booking;
  booking.id = record.id;
  booking.tenant = caller.tenant;
  booking.user = caller.subject;
  booking.key_id = caller.credential_id;
  booking.route = plan.route->name;
  booking.model = plan.model->name;
  return booking;
}

void Pipeline::HeldRequest::write_headers(const Forwarded& so_far, std::string& headers) {
  const audit::Record& record = life_.record;
  write_id_headers(life_.dialect, record.id, headers);
  write_limit_headers(life_.dialect, limits_, life_.wall, headers);
  Account account;
  account.model = plan_.model->name;
  if (record.outcome == audit::Outcome::kDowngraded) account.rule = record.rule;
  account.budgets = record.budgets;
  account.degraded = record.degraded;
  if (so_far.source != audit::UsageSource::kNone) {
    const Money cost = add_saturated(cost_of(plan_, so_far.usage), record.guard_cost);
    account.cost = cost;
    account.released = {plan_.held().micro_usd - cost.micro_usd};
  }
  account.overhead = at().clock.now() - life_.began - life_.upstream_time - so_far.queued -
                     std::max(so_far.waited, so_far.first_byte);
  write_account_headers(account, headers);
  if (record.reuse == audit::Reuse::kMiss) headers += "x-tollgate-cache: miss\r\n";
}

const Plan& Pipeline::HeldRequest::billed(std::optional<Tokens> reported) {
  if (!plan_.charges.at_a_bound) return plan_;
  if (billed_ && (counted_ || !reported)) return *billed_;
  billed_ = plan_;
  const Count& bound = plan_.input;
  if (reported && is_credible(*reported, bound)) {
    billed_->input = {.tokens = *reported, .media = bound.media, .audio = bound.audio};
  } else {
    count_now();
  }
  // What is dearer than that is charged as if so much had been held.
  billed_->worst = worst_of(*billed_);
  return *billed_;
}

void Pipeline::HeldRequest::count_now() {
  Pipeline& pipeline = life_.pipeline;
  counted_ = true;
  // The body is still the same. Where there is no memory to read it again, the bound stands.
  if (!pipeline.read(life_, body_)) return;
  const config::Model& model = *plan_.model;
  Count& input = billed_->input;
  input =
      pipeline.counting_.input(life_.request, scheme_of(model), kTokensMax, life_.caller.tenant);
  // What was learned since is not held here.
  input.margin = std::clamp<Tokens>(plan_.input.held() - input.tokens, 0,
                                    pipeline.counting_.margin(model, input));
}

void Pipeline::HeldRequest::settle(const Forwarded& result) {
  Used used;
  used.input = result.usage.input;
  used.output = result.usage.output;
  used.cost = add_saturated(cost_of(plan_, result.usage), life_.record.guard_cost);
  used.never_left = result.status == 0 && result.source == audit::UsageSource::kNone;
  booking_.cached_input = amounts_of(plan_, result.usage).cached_input;
  at().ledger.settle(hold_, plan_.charges, used, booking_, at().clock.now(), at().clock.wall());
}

std::string Pipeline::HeldRequest::name_of(std::string_view id) const {
  return seal_response(at().pepper, life_.caller, plan_, id);
}

const Count& Pipeline::HeldRequest::counted() const {
  return counted_ ? billed_->input : plan_.input;
}

}  // namespace tollgate::pipeline
