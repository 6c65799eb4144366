#include "storage/redis_rates.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

std::string random_name() {
  std::array<unsigned char, 8> bytes{};
  CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  std::string name;
  for (const unsigned char byte : bytes) fmt::format_to(std::back_inserter(name), "{:02x}", byte);
  return name;
}

constexpr limits::Figure kSlots = limits::Figure::kConcurrentRequests;

}  // namespace

RedisRates::RedisRates(const Options& options, std::unique_ptr<redis::Client> client,
                       RateBorrower& borrower, const pipeline::Clock& clock)
    : options_(options),
      borrower_(borrower),
      clock_(clock),
      client_(std::move(client)),
      process_(options.process.empty() ? random_name() : options.process) {
  CHECK(options.on_fault != RateMode::kLent);
  enter({options.on_fault, 1, options.gateways});
  counts_.degraded_since = clock.wall();
}

FaultOr<std::unique_ptr<RedisRates>> RedisRates::create(redis::Endpoint endpoint,
                                                        const Options& options,
                                                        RateBorrower& borrower,
                                                        const pipeline::Clock& clock) {
  TRY(client, redis::Client::create(std::move(endpoint)));
  return std::make_unique<RedisRates>(options, std::move(client), borrower, clock);
}

RedisRates::~RedisRates() { stop(); }

FaultOr<void> RedisRates::start() {
  FaultOr<void> first = round({}, Presence::kAlive, clock_.now() + kFirstDeadline);
  next_round_ = clock_.now() + pause();
  thread_ = std::thread([this] { run(); });
  return first;
}

void RedisRates::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  leave();
}

// ---- Asking ----------------------------------------------------------------------------------

std::string RedisRates::key_of(const RateId& id) {
  std::string key(id.rule);
  key += '\0';
  key += id.subject;
  return key;
}

RedisRates::Question& RedisRates::question_for(const RateNeed& need, Urgency urgency) {
  const std::string key = key_of(need.id);
  if (urgency == Urgency::kAwaited && !awaited_.contains(key)) {
    if (auto asked = asked_.extract(key)) awaited_.insert(std::move(asked));
  }
  const bool awaited = urgency == Urgency::kAwaited || awaited_.contains(key);
  Question& question = (awaited ? awaited_ : asked_)[key];
  if (question.account.rule.empty()) {
    question.account.rule = need.id.rule;
    question.account.subject = need.id.subject;
    question.account.hash = need.hash;
  }
  question.account.figure = need.figure;
  question.account.limit = need.limit;
  return question;
}

void RedisRates::ask(std::span<const RateNeed> needs, RateWait* wait) {
  std::unique_lock lock(mutex_);
  for (const RateNeed& need : needs) {
    Question& question =
        question_for(need, wait != nullptr ? Urgency::kAwaited : Urgency::kCanWait);
    ++question.needs;
    question.telling = RateTelling::kAsking;
    // Whoever needs least is to be helped, if nobody else can be.
    if (need.least > 0 && (question.least == 0 || need.least < question.least))
      question.least = need.least;
    question.all = std::min(question.all + need.least, kTokensMax);
    question.ahead = std::max(question.ahead, std::min(need.ahead, kTokensMax));
    if (wait != nullptr) question.waits.push_back(wait);
  }
  if (stopping_) {
    lock.unlock();
    return fail_questions();
  }
  if (!std::exchange(urgent_, true)) woken_.notify_one();
}

// Nobody is woken for it: while slots are in hand the thread looks often.
void RedisRates::give_back(const RateNeed& account) {
  const std::lock_guard lock(mutex_);
  question_for(account, Urgency::kCanWait);
}

// ---- The thread ------------------------------------------------------------------------------

Duration RedisRates::pause() const {
  if (degraded()) return kRetryAfter;
  return slots_in_hand_ > 0 ? kGiveBackAfter : kRetryAfter;
}

void RedisRates::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      woken_.wait_until(lock, next_round_, [this] { return urgent_ || stopping_; });
      if (stopping_) return;
      urgent_ = false;
    }
    turn();
  }
}

void RedisRates::turn() {
  if (degraded()) {
    fail_questions();
    if (clock_.now() < next_round_) return;
    (void)round({}, Presence::kAlive, clock_.now() + kRoundDeadline);
  } else {
    Asked asked = take_questions();
    add_renewals(asked);
    if (!asked.empty() || clock_.now() >= presence_at_)
      (void)round(std::move(asked), Presence::kAlive, clock_.now() + kRoundDeadline);
  }
  next_round_ = clock_.now() + pause();
}

// The thread has ended.
void RedisRates::leave() {
  fail_questions();
  if (degraded()) return;
  Asked all;
  for (auto& [key, held] : in_hand_) {
    Question question;
    question.account = held.account;
    question.telling = RateTelling::kLeaving;
    all.emplace_back(key, std::move(question));
  }
  (void)round(std::move(all), Presence::kLeaves, clock_.now() + kRoundDeadline);
  forget(options_.on_fault);
  fail_questions();
}

RedisRates::Asked RedisRates::take_questions() {
  Asked taken;
  const std::lock_guard lock(mutex_);
  for (Questions* from : {&awaited_, &asked_}) {
    while (!from->empty() && taken.size() < kQuestionsMax) {
      auto first = from->extract(from->begin());
      renew_with(first.mapped(), first.key());
      taken.emplace_back(std::move(first.key()), std::move(first.mapped()));
    }
  }
  urgent_ = !awaited_.empty() || !asked_.empty();
  return taken;
}

// One question an account a round: a second would tell again what was in hand before the answer to
// the first, and Redis would take what it had just lent for given back.
void RedisRates::renew_with(Question& question, const std::string& key) {
  const auto held = in_hand_.find(key);
  const Instant now = clock_.now();
  if (held == in_hand_.end() || now < held->second.renew_at) return;
  renew_at(held->second, held->first, now + kRenewAfter);
  if (question.telling == RateTelling::kReturning) question.telling = RateTelling::kRenewing;
}

void RedisRates::add_renewals(Asked& asked) {
  const Instant now = clock_.now();
  for (std::size_t i = 0; i < kRenewalsMax && !due_.empty(); ++i) {
    const auto [at, key] = *due_.begin();
    if (now < at) return;
    const auto held = in_hand_.find(std::string(key));
    CHECK(held != in_hand_.end());
    renew_at(held->second, held->first, now + kRenewAfter);
    Question question;
    question.account = held->second.account;
    question.telling = RateTelling::kRenewing;
    asked.emplace_back(held->first, std::move(question));
  }
}

void RedisRates::renew_at(InHand& held, std::string_view key, Instant at) {
  due_.erase({held.renew_at, key});
  held.renew_at = at;
  due_.emplace(at, key);
}

// ---- A round ---------------------------------------------------------------------------------

// What the ledger says of each account, as late as possible. Who is not known there any more has
// nothing to tell.
void RedisRates::report_all(Asked& asked) {
  std::erase_if(asked, [&](auto& entry) {
    Question& question = entry.second;
    const std::optional<RateReport> told = borrower_.report(
        question.account.id(), question.account.hash, question.telling, clock_.now());
    if (told) {
      question.report = *told;
    } else {
      drop(entry.first);
    }
    return !told;
  });
}

FaultOr<std::vector<redis::Reply>> RedisRates::exchange(const Asked& asked, Presence presence,
                                                        Instant deadline) {
  const bool connects = !client_->connected();
  if (connects) ++connection_;
  says_presence_ = presence == Presence::kLeaves || clock_.now() >= presence_at_;
  // First and last: what was answered in between is of this epoch.
  const std::string fresh = fmt::format("{}.{}", process_, ++rounds_);
  add_epoch(*client_, epoch_.name, fresh, store_clock_);
  for (const auto& [key, question] : asked) {
    RateQuestion sent;
    sent.gateway = process_;
    sent.connection = connection_;
    sent.figure = question.account.figure;
    sent.limit = question.account.limit;
    sent.report = question.report;
    sent.least = question.least;
    sent.all = question.all;
    sent.ahead = question.ahead;
    sent.ttl = kTtl;
    sent.lost_since = epoch_.lost_since;
    add_question(*client_, rate_key(question.account.id()), sent);
  }
  if (says_presence_) add_presence(*client_, options_.gateway, presence, kTtl);
  add_epoch(*client_, epoch_.name, fresh + "'", store_clock_);
  auto replies = client_->exchange(deadline);
  if (connects && replies) note_eviction();
  return replies;
}

FaultOr<std::vector<RateAnswer>> RedisRates::read_round(const Asked& asked,
                                                        const std::vector<redis::Reply>& replies,
                                                        Instant sent_at) {
  TRY(first, read_epoch(*client_, replies.front()));
  TRY(last, read_epoch(*client_, replies.back()));
  std::vector<RateAnswer> all;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    TRY(replied, read_answer(*client_, replies[i + 1]));
    all.push_back(replied);
  }
  if (says_presence_) {
    TRY(alive, read_presence(*client_, replies[asked.size() + 1]));
    RateState now = state();
    const auto gateways =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(alive, 1, UINT32_MAX));
    const bool fresh = clock_.now() < gateways_return_until_;
    now.gateways = fresh ? std::max(now.gateways, gateways) : gateways;
    enter(now);
    presence_at_ = clock_.now() + kRenewAfter;
  }
  epoch_changed_ = first.name != last.name;
  store_clock_ = StoreClock::kSteady;
  heard_epoch(last);
  heard_clock(last.now_us, sent_at);
  return all;
}

// Data that were lost took along what was in hand.
void RedisRates::heard_epoch(const Epoch& epoch) {
  const bool known = !epoch_.name.empty();
  if (known && (epoch.lost_since != epoch_.lost_since || epoch.name != epoch_.name))
    epoch_changed_ = true;
  if (epoch_changed_ && known) {
    const std::lock_guard lock(mutex_);
    ++counts_.lost;
  }
  epoch_ = epoch;
}

// By how much it is ahead lies between what it said and the moments before and after. A leap has
// ended there what others have in hand, so what was lent in this round counts for nothing, and the
// next one tells it to all.
void RedisRates::heard_clock(std::int64_t store_us, Instant sent_at) {
  const Duration at_least = Duration(store_us) - clock_.now().time_since_epoch();
  if (store_ahead_ && at_least > *store_ahead_ + kLeapMax) {
    store_clock_ = StoreClock::kLeapt;
    epoch_changed_ = true;
  }
  store_ahead_ = Duration(store_us) - sent_at.time_since_epoch();
}

// Data that were lost took along what this gateway has used, too.
void RedisRates::tell_debts() {
  std::vector<Account> all;
  borrower_.each_debt(clock_.now(), [&](const RateNeed& need) {
    all.push_back({std::string(need.id.rule), std::string(need.id.subject), need.hash, need.figure,
                   need.limit});
  });
  const std::lock_guard lock(mutex_);
  for (const Account& account : all) {
    RateNeed need;
    need.id = account.id();
    need.hash = account.hash;
    need.figure = account.figure;
    need.limit = account.limit;
    question_for(need, Urgency::kCanWait);
  }
  urgent_ = urgent_ || !all.empty();
}

FaultOr<void> RedisRates::round(Asked asked, Presence presence, Instant deadline) {
  report_all(asked);
  const Instant sent_at = clock_.now();
  auto replies = exchange(asked, presence, deadline);
  FaultOr<std::vector<RateAnswer>> replied;
  if (replies) {
    replied = read_round(asked, *replies, sent_at);
  } else {
    replied = std::unexpected(std::move(replies.error()));
  }
  if (!replied) {
    note(replied.error());
    // What was sent may still be carried out; on the next connection that says nothing any more.
    client_->close();
    forget(options_.on_fault);
    leave_unanswered(asked);
    fail_questions();
    return std::unexpected(std::move(replied.error()));
  }
  if (std::exchange(epoch_changed_, false)) {
    client_->close();
    forget(RateMode::kLent);
    leave_unanswered(asked);
    tell_debts();
    return {};
  }
  if (degraded()) {
    RateState now = state();
    now.mode = RateMode::kLent;
    enter(now);
    {
      const std::lock_guard lock(mutex_);
      counts_.degraded_since.reset();
    }
    // What is at work and was let through meanwhile has nobody who asks for it.
    tell_debts();
  }
  std::int64_t granted = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    granted += (*replied)[i].granted > 0 ? 1 : 0;
    answer(std::move(asked[i].first), asked[i].second, (*replied)[i], sent_at);
  }
  const std::lock_guard lock(mutex_);
  counts_.asked += static_cast<std::int64_t>(asked.size());
  counts_.granted += granted;
  return {};
}

void RedisRates::answer(std::string key, Question& question, const RateAnswer& replied,
                        Instant sent_at) {
  RateAnswer told = replied;
  told.generation = state().generation;
  told.told = question.report.in_hand;
  told.heard_at = clock_.now();
  told.until = sent_at + kTtl - kTtlMargin;
  told.gathers = epoch_.lost_since > 0 && replied.now_us < epoch_.lost_since + kTtl.count();
  const Account& account = question.account;
  if (replied.in_hand + replied.granted > 0) {
    auto [held, fresh] = in_hand_.try_emplace(std::move(key));
    if (fresh && account.figure == kSlots) ++slots_in_hand_;
    Instant next = clock_.now() + kRenewAfter;
    if (account.figure == kSlots) {
      if (replied.granted > 0) {
        next = clock_.now() + kLookAgainAfter;
      } else if (!fresh && question.telling != RateTelling::kRenewing) {
        next = std::min(next, held->second.renew_at);
      }
    }
    held->second.account = account;
    renew_at(held->second, held->first, next);
  } else {
    drop(key);
  }
  borrower_.answered(account.id(), account.hash, question.needs, told);
  for (RateWait* wait : question.waits) wait->answered(clock_.now());
}

// Nothing is in hand of an account any more.
void RedisRates::drop(const std::string& key) {
  const auto held = in_hand_.find(key);
  if (held == in_hand_.end()) return;
  if (held->second.account.figure == kSlots) --slots_in_hand_;
  due_.erase({held->second.renew_at, held->first});
  in_hand_.erase(held);
}

void RedisRates::leave_unanswered(Asked& asked) {
  for (auto& [key, question] : asked) {
    borrower_.answered(question.account.id(), question.account.hash, question.needs, {});
    for (RateWait* wait : question.waits) wait->answered(clock_.now());
  }
}

void RedisRates::fail_questions() {
  Questions awaited;
  Questions failed;
  {
    const std::lock_guard lock(mutex_);
    awaited.swap(awaited_);
    failed.swap(asked_);
  }
  for (const Questions* all : {&awaited, &failed}) {
    for (const auto& [key, question] : *all) {
      if (question.needs > 0)
        borrower_.unanswered(question.account.id(), question.account.hash, question.needs);
      for (RateWait* wait : question.waits) wait->answered(clock_.now());
    }
  }
}

// All that was in hand is worth nothing from here on.
void RedisRates::forget(RateMode mode) {
  RateState now = state();
  const bool was_degraded = now.mode != RateMode::kLent;
  // While Redis stays away the shares of one outage last.
  if (!was_degraded || mode == RateMode::kLent) ++now.generation;
  now.mode = mode;
  gateways_return_until_ = clock_.now() + kTtl;
  due_.clear();
  in_hand_.clear();
  slots_in_hand_ = 0;
  enter(now);
  const std::lock_guard lock(mutex_);
  if (mode == RateMode::kLent)
    counts_.degraded_since.reset();
  else if (!was_degraded)
    counts_.degraded_since = clock_.wall();
}

void RedisRates::note(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  ++counts_.faults;
  counts_.last_fault = fault.message;
}

// A limit that was thrown away is full again.
void RedisRates::note_eviction() {
  const std::optional<std::string>& policy = client_->evicts_by();
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(asked_eviction_, true) && counts_.evicts_by == policy) return;
    counts_.evicts_by = policy;
  }
  if (!policy) {
    fmt::print(stderr,
               "tollgate: {}: does not say whether it throws limits away when its memory is full; "
               "let its user ask (+info), or see to it that its maxmemory-policy is noeviction.\n",
               client_->endpoint().shown());
  } else if (!policy->empty()) {
    fmt::print(stderr,
               "tollgate: {}: its maxmemory-policy is {}: limits that it throws away are full "
               "again. Set it to noeviction.\n",
               client_->endpoint().shown(), *policy);
  }
}

RedisRates::Counts RedisRates::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace tollgate::storage
