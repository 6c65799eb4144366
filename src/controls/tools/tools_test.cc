#include "controls/tools/tools.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tollgate::tools {
namespace {

constexpr std::string_view kAdmin[] = {"engineer", "admin"};

struct Case {
  Policy policy;
  TenantPolicy of_tenant;
  std::vector<std::string_view> roles;
  std::vector<std::string_view> reach;
  std::string refused;

  Scope scope() const { return {policy, "chat", "acme", &of_tenant, roles, reach}; }
  Expected<Verdict> check(const Asked& asked) {
    refused.clear();
    return tools::check(scope(), asked, refused);
  }
  Expected<Verdict> offer(std::vector<Tool> tools) { return check({.offered = tools}); }
};

Case searching() {
  Case made;
  made.policy.allow = NameSet({"search", "get_*", "type:web_search"});
  return made;
}

TEST(Tools, NameTheFirstThatMayNotBeOffered) {
  Case one = searching();
  const auto verdict = one.offer({{"function", "search"}, {"function", "rm"}, {"mcp", ""}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, Reason::kToolNotAllowed);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools");
  EXPECT_EQ(verdict.error().param, "tools[1]");
  EXPECT_NE(verdict.error().message.find("`rm`"), std::string::npos);
  EXPECT_EQ(one.refused, "rm");
  EXPECT_TRUE(one.offer({}));
  EXPECT_TRUE(one.offer({{"function", "get_weather"}, {"web_search_20250305", "web_search"}}));
}

TEST(Tools, OfARouteThatSaysNothingAreNone) {
  Case none;
  const auto verdict = none.offer({{"function", "search"}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools");
}

TEST(Tools, ThatAreDeniedAreSoWhateverAllowsThem) {
  Case one = searching();
  one.policy.allow = NameSet({"*", "type:bash_20250124"});
  one.policy.by_role = {{"admin", NameSet({"delete_users"})}};
  one.policy.deny = NameSet({"delete_*", "bash"});
  one.roles = {kAdmin, kAdmin + 2};
  for (const Tool tool : {Tool{"function", "delete_users"}, Tool{"bash_20250124", "bash"}}) {
    const auto verdict = one.offer({tool});
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().rule, "routes.chat.tools.deny");
  }
}

TEST(Tools, AreAllowedToARoleBesideTheRest) {
  Case one = searching();
  one.policy.by_role = {{"admin", NameSet({"delete_users"})}};
  EXPECT_FALSE(one.offer({{"function", "delete_users"}}));
  one.roles = {kAdmin, kAdmin + 2};
  EXPECT_TRUE(one.offer({{"function", "delete_users"}, {"function", "search"}}));
}

TEST(Tools, AreNeverMoreThanATenantOrACredentialMayUse) {
  Case one = searching();
  one.of_tenant.allow = NameSet({"search"});
  one.of_tenant.deny = NameSet({"get_secret"});
  auto verdict = one.offer({{"function", "get_weather"}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "tenants.acme.tools.allow");
  one.of_tenant.allow = {};
  EXPECT_TRUE(one.offer({{"function", "get_weather"}}));
  verdict = one.offer({{"function", "get_secret"}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "tenants.acme.tools.deny");
  one.reach = {"search"};
  verdict = one.offer({{"function", "get_weather"}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "authentication.api_keys.scopes");
  // These hold where the route only observes, too.
  one.policy.mode = Mode::kObserve;
  EXPECT_FALSE(one.offer({{"function", "get_weather"}}));
}

TEST(Tools, ThatAreUnlistedCanBeRemoved) {
  Case one = searching();
  one.policy.unlisted = Unlisted::kRemove;
  const std::vector<Tool> offered{{"function", "rm"}, {"function", "search"}, {"mcp", ""}};
  auto verdict = one.offer(offered);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->removed, (std::vector<std::size_t>{0, 2}));
  const Chosen chosen[] = {{{"function", "rm"}}};
  verdict = one.check({.offered = offered, .chosen = chosen});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, Reason::kToolNotAllowed);
  EXPECT_EQ(verdict.error().param, "tool_choice");
  const Tool rm[] = {{"function", "rm"}};
  EXPECT_TRUE(one.check({.offered = rm}));
  EXPECT_FALSE(one.check({.offered = rm, .must_call = true}));
  // A name that could be taken for another is not something to leave out in silence.
  EXPECT_FALSE(one.offer({{"function", "se\u0430rch"}}));
}

TEST(Tools, HaveNamesOfTheirOwn) {
  Case one = searching();
  one.policy.allow = NameSet({"*"});
  for (const std::string_view other : {"search", "Search", "SEARCH"}) {
    const auto verdict = one.offer({{"function", "search"}, {"function", "x"}, {"custom", other}});
    ASSERT_FALSE(verdict) << other;
    EXPECT_EQ(verdict.error().reason, Reason::kInvalidRequest);
    EXPECT_EQ(verdict.error().param, "tools[2]");
  }
  for (const std::string_view name : {"se\u0430rch", "search\u200b", "\uff53earch", "a b", ""}) {
    const auto verdict = one.offer({{"function", name}});
    ASSERT_FALSE(verdict) << name;
    EXPECT_EQ(verdict.error().reason, Reason::kToolNotAllowed);
    for (const char c : verdict.error().message) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(Tools, ThatAreChosenAreOffered) {
  Case one = searching();
  const Tool search[] = {{"function", "search"}};
  const Chosen chosen[] = {{{"function", "search"}}};
  const Chosen other[] = {{{"function", "search"}}, {{"function", "get_x"}}};
  EXPECT_TRUE(one.check({.offered = search, .chosen = chosen}));
  const auto verdict = one.check({.offered = search, .chosen = other});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, Reason::kInvalidRequest);
  EXPECT_NE(verdict.error().message.find("`get_x`"), std::string::npos);
}

TEST(Tools, AreNotMoreThanTheRouteTakes) {
  Case one = searching();
  one.policy.definitions = 2;
  EXPECT_TRUE(one.offer({{"function", "get_1"}, {"function", "get_2"}}));
  const auto verdict = one.offer({{"function", "get_1"}, {"function", "get_2"}, {"function", "x"}});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools.definitions");
  EXPECT_NE(verdict.error().message.find("3 tools"), std::string::npos);
}

TEST(Tools, ThatWereCalledBeforeAreAllowedToo) {
  Case one = searching();
  const PastCall calls[] = {{{"function", "search"}, "{}", 1, 1}, {{"", "rm"}, "{}", 3, 3}};
  const auto verdict = one.check({.calls = calls});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools");
  EXPECT_EQ(verdict.error().param, "messages[3]");
  EXPECT_TRUE(one.check({.calls = std::span(calls).first(1)}));
  // One of a provider's own that the caller runs: allowed by its type, called by its name.
  one.policy.allow = NameSet({"type:bash_20250124"});
  const Tool bash[] = {{"bash_20250124", "bash"}};
  const PastCall ran[] = {{{"", "bash"}, "{}", 1}};
  EXPECT_TRUE(one.check({.offered = bash, .calls = ran}));
  EXPECT_FALSE(one.check({.calls = ran}));
}

TEST(Tools, AreCalledInSoManySteps) {
  Case one = searching();
  one.policy.steps = 2;
  const PastCall calls[] = {{{"", "get_a"}, "1", 1},
                            {{"", "get_b"}, "1", 1},
                            {{"", "get_c"}, "1", 3},
                            {{"", "get_d"}, "1", 5}};
  EXPECT_TRUE(one.check({.calls = std::span(calls).first(3)}));
  const auto verdict = one.check({.calls = calls});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools.steps");
}

TEST(Tools, AreNotCalledAgainAndAgain) {
  Case one = searching();
  one.policy.repeats = 2;
  const std::vector<PastCall> calls{{{"", "get_a"}, R"({"x":"a b","y":1})", 1},
                                    {{"", "get_a"}, R"({"x":"ab","y":1})", 2},
                                    {{"", "get_b"}, R"({"x":"a b","y":1})", 3},
                                    {{"", "get_a"}, R"({ "x" : "a b", "y": 1 })", 4},
                                    {{"", "get_a"}, "{\"x\":\"a b\",\n\"y\":1}", 5}};
  EXPECT_TRUE(one.check({.calls = std::span(calls).first(4)}));
  const auto verdict = one.check({.calls = calls});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "routes.chat.tools.repeats");
  EXPECT_NE(verdict.error().message.find("3 times"), std::string::npos);
  EXPECT_EQ(one.refused, "get_a");
}

TEST(Tools, AreOnlyToldWhereTheRouteObserves) {
  Case one = searching();
  one.policy.mode = Mode::kObserve;
  one.policy.unlisted = Unlisted::kRemove;
  one.policy.definitions = 1;
  one.policy.repeats = 1;
  one.policy.steps = 1;
  const Tool offered[] = {{"function", "rm"}, {"function", "rm"}};
  const PastCall calls[] = {{{"", "rm"}, "1", 1}, {{"", "rm"}, "1", 3}};
  const auto verdict = one.check({.offered = offered, .calls = calls});
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->removed.empty());
  EXPECT_EQ(verdict->observed,
            (std::vector<std::string>{"routes.chat.tools.definitions", "routes.chat.tools",
                                      "routes.chat.tools.steps", "routes.chat.tools.repeats"}));
}

}  // namespace
}  // namespace tollgate::tools
