#include "controls/administration/administration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tollgate::administration {
namespace {

constexpr WallTime kMonday{std::chrono::seconds(1'800'000'000)};

// Role by role, what each may do: the table that the documentation shows.
TEST(Roles, HaveTheseRights) {
  const std::pair<Right, std::string_view> rows[] = {
      {Right::kReadSpend, "vaoO"},    {Right::kReadKeys, "vaoO"},
      {Right::kReadGateways, "vaoO"}, {Right::kReadConfiguration, "vaoO"},
      {Right::kReadMetrics, "vaoO"},  {Right::kReadTrail, "aoO"},
      {Right::kChangeKeys, "oO"},     {Right::kRetireGateways, "oO"},
      {Right::kChangeTokens, "oO"},   {Right::kChangeOwners, "O"},
  };
  EXPECT_EQ(std::size(rows), static_cast<std::size_t>(kRightCount));
  for (const auto& [right, roles] : rows) {
    EXPECT_EQ(has(Role::kViewer, right), roles.contains('v')) << name_of(right);
    EXPECT_EQ(has(Role::kAuditor, right), roles.contains('a')) << name_of(right);
    EXPECT_EQ(has(Role::kOperator, right), roles.contains('o')) << name_of(right);
    EXPECT_EQ(has(Role::kOwner, right), roles.contains('O')) << name_of(right);
  }
}

TEST(Roles, AreNamed) {
  for (int i = 0; i < kRoleCount; ++i) {
    const auto role = static_cast<Role>(i);
    EXPECT_EQ(role_named(name_of(role)), role);
  }
  for (const char* name : {"", "Owner", "root", "owner "}) EXPECT_FALSE(role_named(name)) << name;
}

TEST(Grant, ReachesItsTenantsAndNoOther) {
  const Grant all{Role::kViewer, {}, {}};
  const Grant bound{Role::kOwner, {"acme", "globex"}, {}};
  EXPECT_TRUE(all.reaches("acme"));
  EXPECT_TRUE(all.reaches(""));
  EXPECT_TRUE(bound.reaches("globex"));
  for (const char* tenant : {"", "acm", "acme2", "ACME"}) EXPECT_FALSE(bound.reaches(tenant));
}

TEST(Delegation, GivesNoMoreThanOneHas) {
  const Grant owner{Role::kOwner, {}, {}};
  const Grant operates{Role::kOperator, {}, {}};
  const Grant bound{Role::kOperator, {"acme"}, kMonday};
  struct Row {
    Grant own;
    Grant given;
    bool allowed;
    std::optional<Right> lacks;
  };
  const Row rows[] = {
      {owner, owner, true, {}},
      {owner, bound, true, {}},
      {operates, operates, true, {}},
      {operates, {Role::kViewer, {"acme"}, {}}, true, {}},
      {operates, owner, false, Right::kChangeOwners},
      {{Role::kAuditor, {}, {}}, operates, false, Right::kChangeKeys},
      {bound, {Role::kViewer, {"acme"}, kMonday}, true, {}},
      {bound, {Role::kViewer, {"acme"}, kMonday - Duration(1)}, true, {}},
      {bound, {Role::kViewer, {"acme"}, kMonday + Duration(1)}, false, {}},
      {bound, {Role::kViewer, {"acme"}, {}}, false, {}},
      {bound, {Role::kViewer, {}, kMonday}, false, {}},
      {bound, {Role::kViewer, {"globex"}, kMonday}, false, {}},
      {bound, {Role::kViewer, {"acme", "globex"}, kMonday}, false, {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(&row - rows);
    const auto verdict = check_delegation(row.own, row.given);
    EXPECT_EQ(verdict.has_value(), row.allowed);
    if (verdict) continue;
    EXPECT_EQ(verdict.error().right, row.lacks);
    EXPECT_FALSE(verdict.error().why.empty());
  }
}

Grant any_grant(std::mt19937_64& random) {
  Grant made;
  made.role = static_cast<Role>(random() % kRoleCount);
  for (const char* tenant : {"acme", "globex", "initech"}) {
    if (random() % 3 == 0) made.tenants.emplace_back(tenant);
  }
  if (random() % 2 == 0) made.expires = kMonday + Duration(static_cast<std::int64_t>(random() % 9));
  return made;
}

// Whoever is at the end of a chain of delegations can do nothing, nowhere and at no time, that the
// first could not.
TEST(Delegation, OnlyShrinksAlongAnyChain) {
  std::mt19937_64 random{11};
  int given = 0;
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    const Grant first = any_grant(random);
    Grant last = first;
    for (int link = 0; link < 4; ++link) {
      const Grant next = any_grant(random);
      if (!check_delegation(last, next)) continue;
      last = next;
      ++given;
    }
    for (int i = 0; i < kRightCount; ++i) {
      const auto right = static_cast<Right>(i);
      ASSERT_TRUE(!has(last.role, right) || has(first.role, right));
    }
    for (const char* tenant : {"", "acme", "globex", "initech", "other"}) {
      ASSERT_TRUE(!last.reaches(tenant) || first.reaches(tenant));
    }
    if (first.expires) {
      ASSERT_TRUE(last.expires);
      ASSERT_LE(*last.expires, *first.expires);
    }
  }
  EXPECT_GT(given, 1000);
}

}  // namespace
}  // namespace tollgate::administration
