// The books: what was used and what it cost, by the quarter of an hour and by who and what it was
// for.
//
// Midnight comes at a quarter of an hour of UTC in every time zone, so the sum over quarters is
// exactly what was spent in a window, and the table stays small whatever the traffic. See
// docs/decisions/0009-quarters.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "controls/limits/limits.h"
#include "storage/database.h"

namespace tollgate::storage {

struct Spent {
  std::int64_t requests = 0;
  Tokens input = 0;  // All input, cached included.
  Tokens cached_input = 0;
  Tokens output = 0;
  Money cost;
  friend bool operator==(const Spent&, const Spent&) = default;
};
Spent& operator+=(Spent& sum, const Spent& more);

// Who and what something was spent for. Borrows.
struct SpendKey {
  std::int64_t quarter_us = 0;  // Start of the quarter of an hour, since the epoch.
  std::string_view tenant;
  std::string_view user;
  std::string_view key_id;
  std::string_view route;
  std::string_view model;
  friend bool operator==(const SpendKey&, const SpendKey&) = default;
};

// What is to be added to the books in one transaction. It remembers the keys that it has seen,
// so that adding to one of them allocates nothing.
class SpendGroup {
 public:
  struct Sum {
    std::unique_ptr<char[]> texts;  // Of the key.
    Spent spent;
    bool used = false;
  };
  struct HashKey {
    std::size_t operator()(const SpendKey& key) const;
  };
  using Entries = std::unordered_map<SpendKey, Sum, HashKey>;
  using Entry = Entries::value_type;

  // Stays where it is until forget().
  Entry& entry_of(const SpendKey& key);
  void add(Entry& entry, const Spent& spent);
  void add(const SpendKey& key, const Spent& spent) { add(entry_of(key), spent); }

  bool empty() const { return used_.empty(); }
  const std::vector<Entry*>& used() const { return used_; }
  std::size_t keys() const { return entries_.size(); }

  void clear();   // The sums; the keys stay known.
  void forget();  // The keys as well.

 private:
  Entries entries_;
  std::vector<Entry*> used_;
};

std::int64_t quarter_of(WallTime time);
// Has the sums of what the books keep no longer by the quarter.
inline constexpr std::int64_t kEarlierQuarter = 0;

// Adds a group to the table, in the caller's transaction.
FaultOr<void> book(Database& database, const SpendGroup& group);

// ---- Questions ------------------------------------------------------------------------------

enum class SpendBy : std::uint8_t {
  kTotal,
  kTenant,
  kUser,
  kKey,
  kRoute,
  kModel,
  kHour,
  kDay,
  kTool
};
std::string_view name_of(SpendBy by);  // "tenant"
std::optional<SpendBy> spend_by_named(std::string_view name);

struct SpendRow {
  std::string name;  // Of the tenant, user, …; of no tool, empty; an hour or a day as microseconds
                     // since the epoch.
  std::string tenant;  // Of a user or a key; else empty.
  Spent spent;
};

struct SpendQuery {
  SpendBy by = SpendBy::kTenant;
  std::string tenant;             // Empty: all.
  std::vector<std::string> only;  // Of these tenants; empty: of all.
  std::optional<WallTime> since;  // Whole hours: from the start of the hour that holds it…
  std::optional<WallTime> until;  // …to the end of the hour that holds the moment before it.
};
// Dearest first; hours and days (of UTC) in order of time. By tool it is query_tool_spend().
FaultOr<std::vector<SpendRow>> query_spend(Database& database, const SpendQuery& query);

// What each subject of a scope has spent since `since`, to fill budgets at start. The books
// know no addresses: a budget by client_ip starts with nothing spent.
struct SubjectSpent {
  std::string subject;
  Money cost;
};
FaultOr<std::vector<SubjectSpent>> spent_by_subject(Database& database, limits::Scope scope,
                                                    WallTime since);
FaultOr<Money> spent_since(Database& database, limits::Scope scope, std::string_view subject,
                           WallTime since);

}  // namespace tollgate::storage
