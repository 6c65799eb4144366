#include "admin/forms.h"

#include <gtest/gtest.h>

namespace tollgate::admin {
namespace {

constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};

TEST(Forms, ShowAKeyWithoutItsSecretUnlessItWasJustMade) {
  authentication::KeyRecord key;
  key.id = "abc";
  key.tenant = "acme";
  key.roles = {"a", "b"};
  key.name = "line\n\"quote\"";
  key.created = kMorning;
  key.expires = kMorning + std::chrono::hours(24);
  key.scopes.routes = {"chat"};
  key.scopes.addresses = {*read_address_range("10.0.0.0/8")};
  key.replaces = "xyz";
  key.last_used = kMorning;
  const std::string shown = key_json(key);
  EXPECT_EQ(shown,
            R"({"id":"abc","tenant":"acme","user":"","roles":["a","b"],"name":"line\n\"quote\"",)"
            R"("created":"2026-03-04T05:30:00Z","expires":"2026-03-05T05:30:00Z","revoked":null,)"
            R"("scopes":{"routes":["chat"],"models":[],"tools":[],"addresses":["10.0.0.0/8"]},)"
            R"("replaces":"xyz","replaced_by":null,"last_used":"2026-03-04T05:30:00Z"})");
  EXPECT_NE(key_json(key, "tg_live_x").find(R"("secret":"tg_live_x")"), std::string::npos);
  EXPECT_EQ(keys_json({}), "[]");
  EXPECT_EQ(keys_json({key, key}), "[" + shown + "," + shown + "]");
  EXPECT_EQ(key_page_json({{key}, true}),
            R"({"data":[)" + shown + R"(],"has_more":true,"next":"abc"})");
  EXPECT_EQ(key_page_json({{key}, false}),
            R"({"data":[)" + shown + R"(],"has_more":false,"next":null})");
}

TEST(Forms, WriteMoneyAsAnExactDecimal) {
  storage::SpendRow row;
  row.name = "ada";
  row.tenant = "acme";
  row.spent.requests = 2;
  row.spent.input = 10;
  row.spent.output = 5;
  row.spent.cost = {123'456'789'000'001};
  EXPECT_EQ(spend_json(storage::SpendBy::kUser, {row}),
            R"([{"user":"ada","tenant":"acme","requests":2,"input_tokens":10,)"
            R"("cached_input_tokens":0,"output_tokens":5,"cost_usd":123456789.000001}])");
}

TEST(Forms, NameAnHourByItsTime) {
  storage::SpendRow row;
  row.name = std::to_string(kMorning.time_since_epoch().count());
  EXPECT_EQ(spend_name(storage::SpendBy::kHour, row), "2026-03-04T05:30:00Z");
  EXPECT_EQ(spend_name(storage::SpendBy::kTenant, row), row.name);
}

TEST(Forms, SayHowABudgetStands) {
  storage::Standings standings;
  storage::BudgetStanding budget;
  budget.rule = "tenants.acme.budget";
  budget.subject = "acme";
  budget.scope = limits::Scope::kTenantId;
  budget.window = cost::Window::kMonth;
  budget.window_start = kMorning;
  budget.window_end = kMorning + std::chrono::hours(1);
  budget.limit = {500'000'000};
  budget.spent = {1};
  budget.held = {20'000};
  standings.budgets = {budget};
  EXPECT_EQ(budgets_json(standings),
            R"([{"rule":"tenants.acme.budget","scope":"tenant_id","subject":"acme",)"
            R"("window":"month","window_start":"2026-03-04T05:30:00Z",)"
            R"("window_end":"2026-03-04T06:30:00Z","time_zone":"UTC","limit_usd":500.00,)"
            R"("spent_usd":0.000001,"held_usd":0.02}])");
  EXPECT_EQ(budgets_json({}), "[]");
}

}  // namespace
}  // namespace tollgate::admin
