// What is to be booked as spent on accounts of budgets in one transaction.
//
// It remembers the accounts that it has seen, so that adding to one of them allocates nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "storage/allowances.h"

namespace tollgate::storage {

class AccountSums {
 public:
  // `accounts` is a list that accounts.h packed: each of them has spent so much.
  void add(std::string_view accounts, Money spent);
  bool empty() const { return used_.empty(); }

  FaultOr<void> write(Allowances& allowances, WallTime now) const;
  // The sums; the accounts stay known, while they are not too many.
  void clear();

 private:
  static constexpr std::size_t kAccountsKept = 4096;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Sum {
    Money spent;
    bool used = false;
  };
  using Sums = std::unordered_map<std::string, Sum, Hash, std::equal_to<>>;  // By packed account.

  Sums sums_;
  std::vector<Sums::value_type*> used_;
};

}  // namespace tollgate::storage
