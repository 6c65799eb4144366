#include "sim/settings.h"

#include <fmt/format.h>

namespace tollgate::sim {
namespace {

constexpr limits::Scope kScopes[] = {limits::Scope::kGlobal, limits::Scope::kTenantId,
                                     limits::Scope::kUserId, limits::Scope::kKeyId,
                                     limits::Scope::kRoute,  limits::Scope::kModel};
constexpr cost::Window kWindows[] = {cost::Window::kHour, cost::Window::kDay, cost::Window::kMonth,
                                     cost::Window::kTotal};
// About what the dearest request may cost.
constexpr std::int64_t kUsualWorst = 40'000;

limits::Scope any_scope(Chance& chance) { return kScopes[chance.below(std::size(kScopes))]; }

limits::Policy any_limit(Chance& chance, int number) {
  limits::Policy policy;
  policy.scope = any_scope(chance);
  policy.figure = static_cast<limits::Figure>(chance.below(limits::kFigureCount));
  policy.rule = fmt::format("limits.{}", number);
  policy.mode = chance.one_in(8) ? Mode::kObserve : Mode::kEnforce;
  switch (policy.figure) {
    case limits::Figure::kConcurrentRequests:
      policy.limit = chance.between(1, 12);
      break;
    case limits::Figure::kRequestsPerMinute:
    case limits::Figure::kRequestsPerDay:
      policy.limit = chance.between(3, 200);
      break;
    default:
      policy.limit = chance.between(2'000, 100'000);
  }
  return policy;
}

cost::Policy any_budget(Chance& chance, int number) {
  cost::Policy policy;
  policy.scope = any_scope(chance);
  policy.window = kWindows[chance.below(std::size(kWindows))];
  policy.rule = fmt::format("budgets.{}", number);
  policy.limit = {kUsualWorst * chance.between(0, chance.one_in(4) ? 200 : 20)};
  if (chance.one_in(8)) policy.mode = Mode::kObserve;
  if (chance.one_in(8)) policy.when_exhausted = cost::WhenExhausted::kAllowAndAlert;
  policy.alert_at = {0.5, 1.0};
  return policy;
}

cost::Prices any_prices(Chance& chance) {
  cost::Prices prices;
  prices.input = {chance.between(50'000, 3'000'000)};
  prices.output = {chance.between(50'000, 15'000'000)};
  return prices;
}

}  // namespace

Plan Plan::of(Chance& chance) {
  // Some runs are struck by many things, some by few: what hides one thing shows another.
  const auto rate = [&](int usual) {
    return chance.one_in(3) ? 0 : static_cast<int>(usual * chance.between(1, 4));
  };
  Plan plan;
  plan.shape = chance.one_in(2) ? Shape::kOwnStore : Shape::kSharedStore;
  plan.gateways = plan.shape == Shape::kOwnStore ? 1 : static_cast<int>(chance.between(1, 4));
  plan.survives = chance.one_in(2) ? audit::Survives::kKill : audit::Survives::kPowerLoss;
  if (chance.one_in(3)) plan.accounts_max = static_cast<std::size_t>(chance.between(4, 20));
  plan.kill_in = rate(40);
  plan.power_loss_in = rate(80);
  plan.stop_in = rate(80);
  plan.store_away_in = rate(40);
  plan.cut_off_in = rate(40);
  plan.clock_jump_in = rate(30);
  plan.reload_in = rate(40);
  plan.absurd_in = rate(50);
  plan.call_fails_in = rate(300);
  plan.answer_lost_in = rate(10);
  plan.redis = plan.shape == Shape::kSharedStore && chance.one_in(2);
  plan.redis_flushed_in = rate(60);
  plan.expire_in = rate(15);
  if (plan.shape == Shape::kSharedStore && chance.one_in(4)) {
    plan.fail_over_in = static_cast<int>(60 * chance.between(1, 3));
    // What a reload or a loss of power left in what is lost, nobody promises to
    // know.
    plan.reload_in = plan.power_loss_in = plan.clock_jump_in = 0;
  }
  return plan;
}

Plan Plan::calm() {
  Plan plan;
  plan.shape = Shape::kSharedStore;
  plan.gateways = 3;
  plan.use_is_half = true;
  return plan;
}

Caller Caller::any(Chance& chance) {
  Caller caller;
  caller.tenant = fmt::format("tenant{}", chance.below(2));
  caller.user = fmt::format("{}.user{}", caller.tenant, chance.below(3));
  caller.key = fmt::format("{}.key{}", caller.user, chance.below(2));
  caller.route = fmt::format("route{}", chance.below(2));
  caller.model_number = static_cast<std::size_t>(chance.below(Settings::kModels));
  caller.model = fmt::format("model{}", caller.model_number);
  return caller;
}

std::string_view Caller::subject(limits::Scope scope) const {
  switch (scope) {
    case limits::Scope::kTenantId:
      return tenant;
    case limits::Scope::kUserId:
      return user;
    case limits::Scope::kKeyId:
      return key;
    case limits::Scope::kRoute:
      return route;
    case limits::Scope::kModel:
      return model;
    case limits::Scope::kGlobal:
    case limits::Scope::kClientIp:
      break;
  }
  return {};
}

std::shared_ptr<const Settings> Settings::of(Chance& chance, const Plan& plan) {
  auto made = std::make_shared<Settings>();
  for (cost::Prices& prices : made->prices) prices = any_prices(chance);
  if (plan.use_is_half) {
    cost::Policy only;
    only.scope = limits::Scope::kGlobal;
    only.window = cost::Window::kTotal;
    only.rule = "budgets.0";
    only.limit = {kUsualWorst * 100};
    made->budgets.push_back(only);
  } else {
    const std::int64_t limits = chance.below(4);
    for (int i = 0; i < limits; ++i) made->limits.push_back(any_limit(chance, i));
    const std::int64_t budgets = chance.between(1, 4);
    for (int i = 0; i < budgets; ++i) made->budgets.push_back(any_budget(chance, i));
  }
  made->in_force.assign(made->budgets.size(), true);
  return made;
}

std::shared_ptr<const Settings> Settings::edited(Chance& chance) const {
  auto made = std::make_shared<Settings>(*this);
  for (std::size_t i = 0; i < made->budgets.size(); ++i) {
    cost::Policy& budget = made->budgets[i];
    if (chance.one_in(2)) {
      budget.limit.micro_usd = budget.limit.micro_usd * chance.between(5, 20) / 10;
    }
    if (chance.one_in(6)) budget.window = kWindows[chance.below(std::size(kWindows))];
    if (chance.one_in(4)) made->in_force[i] = !made->in_force[i];
  }
  if (chance.one_in(2)) {
    for (cost::Prices& prices : made->prices) prices = any_prices(chance);
  }
  return made;
}

}  // namespace tollgate::sim
