#include "sim/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/accounts.h"

namespace tollgate::sim {

using pipeline::Used;
using State = Request::State;

namespace {

// So long after the loss of its data Redis waits for what gateways have used.
constexpr std::int64_t kTold = 5'000'000;

}  // namespace

Gateway::Gateway(const Parts& parts)
    : name(fmt::format("gateway{}", parts.number)),
      clock(*parts.now_us),
      parts_(parts),
      chance_(*parts.chance),
      oracle_(*parts.oracle) {}

Gateway::~Gateway() {
  if (up()) die(Death::kKill);
}

void Gateway::tell(std::string_view what) {
  parts_.story->tell(fmt::format("{:>12} us  {}  {}", *parts_.now_us, name, what));
}

// ---- Start and end --------------------------------------------------------------------------

void Gateway::start(std::shared_ptr<const Settings> settings) {
  const bool shared = parts_.plan->shape == Shape::kSharedStore;
  const std::string process = fmt::format("{}, start {}", name, ++starts_);
  started_us_ = *parts_.now_us;
  link_ = std::make_unique<StoreLink>(StoreLink::Parts{
      shared ? name : std::string(storage::kOnlyGateway), process, fmt::format("boot {}", boots_),
      shared ? storage::Sharing::kShared : storage::Sharing::kAlone, *parts_.server, cut_off,
      journal_, clock, chance_});
  if (parts_.plan->kill_in > 0 && chance_.one_in(8)) {
    link_->line.dies_in = static_cast<int>(chance_.between(1, 60));
  }
  try {
    const FaultOr<void> taken_up = link_->recover();
    if (!went_well(taken_up, "start")) {
      return tell(fmt::format("cannot start yet: {}", taken_up.error().message));
    }
  } catch (const Killed&) {
    return tell("is killed while it starts");
  }
  link_->line.dies_in = 0;
  oracle_.begins_anew(parts_.number);
  storage::MemoryLedger::Options options;
  options.accounts_max = parts_.plan->accounts_max;
  options.key = 1;
  ledger_ = std::make_unique<storage::MemoryLedger>(options, this);
  link_->serve(*ledger_);
  if (parts_.redis != nullptr) lend_rates(process);
  settings_ = std::move(settings);
  tell("starts");
  (void)link_->count_budgets(*settings_);
}

void Gateway::lend_rates(const std::string& process) {
  storage::RedisRates::Options options;
  options.gateway = name;
  options.gateways = static_cast<std::uint32_t>(parts_.plan->gateways);
  options.process = process;
  rates_ = std::make_unique<storage::RedisRates>(options, parts_.redis->connect(redis_cut_off),
                                                 *ledger_, clock);
  ledger_->rates_from(*rates_);
  rates_->turn();
}

// Whoever comes later is another start, and tells only what it has used itself.
void Gateway::redis_lost() {
  redis_lost_us_ = *parts_.now_us;
  oracle_.uses_are_forgotten(parts_.number, up() ? starts_ : starts_ + 1);
}

// What Redis does not hear in time of a gateway it does not know.
void Gateway::say_nothing() {
  if (*parts_.now_us - redis_lost_us_ >= kTold) return;
  oracle_.uses_are_forgotten(parts_.number, starts_ + 1);
}

void Gateway::turn() {
  if (!rates_) return;
  const bool was_degraded = rates_->degraded();
  rates_->turn();
  if (rates_->degraded() != was_degraded) {
    tell(was_degraded ? "is lent by Redis" : "goes on without Redis");
  }
  if (rates_->degraded()) {
    oracle_.permits_are_forgotten(parts_.number);
    say_nothing();
  }
  run();
}

Taken::Rate Gateway::taken_of(const pipeline::LimitCharge& charge) const {
  Taken::Rate rate{
      charge.policy, std::string(charge.subject), charge.amount, {}, charge.policy->limit};
  if (!rates_) return rate;
  const storage::RateState state = rates_->state();
  rate.by = state.mode == storage::RateMode::kLent ? Taken::By::kAll : Taken::By::kShare;
  if (rate.by == Taken::By::kShare) {
    rate.limit = storage::share_of(*charge.policy, state.gateways).limit;
  }
  return rate;
}

// What the books must say of each request by what survived: what was booked, or what its outcome
// says of that; else what it held, if it may have left and nothing says that it ended; else
// nothing.
void Gateway::resolve() {
  std::map<std::string, std::int64_t> booked;
  std::map<std::string, std::int64_t> decided;
  std::map<std::string, std::int64_t> ended;
  for (const JournalModel::Entry& entry : journal_.entries()) {
    if (entry.lost) continue;
    const bool booking = entry.kind == storage::ItemKind::kBooking;
    if (booking) booked[entry.id] = std::max<std::int64_t>(entry.amount, 0);
    if (!booking && entry.phase == audit::Phase::kOutcome) ended[entry.id] = entry.amount;
    const bool decision = entry.kind == storage::ItemKind::kRecord &&
                          entry.phase == audit::Phase::kDecision &&
                          entry.outcome == audit::Outcome::kAllowed;
    if (decision) decided[entry.id] = entry.amount;
  }
  const bool may_be_lost = lost_power_ && parts_.plan->survives == audit::Survives::kKill;
  for (const auto& [id, fate] : fates_) {
    std::int64_t spent = 0;
    if (const auto found = booked.find(id); found != booked.end()) {
      spent = found->second;
    } else if (const auto outcome = ended.find(id); outcome != ended.end()) {
      spent = outcome->second;
    } else if (const auto held = decided.find(id); held != decided.end()) {
      spent = held->second;
    } else if (fate.left && !may_be_lost) {
      throw Violation{fmt::format("I16: {} left and nothing is known of it", id)};
    }
    if (oracle_.is_open(id)) {
      oracle_.ended(id, fate.left ? oracle_.held_by(id) : 0, {});
    } else if (spent != oracle_.booked_for(id) && !lost_power_ && !fate.unbooked) {
      throw Violation{fmt::format("I7: the settlement of {} is lost", id)};
    }
    if (fate.left && !may_be_lost && spent < oracle_.spent_by(id) &&
        oracle_.spent_by(id) <= oracle_.held_by(id)) {
      throw Violation{fmt::format("I7: the books forget what {} spent", id)};
    }
    oracle_.booked_as(id, spent);
  }
  fates_.clear();
  lost_power_ = false;
}

void Gateway::die(Death death) {
  tell(death == Death::kKill ? "is killed" : "loses its power");
  // Coroutines that wait go on to their end, in a process that nobody hears any more.
  dies_ = true;
  const bool was_cut_off = std::exchange(redis_cut_off, true);
  for (bool more = true; more;) {
    if (rates_) rates_->stop();
    link_->abandon();
    more = executor_.run();
  }
  redis_cut_off = was_cut_off;
  dies_ = false;
  say_nothing();
  const bool shared = parts_.plan->shape == Shape::kSharedStore;
  Process process{std::move(link_), std::move(ledger_), std::move(rates_)};
  requests_.clear();
  if (death == Death::kPowerLoss) {
    process = {};
    lose_power();
  } else if (shared && !dies_in_append_ && chance_.one_in(4)) {
    tell("believes that it lives");
    process.link->line.dies_in = 0;
    ghosts_.push_back(std::move(process));
  }
  resolve();
}

// What the store has is of those entries that were on the disk, or might have been.
void Gateway::lose_power() {
  ghosts_.clear();
  lost_power_ = true;
  ++boots_;
  parts_.server->end_late(Server::Late::kNow);
  const bool shared = parts_.plan->shape == Shape::kSharedStore;
  const auto there = must(
      storage::TrailWriter::open(parts_.server->reader(), shared ? name : storage::kOnlyGateway),
      "open");
  journal_.synced(there.journal_written());
  journal_.lose_power(chance_);
}

void Gateway::haunt() {
  for (const Process& process : ghosts_) process.link->haunt();
  if (!ghosts_.empty() && chance_.one_in(10)) ghosts_.pop_back();
}

bool Gateway::stop(Stop how) {
  if (!idle()) return false;
  try {
    if (!link_->stop()) {
      if (how == Stop::kMayFail) die(Death::kKill);
      return false;
    }
  } catch (const Killed&) {
    die(Death::kKill);
    return false;
  }
  tell("stops");
  check();
  if (ledger_->open_holds() != 0) throw Violation{"I12: holds are open at rest"};
  for (const storage::BudgetStanding& budget : ledger_->snapshot(clock.wall()).budgets) {
    if (budget.held != Money{}) throw Violation{"I12: money is held at rest"};
  }
  resolve();
  if (rates_) rates_->stop();
  say_nothing();
  rates_.reset();
  ledger_.reset();
  link_.reset();
  return true;
}

void Gateway::reload(std::shared_ptr<const Settings> settings) {
  if (!link_->count_budgets(*settings)) return;
  tell("reloads");
  settings_ = std::move(settings);
}

void Gateway::run() {
  executor_.run();
  if (found_) throw Violation(*found_);
  std::erase_if(requests_, [](const auto& request) { return request->state == State::kGone; });
}

void Gateway::work(Group group) {
  if (busy_) return;
  if (group == Group::kDeadly) link_->line.dies_in = static_cast<int>(chance_.between(1, 30));
  link_->line.before_lock = link_->line.before_answer = meanwhile;
  busy_ = true;
  bool killed = false;
  try {
    link_->work();
  } catch (const Killed&) {
    killed = true;
  }
  busy_ = false;
  link_->line.before_lock = link_->line.before_answer = nullptr;
  link_->line.dies_in = 0;
  if (killed) return die(Death::kKill);
  run();  // Whoever waited is held at the time of the answer.
}

// ---- Asking ---------------------------------------------------------------------------------

void Gateway::fill(Request& request) {
  const bool all = parts_.plan->use_is_half;
  request.bound.input = chance_.between(100, 2'000);
  request.bound.output = chance_.between(all ? 500 : 1, 2'000);
  request.worst = cost::price(settings_->prices[request.caller.model_number], request.bound);
  request.now = clock.now();
  request.wall = clock.wall();
  for (const limits::Policy& policy : settings_->limits) {
    std::int64_t amount = 1;
    if (policy.figure == limits::Figure::kInputTokensPerMinute) amount = request.bound.input;
    if (policy.figure == limits::Figure::kOutputTokensPerMinute) amount = request.bound.output;
    if (policy.figure == limits::Figure::kTotalTokensPerMinute) {
      amount = request.bound.input + request.bound.output;
    }
    request.limits.push_back({&policy, request.caller.subject(policy.scope), amount});
  }
  for (std::size_t i = 0; i < settings_->budgets.size(); ++i) {
    const cost::Policy& policy = settings_->budgets[i];
    if (!settings_->in_force[i]) continue;
    request.budgets.push_back({&policy, request.caller.subject(policy.scope), request.worst});
  }
  request.charges = {request.limits, request.budgets};
}

Task<void> Gateway::hold(Gateway& self, Request& request) {
  request.result = co_await self.ledger_->hold(request.charges, request.arena, self.executor_,
                                               request.now, request.wall);
  if (self.dies_) co_return;
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

// ---- The gauges -----------------------------------------------------------------------------

void Gateway::check() const {
  if (ledger_->open_holds() != oracle_.open_of(parts_.number)) {
    throw Violation{fmt::format("I12: {} open holds of {}", ledger_->open_holds(),
                                oracle_.open_of(parts_.number))};
  }
  const storage::Standings standings = ledger_->snapshot(clock.wall());
  for (const storage::BudgetStanding& budget : standings.budgets) {
    const std::int64_t held = oracle_.held(parts_.number, budget.rule, budget.subject);
    if (budget.held.micro_usd == held) continue;
    throw Violation{fmt::format("I12: {} of `{}` says {} held, it is {}", budget.rule,
                                budget.subject, budget.held.micro_usd, held)};
  }
  for (const storage::WorkStanding& work : standings.work) {
    const std::int64_t at_work = oracle_.at_work(parts_.number, work.rule, work.subject);
    if (work.at_work == at_work) continue;
    throw Violation{fmt::format("I14: {} of `{}` says {} at work, it is {}", work.rule,
                                work.subject, work.at_work, at_work)};
  }
}

}  // namespace tollgate::sim
