#include "storage/store_lender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

const std::optional<Fault> kGathering = Fault{
    FaultKind::kUnreachable,
    "The store has failed over; nothing is lent until all gateways have said what they hold."};

}  // namespace

StoreLender::StoreLender(std::string_view gateway, Sharing sharing, Borrower& borrower,
                         const pipeline::Clock& clock, std::function<void()> wake)
    : gateway_(gateway),
      sharing_(sharing),
      borrower_(borrower),
      clock_(clock),
      wake_(std::move(wake)) {}

StoreLender::Question& StoreLender::question_of(const AccountId& account, std::uint64_t hash) {
  std::string packed(packed_bytes(account), '\0');
  pack(account, packed.data());
  Question& question = asked_[packed];
  question.hash = hash;
  if (question.needs++ == 0) question.account = std::move(packed);
  return question;
}

void StoreLender::ask(std::span<const LeaseNeed> needs, LeaseWait* wait) {
  std::optional<Fault> away;
  {
    const std::lock_guard lock(mutex_);
    if (sharing_ == Sharing::kShared) away = away_;
    if (!away) put(needs, wait);
  }
  if (!away) return wake_();
  for (const LeaseNeed& need : needs) {
    borrower_.answered(need.account, need.hash, 1, std::nullopt);
    if (wait != nullptr) wait->answered(away, clock_.now());
  }
}

void StoreLender::put(std::span<const LeaseNeed> needs, LeaseWait* wait) {
  for (const LeaseNeed& need : needs) {
    Question& question = question_of(need.account, need.hash);
    LeaseAsk& ask = question.ask;
    ask.limit = need.limit;
    // Whoever needs least is to be helped, if nobody else can be.
    const bool waits = need.least > Money{};
    if (waits && (ask.least == Money{} || need.least < ask.least)) ask.least = need.least;
    ask.all = add_saturated(ask.all, need.least);
    ask.ahead = std::max(ask.ahead, need.ahead);
    if (wait != nullptr) question.waits.push_back(wait);
  }
}

void StoreLender::give_back(std::span<const LeaseReturn> returns) {
  {
    const std::lock_guard lock(mutex_);
    for (const LeaseReturn& back : returns) question_of(back.account, back.hash).keep = back.keep;
  }
  wake_();
}

void StoreLender::beat() {
  {
    const std::lock_guard lock(mutex_);
    beats_ = true;
  }
  wake_();
}

void StoreLender::earlier_leases(EarlierLeases are) {
  if (are == EarlierLeases::kOpen) {
    alone_since_ = Instant::max();
  } else if (alone_since_.load() == Instant::max()) {
    alone_since_ = clock_.now();
  }
}

bool StoreLender::idle() const {
  const std::lock_guard lock(mutex_);
  return asked_.empty() && !beats_;
}

void StoreLender::take_questions() {
  CHECK(writing_.empty());
  const std::lock_guard lock(mutex_);
  for (auto& [packed, question] : asked_) writing_.push_back(std::move(question));
  asked_.clear();
  beats_ = false;
}

FaultOr<void> StoreLender::write(Database& database) {
  take_questions();
  std::vector<AccountId> accounts;
  for (Question& question : writing_) {
    std::string_view packed = question.account;
    const std::optional<AccountId> account = take_account(packed);
    CHECK(account.has_value());
    question.ask.account = accounts.emplace_back(*account);
  }
  Allowances allowances(database, gateway_);
  if (seat_ != nullptr && seat_->owes()) TRY_DO(say_anew(allowances));
  const bool holds_back = seat_ != nullptr && seat_->is_gathering();
  TRY_DO(allowances.look_up(accounts));
  for (Question& question : writing_) {
    const AccountId& account = question.ask.account;
    question.held_back = holds_back && question.ask.least > Money{};
    if (holds_back) question.ask.least = question.ask.all = question.ask.ahead = Money{};
    if (question.keep) TRY_DO(allowances.give_back(account, *question.keep, clock_.wall()));
    TRY(lease, allowances.lease(question.ask, clock_.wall()));
    question.answer = lease;
  }
  return {};
}

// In the transaction that says so for the first time since the store lacks it.
FaultOr<void> StoreLender::say_anew(Allowances& allowances) {
  std::vector<std::pair<std::string, Money>> all;
  const auto extent = seat_->is_late() ? Borrower::Extent::kUsed : Borrower::Extent::kAll;
  borrower_.each_lease(extent, [&](const AccountId& account, Money leased) {
    std::string packed(packed_bytes(account), '\0');
    pack(account, packed.data());
    all.emplace_back(std::move(packed), leased);
  });
  std::vector<AccountId> accounts;
  for (const auto& [packed, leased] : all) {
    std::string_view rest = packed;
    accounts.push_back(take_account(rest).value_or(AccountId{}));
  }
  TRY_DO(allowances.look_up(accounts));
  for (std::size_t i = 0; i < all.size(); ++i) {
    TRY_DO(allowances.say_leased(accounts[i], all[i].second, clock_.wall()));
  }
  return {};
}

void StoreLender::committed() { answer(std::nullopt); }

// Who asked meanwhile need not wait for the next attempt either.
void StoreLender::failed(const Fault& fault) {
  answer(fault);
  take_questions();
  answer(fault);
  const std::lock_guard lock(mutex_);
  beats_ = sharing_ == Sharing::kShared;
}

void StoreLender::answer(const std::optional<Fault>& fault) {
  {
    const std::lock_guard lock(mutex_);
    away_ = fault;
  }
  for (const Question& question : writing_) {
    std::string_view packed = question.account;
    const std::optional<AccountId> account = take_account(packed);
    CHECK(account.has_value());
    std::optional<Lease> lease;
    if (!fault) lease = question.answer;
    borrower_.answered(*account, question.hash, question.needs, lease);
    const std::optional<Fault>& told = question.held_back && !fault ? kGathering : fault;
    for (LeaseWait* wait : question.waits) wait->answered(told, clock_.now());
  }
  writing_.clear();
}

}  // namespace tollgate::storage
