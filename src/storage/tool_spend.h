// What calls of tools cost, by the quarter of an hour and by who made them: a part of what the
// books have (spend.h), from what the outcomes of requests say.
//
// Tools that a provider runs go by their type, `web_search`; those of MCP servers by `mcp:NAME`.
// Outcomes of before there was such a table name none, and neither do requests without calls: what
// they cost is in the books alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "storage/database.h"
#include "storage/spend.h"
#include "storage/trail_item.h"

namespace tollgate::storage {

// What is to be added in one transaction.
class ToolSpend {
 public:
  struct Key {
    std::int64_t quarter_us = 0;
    std::string tenant;
    std::string user;
    std::string key_id;
    std::string route;
    std::string tool;
    auto operator<=>(const Key&) const = default;
  };
  struct Sum {
    std::int64_t calls = 0;
    Money cost;
  };

  // What the outcome `item` says of tools; nothing of a record of another phase.
  void take(const Item& item);
  void add(Key key, const Sum& sum);
  bool empty() const { return sums_.empty(); }
  void clear() { sums_.clear(); }

  // Adds it to the table, in the caller's transaction.
  FaultOr<void> book(Database& database) const;

 private:
  std::map<Key, Sum> sums_;
};

// The answer to a question by tool, dearest first. The last row, without a name, is what all else
// cost: its requests and tokens are those of all; of a tool `requests` are its calls.
FaultOr<std::vector<SpendRow>> query_tool_spend(Database& database, const SpendQuery& query);

// What is older than `before` becomes part of sums, as the books' own (prune_books.h).
FaultOr<bool> has_old_tool_spend(Database& database, WallTime before);
// True: there may be more.
FaultOr<bool> sum_up_tool_spend(Database& database, WallTime before, std::int64_t most);

}  // namespace tollgate::storage
