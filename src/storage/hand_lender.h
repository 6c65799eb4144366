// A store of allowances in memory and its lender, answered by hand. For tests.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/lender.h"

namespace tollgate::storage {

// What the store knows, for all gateways: the slow model of Allowances.
struct HandStore {
  struct Row {
    Money leased;
    Money spent;
  };
  struct Account {
    std::map<std::string, Row> gateways;
    Money limit;  // The highest that was ever asked with.
    Money taken() const {
      Money sum;
      for (const auto& [name, row] : gateways) sum = add_saturated(sum, row.leased);
      return sum;
    }
  };

  static std::string key(const AccountId& account) {
    std::string packed(packed_bytes(account), '\0');
    pack(account, packed.data());
    return packed;
  }
  Lease lease(const std::string& gateway, const std::string& account, const LeaseAsk& ask) {
    Account& found = accounts[account];
    found.limit = std::max(found.limit, ask.limit);
    const Money taken = found.taken();
    Row& row = found.gateways[gateway];
    const Money more = slice(add_saturated(ask.limit, Money{-taken.micro_usd}), ask);
    row.leased = add_saturated(row.leased, more);
    return {row.leased, row.spent, add_saturated(taken, more), more};
  }
  void give_back(const std::string& gateway, const std::string& account, Money keep) {
    Row& row = accounts[account].gateways[gateway];
    row.leased = std::min(row.leased, std::max(keep, row.spent));
  }
  // As the writer does with what accounts_ of a booking says.
  void spend(const std::string& gateway, std::string_view packed, Money spent) {
    while (!packed.empty()) {
      const std::string_view before = packed;
      if (!take_account(packed)) return;
      Row& row =
          accounts[std::string(before.substr(0, before.size() - packed.size()))].gateways[gateway];
      row.spent = add_saturated(row.spent, spent);
      row.leased = std::max(row.leased, row.spent);
    }
  }
  void reclaim(const std::string& gateway) {
    for (auto& [key, account] : accounts) {
      Row& row = account.gateways[gateway];
      row.leased = row.spent;
    }
  }

  std::map<std::string, Account> accounts;
};

class HandLender final : public Lender {
 public:
  HandLender(HandStore& store, std::string gateway) : store_(store), gateway_(std::move(gateway)) {}

  void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) override {
    for (const LeaseNeed& need : needs) {
      Question question;
      question.account = HandStore::key(need.account);
      question.hash = need.hash;
      question.ask.limit = need.limit;
      question.ask.least = question.ask.all = need.least;
      question.ask.ahead = need.ahead;
      question.wait = wait;
      asked.push_back(std::move(question));
    }
  }
  void give_back(std::span<const LeaseReturn> returns) override {
    for (const LeaseReturn& back : returns) {
      Question question;
      question.account = HandStore::key(back.account);
      question.hash = back.hash;
      question.keep = back.keep;
      asked.push_back(std::move(question));
    }
  }
  bool exclusive() const override { return is_exclusive; }
  bool is_current(Instant at) const override {
    return is_exclusive && knows_others && at > alone_since;
  }

  // Answers the first that was asked; with a Fault, that the store is away.
  void answer(Borrower& borrower, const std::optional<Fault>& fault = std::nullopt) {
    const Question question = std::move(asked.front());
    asked.erase(asked.begin());
    std::optional<Lease> lease;
    if (!fault && question.keep) store_.give_back(gateway_, question.account, *question.keep);
    if (!fault) lease = store_.lease(gateway_, question.account, question.ask);
    std::string_view packed = question.account;
    borrower.answered(*take_account(packed), question.hash, 1, lease);
    if (question.wait != nullptr) question.wait->answered(fault, now);
  }

  struct Question {
    std::string account;
    std::uint64_t hash = 0;
    LeaseAsk ask;
    std::optional<Money> keep;
    LeaseWait* wait = nullptr;
  };
  std::vector<Question> asked;
  bool is_exclusive = true;
  bool knows_others = true;  // Else somebody may give back, although nobody else takes.
  Instant alone_since = Instant::min();
  Instant now{};  // Of the answers.

 private:
  HandStore& store_;
  const std::string gateway_;
};

}  // namespace tollgate::storage
