#include "sim/oracle.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/accounts.h"
#include "storage/database.h"

namespace tollgate::sim {
namespace {

std::string joined(std::string_view rule, std::string_view subject) {
  return fmt::format("{}|{}", rule, subject);
}

bool is_permit(const limits::Policy& policy) {
  return policy.figure == limits::Figure::kConcurrentRequests;
}

}  // namespace

std::string rule_of(const Account& account) {
  std::string_view packed = account;
  return std::string(storage::take_account(packed)->rule);
}

std::string in_words(const Account& account) {
  std::string_view packed = account;
  const storage::AccountId id = *storage::take_account(packed);
  return fmt::format("{} of `{}` from hour {}", id.rule, id.subject,
                     storage::to_microseconds(id.window_start) / 3'600'000'000);
}

void Oracle::enforce(const cost::Policy& budget) {
  if (cost::lets_through(budget)) return;
  std::int64_t& highest = highest_[budget.rule];
  highest = std::max(highest, budget.limit.micro_usd);
}

void Oracle::check_account(const Account& account) const {
  const std::string rule = rule_of(account);
  if (!enforces(rule)) return;
  const Sum& sum = sums_.at(account);
  if (sum.spent + sum.held <= highest(rule) + sum.overrun + lent_twice(account)) return;
  throw Violation{fmt::format("I1: {}: {} spent and {} held, {} of it overrun, of {}",
                              in_words(account), sum.spent, sum.held, sum.overrun, highest(rule))};
}

// In any window at most a burst and what the rate earns in it: the worst window that ends at each
// use, in exact numbers.
void Oracle::check_rate(const Taken::Rate& rate, const std::vector<Use>& uses) const {
  const __int128 window = limits::window_of(rate.policy->figure).count();
  __int128 level = 0;
  std::int64_t before = uses.front().at_us;
  for (const Use& use : uses) {
    level -= static_cast<__int128>(rate.limit) * (use.at_us - before);
    level = std::max<__int128>(level, 0) + window * use.amount;
    before = use.at_us;
    if (level > window * rate.limit) {
      throw Violation{
          fmt::format("I13: {}: more than burst and rate at {} us", rate.policy->rule, use.at_us)};
    }
  }
}

void Oracle::take_rate(const std::string& id, const Taken& taken, const Taken::Rate& rate) {
  const std::string name = joined(rate.policy->rule, rate.subject);
  const bool enforced = rate.policy->mode == Mode::kEnforce;
  if (is_permit(*rate.policy)) {
    std::int64_t at_work = ++permits_[{taken.gateway, name}];
    if (rate.by == Taken::By::kAll) at_work = ++permits_of_all_[name];
    if (enforced && rate.by != Taken::By::kShare && at_work > rate.limit) {
      throw Violation{fmt::format("I14: {}: {} at work", name, at_work)};
    }
    return;
  }
  const OfGateway key{whose(taken, rate), name};
  std::vector<Use>& uses = uses_[key];
  // A share is smaller when there are more gateways, and what was let through before it was is no
  // less.
  Taken::Rate largest = rate;
  largest.limit = largest_[key] = std::max(largest_[key], rate.limit);
  const auto place = std::ranges::upper_bound(uses, taken.at_us, {}, &Use::at_us);
  uses.insert(place, {taken.gateway, taken.start, taken.at_us, rate.amount, id});
  if (enforced) check_rate(largest, uses);
}

void Oracle::admitted(const std::string& id, Taken taken) {
  if (taken.money < 0) throw Violation{"I10: a hold of less than nothing"};
  for (const Account& account : taken.accounts) {
    sums_[account].held += taken.money;
    check_account(account);
  }
  for (const auto& [rule, subject] : taken.budgets) {
    held_[{taken.gateway, joined(rule, subject)}] += taken.money;
  }
  for (const Taken::Rate& rate : taken.rates) take_rate(id, taken, rate);
  if (!requests_.try_emplace(id, Request{std::move(taken)}).second) {
    throw Violation{fmt::format("I3: {} is held twice", id)};
  }
}

void Oracle::ended(const std::string& id, std::int64_t spent,
                   const std::vector<std::int64_t>& used) {
  Request& request = requests_.at(id);
  if (!request.open) throw Violation{fmt::format("I3: {} ends twice", id)};
  request.open = false;
  const Taken& taken = request.taken;
  for (const Account& account : taken.accounts) sums_[account].held -= taken.money;
  for (const auto& [rule, subject] : taken.budgets) {
    held_[{taken.gateway, joined(rule, subject)}] -= taken.money;
  }
  for (std::size_t i = 0; i < taken.rates.size(); ++i) {
    const Taken::Rate& rate = taken.rates[i];
    const std::string name = joined(rate.policy->rule, rate.subject);
    if (is_permit(*rate.policy)) {
      --permits_[{taken.gateway, name}];
      if (rate.by == Taken::By::kAll) --permits_of_all_[name];
      continue;
    }
    // What was used beyond what was taken was not admitted by anybody.
    for (Use& use : uses_[{whose(taken, rate), name}]) {
      if (use.id == id && i < used.size()) use.amount = std::min(use.amount, used[i]);
    }
  }
  request.spent = spent;
  for (const Account& account : taken.accounts) {
    Sum& sum = sums_[account];
    sum.spent += spent;
    sum.overrun += std::max<std::int64_t>(spent - taken.money, 0);
    if (sum.held < 0 || spent < 0) throw Violation{"I10: less than nothing"};
    check_account(account);
  }
  booked_as(id, spent);
}

void Oracle::booked_as(const std::string& id, std::int64_t booked) {
  Request& request = requests_.at(id);
  for (const Account& account : request.taken.accounts) {
    sums_[account].booked += booked - request.booked;
  }
  request.booked = booked;
}

void Oracle::begins_anew(int gateway) {
  const auto of_it = [gateway](const auto& entry) { return entry.first.first == gateway; };
  std::erase_if(uses_, of_it);
  std::erase_if(permits_, of_it);
  std::erase_if(held_, of_it);
}

void Oracle::permits_are_forgotten(int gateway) {
  for (auto& [id, request] : requests_) {
    if (!request.open || request.taken.gateway != gateway) continue;
    for (Taken::Rate& rate : request.taken.rates) {
      if (!is_permit(*rate.policy) || rate.by != Taken::By::kAll) continue;
      --permits_of_all_[joined(rate.policy->rule, rate.subject)];
      rate.by = Taken::By::kShare;
    }
  }
}

void Oracle::uses_are_forgotten(int gateway, int before_start) {
  for (auto& [key, uses] : uses_) {
    if (key.first != kAll) continue;
    std::erase_if(
        uses, [&](const Use& use) { return use.gateway == gateway && use.start < before_start; });
  }
}

std::int64_t Oracle::held(int gateway, std::string_view rule, std::string_view subject) const {
  const auto found = held_.find({gateway, joined(rule, subject)});
  return found == held_.end() ? 0 : found->second;
}

std::int64_t Oracle::at_work(int gateway, std::string_view rule, std::string_view subject) const {
  const auto found = permits_.find({gateway, joined(rule, subject)});
  return found == permits_.end() ? 0 : found->second;
}

std::int64_t Oracle::open_of(int gateway) const {
  return std::ranges::count_if(requests_, [gateway](const auto& entry) {
    return entry.second.open && entry.second.taken.gateway == gateway;
  });
}

std::int64_t Oracle::booked_in_all() const {
  std::int64_t sum = 0;
  for (const auto& [id, request] : requests_) sum += request.booked;
  return sum;
}

}  // namespace tollgate::sim
