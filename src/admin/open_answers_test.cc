// What the admin address tells strangers of health and metrics, and what to administrators alone.
#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

class Strangers : public ApiTest {
 protected:
  void set_metrics(config::MetricsAccess access) {
    auto config = configuration();
    config->admin.metrics = access;
    current_->swap(config);
  }
};

TEST_F(Strangers, ReadMetricsWhereThatIsOpen) {
  EXPECT_EQ(ask("GET", "/metrics", {}, {})->status, 200);
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/metrics", {}, {}), 401));
}

TEST_F(Strangers, ReadNoMetricsWhereTheyAreOfAdministrators) {
  set_metrics(config::MetricsAccess::kAuthenticated);
  const auto refused = ask("GET", "/metrics", {}, {});
  EXPECT_TRUE(is_problem(*refused, 401));
  EXPECT_EQ(refused->header("www-authenticate"), "Bearer");
  EXPECT_TRUE(is_problem(*ask("GET", "/metrics", {}, bearer("wrong")), 401));
  for (int i = 0; i < administration::kRoleCount; ++i) {
    const std::string_view role = name_of(static_cast<administration::Role>(i));
    const auto read = ask("GET", "/metrics", {}, bearer(token_of(role)));
    EXPECT_EQ(read->status, 200) << role;
    EXPECT_TRUE(read->content_type.starts_with("text/plain; version=0.0.4")) << role;
    // They tell of all tenants.
    const auto bound = ask("GET", "/metrics", {}, bearer(token_of(fmt::format("acme-{}", role))));
    EXPECT_TRUE(is_problem(*bound, 403)) << role;
  }
}

TEST_F(Strangers, LearnOfEachPartWhetherItWorksAndNoMore) {
  for (const char* path : {"/readyz?verbose", "/healthz?verbose"}) {
    const auto told = ask("GET", path, {}, {});
    EXPECT_EQ(told->status, 200);
    EXPECT_EQ(told->text, "configuration: up\ntrail: up\nok\n");
    // A cookie of somebody else's page on this host is no credential.
    EXPECT_EQ(ask("GET", path, {}, {{"Cookie", "other=1"}})->text, told->text);
    const auto detailed = ask("GET", path, {}, bearer(token_of("viewer")));
    EXPECT_EQ(detailed->status, 200);
    EXPECT_NE(detailed->text.find("configuration: abc123"), std::string::npos) << detailed->text;
    EXPECT_TRUE(is_problem(*ask("GET", path, {}, bearer("wrong")), 401));
    EXPECT_TRUE(is_problem(*ask("GET", path, {}, bearer(token_of("acme-owner"))), 403));
    // Details are under its own names alone, as all that is not open.
    EXPECT_EQ(ask("GET", path, {}, {{"Host", "elsewhere.example.com"}})->status, 200);
    Headers misled = bearer(token_of("viewer"));
    misled.emplace_back("Host", "elsewhere.example.com");
    EXPECT_TRUE(is_problem(*ask("GET", path, {}, misled), 421));
  }
}

// Why the trail does not take records names the place of the ledger.
TEST_F(Strangers, AreNotToldWhyTheTrailIsDown) {
  ASSERT_TRUE(store_->stop());
  const auto told = ask("GET", "/readyz?verbose", {}, {});
  const auto detailed = ask("GET", "/readyz?verbose", {}, bearer(token_of("viewer")));
  EXPECT_EQ(told->status, detailed->status);
  EXPECT_TRUE(told->text.starts_with("configuration: up\ntrail: ")) << told->text;
  EXPECT_LT(told->text.size(), 60U) << told->text;
}

}  // namespace
}  // namespace tollgate::admin
