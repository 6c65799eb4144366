// The way of a request: it asks, is held, decided, leaves, is settled and ends.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/gateway.h"
#include "storage/accounts.h"

namespace tollgate::sim {

using pipeline::Used;
using State = Request::State;

// ---- Asking ---------------------------------------------------------------------------------

void Gateway::fill(Request& request) {
  const bool all = parts_.plan->use_is_half;
  request.bound.input = chance_.between(100, 2'000);
  request.bound.output = chance_.between(all ? 500 : 1, 2'000);
  request.now = clock.now();
  request.wall = clock.wall();
  for (const limits::Policy& policy : settings_->limits) {
    request.limits.push_back({&policy, request.caller.subject(policy.scope), 1});
  }
  for (std::size_t i = 0; i < settings_->budgets.size(); ++i) {
    const cost::Policy& policy = settings_->budgets[i];
    if (!settings_->in_force[i]) continue;
    request.budgets.push_back({&policy, request.caller.subject(policy.scope), {}});
  }
  request.charge();
  request.charges = {request.limits, request.budgets, chance_.one_in(3)};
}

// By its bound and the prices that it was decided by.
void Request::charge() {
  worst = cost::price(settings->prices[caller.model_number], bound);
  for (pipeline::LimitCharge& limit : limits) {
    if (limit.policy->figure == limits::Figure::kInputTokensPerMinute) limit.amount = bound.input;
    if (limit.policy->figure == limits::Figure::kOutputTokensPerMinute) limit.amount = bound.output;
    if (limit.policy->figure == limits::Figure::kTotalTokensPerMinute) {
      limit.amount = bound.input + bound.output;
    }
  }
  for (pipeline::BudgetCharge& budget : budgets) budget.amount = worst;
}

// What is refused at a bound is counted, and may be held at less.
Task<void> Gateway::hold(Gateway& self, Request& request) {
  const auto hold = [&] {
    return self.ledger_->hold(request.charges, request.arena, self.executor_, request.now,
                              request.wall);
  };
  request.result = co_await hold();
  if (self.dies_) co_return;
  if (!request.result->has_value() && std::exchange(request.charges.at_a_bound, false)) {
    request.bound.input = self.chance_.between(100, request.bound.input);
    request.charge();
    request.now = self.clock.now();
    request.wall = self.clock.wall();
    request.result = co_await hold();
    if (self.dies_) co_return;
  }
  try {
    self.answered(request);
  } catch (const Violation& violation) {
    self.found_ = violation;  // No exception leaves a Task.
  }
}

void Gateway::ask() {
  auto made = std::make_unique<Request>();
  Request& request = *made;
  for (const auto& other : requests_) {
    if (other->state != State::kAsks) continue;
    request.asks_alone = other->asks_alone = false;
  }
  requests_.push_back(std::move(made));
  request.id = fmt::format("req_{:08}", ++*parts_.requests);
  request.caller = Caller::any(chance_);
  request.settings = settings_;
  fill(request);
  tell(fmt::format("{} asks for {}", request.id, request.worst.micro_usd));
  tollgate::start(hold(*this, request));
  run();
}

void Gateway::answered(Request& request) {
  if (request.result->has_value()) return admitted(request);
  const pipeline::Shortfall& shortfall = request.result->error();
  tell(fmt::format("{} is refused by {}", request.id, shortfall.refusal.rule));
  ++refused_in_a_row;
  if (shortfall.refusal.reason == Reason::kStoreUnavailable) ++refused_unavailable;
  request.state = State::kGone;
  check_refusal(request);
}

// A budget that nobody else uses refuses only what does not fit. (A window that is edited while
// requests are at work may count them in both.)
void Gateway::check_refusal(const Request& request) const {
  const Refusal& refusal = request.result->error().refusal;
  if (request.asks_alone && refusal.message.starts_with("Too many requests share")) {
    throw Violation{fmt::format("{} shared what is left with nobody", request.id)};
  }
  if (parts_.plan->shape != Shape::kOwnStore || parts_.plan->reload_in > 0) return;
  if (link_->recovering()) return;
  for (const cost::Policy* policy : request.result->error().exhausted) {
    const auto charge = std::ranges::find(request.budgets, policy, &pipeline::BudgetCharge::policy);
    const std::int64_t held = oracle_.held(parts_.number, policy->rule, charge->subject);
    std::map<Account, std::int64_t> booked = counted_by_books();
    for (const auto& [account, sum] : oracle_.sums()) booked[account] += sum.booked;
    std::int64_t most = 0;
    for (const auto& [account, amount] : booked) {
      std::string_view packed = account;
      const storage::AccountId id = *storage::take_account(packed);
      // A clock that was set back does not take the account back to its earlier window.
      if (id.rule != policy->rule || id.subject != charge->subject) continue;
      if (id.window_start < cost::start_of(policy->window, policy->zone, request.wall)) continue;
      most = std::max(most, amount);
    }
    if (most + held + request.worst.micro_usd > policy->limit.micro_usd) continue;
    throw Violation{fmt::format("{} is refused by {}, which has room: {} spent, {} held of {}",
                                request.id, policy->rule, most, held, policy->limit.micro_usd)};
  }
}

void Gateway::admitted(Request& request) {
  refused_in_a_row = 0;
  request.state = State::kHeld;
  Taken taken;
  taken.gateway = parts_.number;
  taken.start = starts_;
  taken.money = request.worst.micro_usd;
  taken.at_us = rates_ ? *parts_.now_us : clock.now().time_since_epoch().count();
  for (const audit::BudgetEvidence& budget : request.result->value().budgets) {
    const storage::AccountId id{budget.rule, budget.subject, budget.window_start};
    Account account(storage::packed_bytes(id), '\0');
    storage::pack(id, account.data());
    request.accounts += account;
    if (request.charges.at_a_bound) check_bound(request, budget, account);
    taken.accounts.push_back(std::move(account));
    taken.budgets.emplace_back(budget.rule, budget.subject);
    if (budget.held != request.worst) throw Violation{"a hold of another sum"};
  }
  for (const pipeline::LimitCharge& limit : request.limits) {
    taken.rates.push_back(taken_of(limit));
  }
  tell(fmt::format("{} is held", request.id));
  oracle_.admitted(request.id, std::move(taken));
  fates_[request.id];
}

// A bound decides nothing: half of each budget is left, by all that survived. (Of a store that
// others use a gateway knows less, and of a budget that lets through.)
void Gateway::check_bound(const Request& request, const audit::BudgetEvidence& budget,
                          const Account& account) const {
  if (parts_.plan->shape != Shape::kOwnStore || !oracle_.enforces(budget.rule)) return;
  const auto found = oracle_.sums().find(account);
  const Oracle::Sum sum = found == oracle_.sums().end() ? Oracle::Sum{} : found->second;
  const std::int64_t taken = sum.booked + sum.held + request.worst.micro_usd;
  if (budget.limit.micro_usd - taken >= budget.limit.micro_usd / 2) return;
  throw Violation{fmt::format("{} is held at a bound on {}: {} of {} are taken", request.id,
                              budget.rule, taken, budget.limit.micro_usd)};
}

// ---- On its way -----------------------------------------------------------------------------

void Gateway::go_on() {
  run();
  if (requests_.empty()) return;
  dies_in_append_ = !busy_ && parts_.plan->kill_in > 0 && chance_.one_in(100);
  Request& request = *requests_[chance_.below(static_cast<std::int64_t>(requests_.size()))];
  switch (request.state) {
    case State::kHeld:
      decide(request);
      break;
    case State::kDecided:
      leave(request);
      break;
    case State::kLeft:
      settle(request);
      break;
    case State::kSettled:
      end(request);
      break;
    case State::kAsks:
    case State::kGone:
      break;
  }
  if (!dies_in_append_) return run();
  die(Death::kKill);
  dies_in_append_ = false;
}

std::uint64_t Gateway::append(const storage::Item& item) {
  return dies_in_append_ ? 0 : journal_.append(item);
}

void Gateway::decide(Request& request) {
  if (!link_->healthy()) {
    tell(fmt::format("{} cannot be recorded", request.id));
    Used none;
    none.never_left = true;
    settle_as(request, none);
    request.state = State::kGone;
    return;
  }
  append_record(request, audit::Phase::kDecision, audit::Outcome::kAllowed);
  request.decided_at = journal_.end();
  request.state = State::kDecided;
  tell(fmt::format("{} is decided", request.id));
}

void Gateway::leave(Request& request) {
  const bool waits = parts_.plan->survives == audit::Survives::kPowerLoss;
  if (waits && link_->durable() < request.decided_at) {
    if (link_->healthy() || chance_.one_in(2)) return;
    tell(fmt::format("{} is not durable and ends", request.id));
    Used none;
    none.never_left = true;
    settle_as(request, none);
    return;
  }
  if (dies_in_append_) return;
  request.state = State::kLeft;
  fates_[request.id].left = true;
}

// Half of the bound on the average, sometimes nothing, all or more than anybody foresaw.
Used Gateway::any_use(const Request& request) {
  const cost::Prices& prices = request.settings->prices[request.caller.model_number];
  cost::Amounts amounts = request.bound;
  Used used;
  if (chance_.one_in(parts_.plan->absurd_in)) {
    amounts.output = chance_.one_in(4) ? kTokensMax : 3 * amounts.output;
  } else if (parts_.plan->use_is_half) {
    amounts.input /= 2;
    amounts.output /= 2;
  } else if (chance_.one_in(8)) {
    used.never_left = chance_.one_in(2);
    amounts = {};
  } else if (!chance_.one_in(8)) {
    amounts.input = chance_.between(0, amounts.input);
    amounts.output = chance_.between(0, amounts.output);
  }
  used.input = amounts.input;
  used.output = amounts.output;
  used.cost = cost::price(prices, amounts);
  if (parts_.plan->absurd_in > 0 && chance_.one_in(100)) used.cost = Money{-used.cost.micro_usd};
  return used;
}

void Gateway::settle(Request& request) {
  if (chance_.one_in(4)) return;  // It streams on.
  settle_as(request, any_use(request));
}

void Gateway::settle_as(Request& request, const Used& used) {
  pipeline::Booking booking;
  booking.id = request.id;
  booking.tenant = request.caller.tenant;
  booking.user = request.caller.user;
  booking.key_id = request.caller.key;
  booking.route = request.caller.route;
  booking.model = request.caller.model;
  ledger_->settle(request.result->value(), request.charges, used, booking, clock.now(),
                  clock.wall());
  request.used = used;
  request.state = State::kSettled;
  tell(fmt::format("{} is settled as {}", request.id, used.cost.micro_usd));
  // A process that dies before the booking is kept has told nobody.
  if (dies_in_append_) return;
  std::vector<std::int64_t> of_rates;
  for (const pipeline::LimitCharge& limit : request.limits) {
    std::int64_t amount = used.never_left ? 0 : limit.amount;
    if (limit.policy->figure == limits::Figure::kInputTokensPerMinute) amount = used.input;
    if (limit.policy->figure == limits::Figure::kOutputTokensPerMinute) amount = used.output;
    if (limit.policy->figure == limits::Figure::kTotalTokensPerMinute) {
      amount = used.input + used.output;
    }
    of_rates.push_back(amount);
  }
  oracle_.ended(request.id, std::max<std::int64_t>(used.cost.micro_usd, 0), of_rates);
}

void Gateway::booked(const pipeline::Booking& booking, const Used& used, std::string_view accounts,
                     WallTime at) {
  // Of what never left nothing has to be kept.
  if (!link_->healthy() && used.cost == Money{} && used.input == 0 && used.output == 0) {
    fates_[std::string(booking.id)].unbooked = true;
    return;
  }
  storage::Item item;
  item.kind = storage::ItemKind::kBooking;
  item.time_us = storage::to_microseconds(at);
  item.amount = used.cost;
  item.input = used.input;
  item.output = used.output;
  item.id = booking.id;
  item.tenant = booking.tenant;
  item.user = booking.user;
  item.key_id = booking.key_id;
  item.route = booking.route;
  item.model = booking.model;
  item.accounts = accounts;
  append(item);
}

void Gateway::end(Request& request) {
  const bool cut = chance_.one_in(4);
  append_record(request, audit::Phase::kOutcome,
                cut ? audit::Outcome::kCut : audit::Outcome::kAllowed);
  request.state = State::kGone;
}

void Gateway::append_record(const Request& request, audit::Phase phase, audit::Outcome outcome) {
  audit::Record record;
  authentication::Identity actor;
  actor.tenant = request.caller.tenant;
  actor.subject = request.caller.user;
  actor.credential_id = request.caller.key;
  record.id = request.id;
  record.time = phase == audit::Phase::kDecision ? request.wall : clock.wall();
  record.actor = &actor;
  record.route = request.caller.route;
  record.model_served = request.caller.model;
  record.outcome = outcome;
  if (phase == audit::Phase::kDecision) record.budgets = request.result->value().budgets;
  std::string written;
  audit::write(record, phase, written);
  storage::Item item;
  item.phase = phase;
  item.outcome = outcome;
  item.time_us = storage::to_microseconds(record.time);
  item.id = request.id;
  item.written = written;
  item.accounts = request.accounts;
  if (phase == audit::Phase::kDecision) {
    item.amount = request.worst;
  } else {
    item.amount = std::max(request.used.cost, Money{});
    item.input = request.used.input;
    item.output = request.used.output;
    item.tenant = request.caller.tenant;
    item.user = request.caller.user;
    item.key_id = request.caller.key;
    item.route = request.caller.route;
    item.model = request.caller.model;
  }
  append(item);
}

}  // namespace tollgate::sim
