// A store that several gateways ask: what it does in its transactions is the shipped code.
//
// It dies as a server does: in the middle of a transaction, of which nothing is left then, or
// behind the commit and before the answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/chance.h"
#include "sim/journal_model.h"
#include "storage/allowances.h"
#include "storage/database.h"

namespace tollgate::sim {

class SharedStore {
 public:
  // A spending on packed accounts.
  struct Spending {
    std::string accounts;
    std::int64_t amount = 0;
  };

  explicit SharedStore(storage::Database& database) : database_(database) {}

  // Each is one transaction. Nothing: the store died in it, and nothing of it is kept.
  // A connection keeps the order of its transactions, and one that another took the place of does
  // nothing any more: so a give-back that comes behind a later question changes nothing.
  struct Order {
    std::uint64_t number = 0;  // From next_number().
    std::optional<Money> keep;
  };
  FaultOr<storage::Lease> lease(const std::string& gateway, storage::LeaseAsk ask,
                                const Order& order, const std::string& account, WallTime now);
  std::uint64_t next_number() { return ++numbers_; }
  // What lies in a gateway's journal from the position `from` to `to`; each position once,
  // however often and in whatever order it is told. Up to where the store has it.
  FaultOr<std::uint64_t> spend(const std::string& gateway, std::uint64_t from, std::uint64_t to,
                               const std::vector<Spending>& spendings, WallTime now);
  FaultOr<std::uint64_t> written(const std::string& gateway);
  FaultOr<void> end_leases(const std::string& gateway, storage::Allowances::Books books,
                           WallTime now);

  // The next transaction dies before it commits.
  void die_next() { dies_ = true; }

 private:
  FaultOr<void> commit(storage::Transaction& transaction);

  storage::Database& database_;
  std::uint64_t numbers_ = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> latest_;  // By gateway and account.
  bool dies_ = false;
};

}  // namespace tollgate::sim
