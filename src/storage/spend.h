// The books: what was used and what it cost, by the hour and by who and what it was for.
//
// An hour is the finest that a budget's window can start at, so the sum over hours is exactly
// what was spent in a window, and the table stays small whatever the traffic.
#pragma once

#include <cstdint>
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
  Tokens input = 0;         // All input, cached included.
  Tokens cached_input = 0;
  Tokens output = 0;
  Money cost;
  friend bool operator==(const Spent&, const Spent&) = default;
};
Spent& operator+=(Spent& sum, const Spent& more);

// Who and what something was spent for.
struct SpendKey {
  std::int64_t hour_us = 0;  // Start of the hour, since the epoch.
  std::string tenant;
  std::string user;
  std::string key_id;
  std::string route;
  std::string model;
  friend bool operator==(const SpendKey&, const SpendKey&) = default;
};
struct HashSpendKey {
  std::size_t operator()(const SpendKey& key) const;
};
using SpendGroup = std::unordered_map<SpendKey, Spent, HashSpendKey>;

std::int64_t hour_of(WallTime time);

// Adds a group to the table, in the caller's transaction.
FaultOr<void> book(Database& database, const SpendGroup& group);

// ---- Questions ------------------------------------------------------------------------------

enum class SpendBy : std::uint8_t { kTotal, kTenant, kUser, kKey, kRoute, kModel, kHour };
std::string_view name_of(SpendBy by);  // "tenant"
std::optional<SpendBy> spend_by_named(std::string_view name);

struct SpendRow {
  std::string name;    // Of the tenant, user, …; an hour as microseconds since the epoch.
  std::string tenant;  // Of a user or a key; else empty.
  Spent spent;
};

struct SpendQuery {
  SpendBy by = SpendBy::kTenant;
  std::string tenant;             // Empty: all.
  std::optional<WallTime> since;  // Whole hours: from the start of the hour that holds it…
  std::optional<WallTime> until;  // …to the end of the hour that holds the moment before it.
};
// Dearest first; hours in order of time.
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
