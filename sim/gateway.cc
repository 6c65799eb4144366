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
  if (link_->count_budgets(*settings)) {
    tell("reloads");
    settings_ = std::move(settings);
  }
  run();  // The count asks the store, and its answer is one to whoever waited.
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
    if (chance_.one_in(parts_.plan->expire_in)) {
      link_->expire_leases(std::chrono::seconds(chance_.between(0, 30)));
    }
  } catch (const Killed&) {
    killed = true;
  }
  busy_ = false;
  link_->line.before_lock = link_->line.before_answer = nullptr;
  link_->line.dies_in = 0;
  if (killed) return die(Death::kKill);
  run();  // Whoever waited is held at the time of the answer.
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
