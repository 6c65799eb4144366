// What calls of MCP tools take of limits and budgets.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {
namespace {

constexpr std::string_view kSettings = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams: {}
models: {}
tenants:
  acme: { budget: { usd: 10, per: day, when_exhausted: refuse } }
  globex: {}
budgets:
  user_id: { usd: 1, per: day, when_exhausted: refuse }
  model: { usd: 1, per: day, when_exhausted: refuse }
limits: { tenant_id: { requests_per_minute: 60, input_tokens_per_minute: 9 } }
routes:
  - name: work
    path: /mcp/work
    allow: [{ tenants: [acme, globex] }]
    mcp:
      servers:
        github:
          url: "http://127.0.0.1:1/mcp"
          price_per_call: 0.01
          tool_limits:
            search: { price_per_call: 0.25, user_id: { requests_per_minute: 5 } }
            free: { price_per_call: 0 }
        docs: { url: "http://127.0.0.1:2/mcp", tools: { allow: [search] } }
)";

class McpPrice : public ::testing::Test {
 protected:
  McpPrice() {
    const auto loaded = config::load_text(std::string(kSettings), "t.yaml",
                                          [](const std::string&) { return std::nullopt; });
    for (const config::Problem& problem : loaded.problems) ADD_FAILURE() << format(problem);
    config_ = loaded.config;
    ada_.tenant = "acme";
    ada_.subject = "ada";
  }
  const config::Mcp* server(std::size_t at) const {
    return &config_->routes.at(0).mcp->servers.at(at);
  }
  Charges charges(const McpDemand& demand) {
    return mcp_charges(*config_, config_->routes.at(0), ada_, IpAddress{}, demand, arena_);
  }

  std::shared_ptr<const config::Config> config_;
  authentication::Identity ada_;
  Arena arena_;
};

TEST_F(McpPrice, IsOfTheToolOrElseOfItsServer) {
  EXPECT_EQ(mcp_price({server(0), "search"}), Money{250'000});
  EXPECT_EQ(mcp_price({server(0), "other"}), Money{10'000});
  EXPECT_EQ(mcp_price({server(0), "free"}), Money{});
  EXPECT_EQ(mcp_price({server(1), "search"}), Money{});
  EXPECT_EQ(mcp_price({server(0), ""}), Money{});
  EXPECT_EQ(mcp_price({nullptr, "search"}), Money{});
}

TEST_F(McpPrice, IsHeldOnEveryBudgetOfTheCallerButThoseOfModels) {
  const Charges paid = charges({server(0), "search"});
  ASSERT_EQ(paid.budgets.size(), 2U);
  EXPECT_EQ(paid.budgets[0].policy->rule, "budgets.user_id");
  EXPECT_EQ(paid.budgets[0].amount, Money{250'000});
  EXPECT_EQ(paid.budgets[1].policy->rule, "tenants.acme.budget");
  EXPECT_EQ(paid.budgets[1].amount, Money{250'000});
  EXPECT_EQ(paid.budgets[1].subject, "acme");
  ada_.tenant = "globex";
  EXPECT_EQ(charges({server(0), "search"}).budgets.size(), 1U);
  for (const McpDemand& demand : {McpDemand{server(0), "free"}, McpDemand{server(0), ""},
                                  McpDemand{server(1), "search"}, McpDemand{nullptr, ""}}) {
    EXPECT_TRUE(charges(demand).budgets.empty());
  }
}

TEST_F(McpPrice, LeavesLimitsToTheToolOfThatServer) {
  const auto rules = [&](const McpDemand& demand) {
    std::string all;
    for (const LimitCharge& charge : charges(demand).limits) all += charge.policy->rule + " ";
    return all;
  };
  EXPECT_EQ(rules({server(0), "search"}),
            "limits.tenant_id.requests_per_minute "
            "routes.work.mcp.servers.github.tool_limits.search.user_id.requests_per_minute ");
  EXPECT_EQ(rules({server(1), "search"}), "limits.tenant_id.requests_per_minute ");
  EXPECT_EQ(rules({nullptr, ""}), "limits.tenant_id.requests_per_minute ");
}

}  // namespace
}  // namespace tollgate::pipeline
