// What a seed decides before the first step: the rules that are in force and what can go wrong.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controls/audit/audit.h"
#include "controls/cost/cost.h"
#include "controls/limits/limits.h"
#include "sim/chance.h"

namespace tollgate::sim {

// Which promises are to be kept by whom.
enum class Shape : std::uint8_t {
  kOwnStore,     // One gateway on a SQLite file of its own.
  kSharedStore,  // Several gateways on one store, as on PostgreSQL.
};

struct Plan {
  Shape shape = Shape::kOwnStore;
  int gateways = 1;
  audit::Survives survives = audit::Survives::kKill;
  std::size_t accounts_max = 1000;
  int kill_in = 0;  // A gateway dies once in so many steps; 0: never. So are the next.
  int power_loss_in = 0;
  int stop_in = 0;  // Cleanly.
  int store_away_in = 0;
  int cut_off_in = 0;  // One gateway from the store.
  int clock_jump_in = 0;
  int reload_in = 0;
  int absurd_in = 0;         // Of requests, those whose usage no bound foresaw.
  int call_fails_in = 0;     // Of calls of a shared store.
  int answer_lost_in = 0;    // Of its commits.
  int fail_over_in = 0;      // To a standby that lacks the last commits.
  bool redis = false;        // Limits are shared in it.
  int expire_in = 0;         // Leases of whoever was silent for some seconds.
  int redis_flushed_in = 0;  // It loses all its data.
  bool use_is_half = false;  // Of the bound; else anything up to it.

  static Plan of(Chance& chance);
  // Nothing goes wrong, and everybody wants more than there is.
  static Plan calm();
};

struct Caller {
  std::string tenant;
  std::string user;
  std::string key;
  std::string route;
  std::string model;
  std::size_t model_number = 0;

  static Caller any(Chance& chance);
  std::string_view subject(limits::Scope scope) const;
};

// One configuration. Lives as long as a request that was decided by it.
struct Settings {
  static constexpr std::size_t kModels = 2;

  std::vector<limits::Policy> limits;
  std::vector<cost::Policy> budgets;
  std::vector<bool> in_force;  // Of each budget.
  std::array<cost::Prices, kModels> prices;

  static std::shared_ptr<const Settings> of(Chance& chance, const Plan& plan);
  // After an edit: limits of budgets, prices, windows, and budgets that go and come.
  std::shared_ptr<const Settings> edited(Chance& chance) const;
};

}  // namespace tollgate::sim
