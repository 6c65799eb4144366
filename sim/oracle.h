// What the books must say: the same promises, kept by a model too slow and too simple to be wrong.
//
// It is told what was admitted and how it ended, by anybody, and knows no lease, no lock, no
// store and no crash but what survived of it. What it finds broken is thrown as a Violation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controls/cost/cost.h"
#include "controls/limits/limits.h"
#include "sim/story.h"

namespace tollgate::sim {

using Account = std::string;  // As storage/accounts.h packs one.

// What one admitted request took.
struct Taken {
  // Who lets it through: the gateway alone, all of them together, or each its share, as the store
  // that they share it in is away.
  enum class By : std::uint8_t { kGateway, kAll, kShare };
  struct Rate {
    const limits::Policy* policy = nullptr;
    std::string subject;
    std::int64_t amount = 0;
    By by = By::kGateway;
    std::int64_t limit = 0;
  };
  int gateway = 0;
  int start = 0;           // Of the gateway.
  std::int64_t money = 0;  // Of each account.
  std::vector<Account> accounts;
  std::vector<std::pair<std::string, std::string>> budgets;  // Rule and subject of each.
  std::vector<Rate> rates;                                   // Concurrency as well.
  std::int64_t at_us = 0;                                    // By a steady clock of those that
                                                             // share the rates.
};

class Oracle {
 public:
  struct Sum {
    std::int64_t spent = 0;  // Really, or it may have been.
    std::int64_t held = 0;
    std::int64_t overrun = 0;  // Of what is spent, what nobody had held.
    std::int64_t booked = 0;   // What the books must say of it at rest.
  };

  // A gateway enforces a budget from here on. The highest limit of a rule bounds its accounts.
  void enforce(const cost::Policy& budget);

  // So much of an account may be spent twice, as the store lost that it was
  // lent.
  void may_be_lent_twice(const Account& account, std::int64_t amount) { twice_[account] += amount; }
  std::int64_t lent_twice(const Account& account) const {
    const auto found = twice_.find(account);
    return found == twice_.end() ? 0 : found->second;
  }

  // Checks that it may (I1, I13, I14).
  void admitted(const std::string& id, Taken taken);
  // Exactly once (I3). `used` is of each of taken.rates.
  void ended(const std::string& id, std::int64_t spent, const std::vector<std::int64_t>& used);
  // After a crash the books say another sum of a request than it spent: what it held, since it may
  // have spent that, or nothing where the loss of power left nothing of it.
  void booked_as(const std::string& id, std::int64_t booked);
  // A gateway begins anew: its rates and permits are those of nobody.
  void begins_anew(int gateway);
  // What it has at work of limits that all share counts no more, as it could not say so in time…
  void permits_are_forgotten(int gateway);
  // …or what it has used of them in starts before this one.
  void uses_are_forgotten(int gateway, int before_start);

  bool knows(const std::string& id) const { return requests_.contains(id); }
  bool is_open(const std::string& id) const { return requests_.at(id).open; }
  std::int64_t held_by(const std::string& id) const { return requests_.at(id).taken.money; }
  std::int64_t booked_for(const std::string& id) const { return requests_.at(id).booked; }
  std::int64_t spent_by(const std::string& id) const { return requests_.at(id).spent; }
  const std::map<Account, Sum>& sums() const { return sums_; }
  bool enforces(std::string_view rule) const { return highest_.contains(rule); }
  std::int64_t highest(std::string_view rule) const { return highest_.find(rule)->second; }
  // Money of the open holds of a gateway on all windows, and how many there are of a permit.
  std::int64_t held(int gateway, std::string_view rule, std::string_view subject) const;
  std::int64_t at_work(int gateway, std::string_view rule, std::string_view subject) const;
  std::int64_t open_of(int gateway) const;
  std::int64_t booked_in_all() const;

 private:
  struct Request {
    Taken taken;
    std::int64_t spent = 0;
    std::int64_t booked = 0;
    bool open = true;
  };
  struct Use {
    int gateway = 0;
    int start = 0;
    std::int64_t at_us = 0;
    std::int64_t amount = 0;
    std::string id;
  };
  using OfGateway = std::pair<int, std::string>;  // With rule and subject.
  static constexpr int kAll = -1;
  static int whose(const Taken& taken, const Taken::Rate& rate) {
    return rate.by == Taken::By::kAll ? kAll : taken.gateway;
  }

  void check_account(const Account& account) const;
  void take_rate(const std::string& id, const Taken& taken, const Taken::Rate& rate);
  void check_rate(const Taken::Rate& rate, const std::vector<Use>& uses) const;

  std::map<std::string, std::int64_t, std::less<>> highest_;
  std::map<std::string, Request> requests_;
  std::map<Account, Sum> sums_;
  std::map<Account, std::int64_t> twice_;
  std::map<OfGateway, std::vector<Use>> uses_;
  std::map<OfGateway, std::int64_t> largest_;  // Of the limits that they were let through by.
  std::map<OfGateway, std::int64_t> held_;
  std::map<OfGateway, std::int64_t> permits_;
  std::map<std::string, std::int64_t> permits_of_all_;  // By rule and subject.
};

// "budgets.0 of tenant1 from 2026-03-01T00:00", for people.
std::string in_words(const Account& account);
// The rule of an account.
std::string rule_of(const Account& account);

}  // namespace tollgate::sim
