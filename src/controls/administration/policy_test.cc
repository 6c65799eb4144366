#include "controls/administration/policy.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tollgate::administration {
namespace {

OidcPolicy provider() {
  OidcPolicy made;
  made.name = "corporate";
  made.bearer.name = "corporate";
  made.bearer.issuer = "https://login.example.com";
  made.bearer.audiences = {"tollgate-admin"};
  made.bearer.claims.fixed_tenant = kNoTenant;
  made.bearer.claims.roles = "groups";
  made.login = made.bearer;
  made.client = "tollgate-browser";
  made.login.audiences = {made.client};
  made.grants = {{"admins", Role::kOwner, {}},
                 {"acme-ops", Role::kOperator, {"acme", "globex"}},
                 {"staff", Role::kViewer, {}}};
  return made;
}

Policy policy_of(OidcPolicy entry) {
  Policy made;
  made.oidc.push_back(std::move(entry));
  derive(made);
  return made;
}

struct Person {
  std::vector<std::string_view> roles;
  std::vector<std::string_view> tenants;
  std::string_view verifier = "admin/corporate";
};

Expected<Admin> ask(const Policy& policy, const Person& person, Shown shown = Shown::kAsBearer) {
  authentication::Identity identity;
  identity.subject = "ada";
  identity.roles = person.roles;
  identity.scopes = person.tenants;
  identity.verifier = person.verifier;
  identity.expires = WallTime(std::chrono::seconds(5));
  return admin_of(policy, identity, shown);
}

TEST(OidcPolicy, GrantsByTheFirstThatFits) {
  const Policy policy = policy_of(provider());
  const auto admin = ask(policy, {{"staff", "acme-ops"}, {}});
  ASSERT_TRUE(admin);
  EXPECT_EQ(admin->kind, Admin::Kind::kOidc);
  EXPECT_EQ(admin->subject, "ada");
  EXPECT_EQ(admin->credential_id, "corporate/ada");
  EXPECT_EQ(admin->grant.role, Role::kOperator);
  EXPECT_EQ(admin->grant.tenants, (std::vector<std::string>{"acme", "globex"}));
  EXPECT_EQ(admin->grant.expires, WallTime(std::chrono::seconds(5)));
  EXPECT_EQ(ask(policy, {{"admins", "staff"}, {}})->grant.role, Role::kOwner);
  for (const auto& roles : {std::vector<std::string_view>{}, {"Admins"}, {"admin"}, {"owner"}}) {
    const auto nobody = ask(policy, {roles, {}});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().reason, Reason::kRouteNotAllowed);
  }
}

TEST(OidcPolicy, TakesNoTokenThatIsBoundToACertificate) {
  const Policy policy = policy_of(provider());
  const std::string_view roles[] = {"admins"};
  authentication::Identity identity;
  identity.subject = "ada";
  identity.roles = roles;
  identity.verifier = "admin/corporate";
  ASSERT_TRUE(admin_of(policy, identity, Shown::kAsBearer));
  identity.certificate.emplace();
  const auto nobody = admin_of(policy, identity, Shown::kAsBearer);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().reason, Reason::kInvalidCredential);
}

TEST(OidcPolicy, BindsByTheClaimWithinTheGrant) {
  OidcPolicy entry = provider();
  entry.tenants = "orgs";
  const Policy policy = policy_of(entry);
  EXPECT_EQ(ask(policy, {{"staff"}, {"initech"}})->grant.tenants,
            std::vector<std::string>{"initech"});
  EXPECT_EQ(ask(policy, {{"acme-ops"}, {"initech", "globex"}})->grant.tenants,
            std::vector<std::string>{"globex"});
  // Nothing is left, which is not the same as all.
  for (const auto& tenants : {std::vector<std::string_view>{}, {"initech"}}) {
    EXPECT_FALSE(ask(policy, {{"acme-ops"}, tenants}));
  }
  EXPECT_FALSE(ask(policy, {{"admins"}, {}}));
}

// What one place takes is no credential at the other, and what is of a caller's issuer at none.
TEST(OidcPolicy, TellsBearersFromLogins) {
  const Policy policy = policy_of(provider());
  EXPECT_TRUE(ask(policy, {{"admins"}, {}, "admin/corporate"}, Shown::kAsBearer));
  EXPECT_TRUE(ask(policy, {{"admins"}, {}, "admin/corporate/login"}, Shown::kAtLogin));
  EXPECT_FALSE(ask(policy, {{"admins"}, {}, "admin/corporate"}, Shown::kAtLogin));
  EXPECT_FALSE(ask(policy, {{"admins"}, {}, "admin/corporate/login"}, Shown::kAsBearer));
  EXPECT_FALSE(ask(policy, {{"admins"}, {}, "corporate"}, Shown::kAsBearer));
  ASSERT_EQ(policy.verifiers.size(), 2U);
  OidcPolicy without = provider();
  without.client.clear();
  EXPECT_EQ(policy_of(without).verifiers.size(), 1U);
  EXPECT_FALSE(ask(policy_of(without), {{"admins"}, {}, "admin/corporate/login"}, Shown::kAtLogin));
}

// A session ends with what its entry says, so each of that is in the stamp.
TEST(OidcPolicy, HasAStampOfAllThatDecides) {
  const authentication::Digest stamp = policy_of(provider()).oidc_stamp;
  EXPECT_EQ(policy_of(provider()).oidc_stamp, stamp);
  const auto changed = [&](auto&& change) {
    OidcPolicy entry = provider();
    change(entry);
    return policy_of(entry).oidc_stamp != stamp;
  };
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.grants[0].role = Role::kViewer; }));
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.grants[1].tenants = {"acme"}; }));
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.grants.pop_back(); }));
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.tenants = "orgs"; }));
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.bearer.issuer += "/"; }));
  EXPECT_TRUE(changed([](OidcPolicy& entry) { entry.login.audiences = {"other"}; }));
}

TEST(OidcPolicy, IsRefusedWhereItIsWeak) {
  const auto fields = [](auto&& change) {
    OidcPolicy entry = provider();
    change(entry);
    std::vector<std::string> found;
    for (const auto& mistake : check(entry)) found.push_back(mistake.field);
    return found;
  };
  using Fields = std::vector<std::string>;
  EXPECT_EQ(fields([](OidcPolicy&) {}), Fields{});
  EXPECT_EQ(fields([](OidcPolicy& entry) { entry.bearer.audiences.clear(); }), Fields{"audience"});
  EXPECT_EQ(fields([](OidcPolicy& entry) { entry.bearer.claims.roles.clear(); }), Fields{"roles"});
  EXPECT_EQ(fields([](OidcPolicy& entry) { entry.grants.clear(); }), Fields{"grants"});
  EXPECT_EQ(fields([](OidcPolicy& entry) { entry.grants[1].value = "admins"; }), Fields{"grants"});
  EXPECT_EQ(fields([](OidcPolicy& entry) { entry.bearer.audiences = {entry.client}; }),
            Fields{"audience"});
  const Fields plain =
      fields([](OidcPolicy& entry) { entry.bearer.issuer = "http://login.example.com"; });
  EXPECT_NE(std::ranges::find(plain, "issuer"), plain.end());
}

}  // namespace
}  // namespace tollgate::administration
