#include "storage/account_sums.h"

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {

void AccountSums::add(std::string_view accounts, Money spent) {
  while (!accounts.empty()) {
    const std::string_view before = accounts;
    const std::optional<AccountId> account = take_account(accounts);
    if (!account) return;  // An older gateway packed it otherwise; it held on no account.
    const std::string_view packed = before.substr(0, before.size() - accounts.size());
    auto found = sums_.find(packed);
    if (found == sums_.end()) found = sums_.emplace(std::string(packed), Sum{}).first;
    if (!found->second.used) used_.push_back(&*found);
    found->second.used = true;
    found->second.spent = add_saturated(found->second.spent, spent);
  }
}

FaultOr<void> AccountSums::write(Allowances& allowances, WallTime now) const {
  std::vector<AccountId> accounts;
  for (const Sums::value_type* sum : used_) {
    std::string_view packed = sum->first;
    accounts.push_back(take_account(packed).value_or(AccountId{}));
  }
  TRY_DO(allowances.look_up(accounts));
  for (const Sums::value_type* sum : used_) {
    std::string_view packed = sum->first;
    const std::optional<AccountId> account = take_account(packed);
    CHECK(account.has_value());
    TRY_DO(allowances.spend(*account, sum->second.spent, now));
  }
  return {};
}

void AccountSums::clear() {
  for (Sums::value_type* sum : used_) sum->second = Sum{};
  used_.clear();
  if (sums_.size() > kAccountsKept) sums_.clear();
}

}  // namespace tollgate::storage
