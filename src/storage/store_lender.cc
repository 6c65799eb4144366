#include "storage/store_lender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {

StoreLender::StoreLender(std::string_view gateway, Borrower& borrower, const pipeline::Clock& clock,
                         std::function<void()> wake)
    : gateway_(gateway), borrower_(borrower), clock_(clock), wake_(std::move(wake)) {}

void StoreLender::ask(std::span<const LeaseNeed> needs, LeaseWait* wait) {
  {
    const std::lock_guard lock(mutex_);
    for (const LeaseNeed& need : needs) {
      std::string packed(packed_bytes(need.account), '\0');
      pack(need.account, packed.data());
      Question& question = asked_[packed];
      LeaseAsk& ask = question.ask;
      const bool first = question.needs++ == 0;
      question.hash = need.hash;
      ask.limit = need.limit;
      // Whoever needs least is to be helped, if nobody else can be.
      const bool waits = need.least > Money{};
      if (waits && (ask.least == Money{} || need.least < ask.least)) ask.least = need.least;
      ask.all = add_saturated(ask.all, need.least);
      ask.ahead = first ? need.ahead : std::max(ask.ahead, need.ahead);
      if (wait != nullptr) question.waits.push_back(wait);
      if (first) question.account = std::move(packed);
    }
  }
  wake_();
}

bool StoreLender::idle() const {
  const std::lock_guard lock(mutex_);
  return asked_.empty();
}

void StoreLender::take_questions() {
  CHECK(writing_.empty());
  const std::lock_guard lock(mutex_);
  for (auto& [packed, question] : asked_) writing_.push_back(std::move(question));
  asked_.clear();
}

FaultOr<void> StoreLender::write(Database& database) {
  take_questions();
  Allowances allowances(database, gateway_);
  for (Question& question : writing_) {
    std::string_view packed = question.account;
    const std::optional<AccountId> account = take_account(packed);
    CHECK(account.has_value());
    question.ask.account = *account;
    TRY(lease, allowances.lease(question.ask, clock_.wall()));
    question.answer = lease;
  }
  return {};
}

void StoreLender::committed() { answer(std::nullopt); }

void StoreLender::failed(const Fault& fault) {
  if (writing_.empty()) take_questions();
  answer(fault);
}

void StoreLender::answer(const std::optional<Fault>& fault) {
  for (const Question& question : writing_) {
    std::string_view packed = question.account;
    const std::optional<AccountId> account = take_account(packed);
    CHECK(account.has_value());
    std::optional<Lease> lease;
    if (!fault) lease = question.answer;
    borrower_.answered(*account, question.hash, question.needs, lease);
    for (LeaseWait* wait : question.waits) wait->answered(fault);
  }
  writing_.clear();
}

}  // namespace tollgate::storage
