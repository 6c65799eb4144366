// Who may ask what: every endpoint, by every role, bound to a tenant and not.
#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

using administration::Role;

class Rights : public ApiTest {
 protected:
  std::unique_ptr<Caller> ask_as(std::string_view name, std::string method, std::string path,
                                 std::string body = {}) {
    return ask(std::move(method), "/admin/v1/" + path, std::move(body), bearer(token_of(name)));
  }
  std::string make_key(std::string_view tenant) {
    const auto made = ask("POST", "/admin/v1/keys", fmt::format(R"({{"tenant":"{}"}})", tenant));
    EXPECT_EQ(made->status, 201) << made->text;
    return field(*made, "id");
  }
};

std::string path_of(const EndpointRow& row) {
  std::string path(row.path);
  if (const std::size_t star = path.find('*'); star != std::string::npos) {
    path.replace(star, 1, "none");
  }
  return path;
}

TEST_F(Rights, AreThoseOfTheTableForEachRole) {
  int forbidden = 0;
  for (const EndpointRow& row : endpoints()) {
    for (int i = 0; i < administration::kRoleCount; ++i) {
      const auto role = static_cast<Role>(i);
      for (const bool bound : {false, true}) {
        const std::string name = fmt::format("{}{}", bound ? "acme-" : "", name_of(role));
        SCOPED_TRACE(fmt::format("{} {} as {}", row.method, row.path, name));
        const auto caller = ask_as(name, std::string(row.method), path_of(row));
        const bool has_right = !row.right || has(role, *row.right);
        const bool allowed = has_right && !(bound && row.reach == Reach::kWhole);
        if (allowed) {
          EXPECT_NE(caller->status, 401);
          EXPECT_NE(caller->status, 403) << caller->text;
          continue;
        }
        ++forbidden;
        EXPECT_TRUE(is_problem(*caller, 403)) << caller->text;
        EXPECT_FALSE(caller->body_read());
        if (!has_right) {
          EXPECT_EQ(field(*caller, "right"), name_of(*row.right));
        }
      }
    }
  }
  EXPECT_GT(forbidden, 40);
}

TEST_F(Rights, AreNobodysWithoutACredential) {
  for (const EndpointRow& row : endpoints()) {
    const auto caller = ask(std::string(row.method), "/admin/v1/" + path_of(row), {}, Headers{});
    EXPECT_TRUE(is_problem(*caller, 401)) << row.path;
  }
}

TEST_F(Rights, OfOneWhoIsBoundEndAtHisTenants) {
  const std::string mine = make_key("acme");
  const std::string other = make_key("globex");
  const std::string listed = ask_as("acme-operator", "GET", "keys")->text;
  EXPECT_NE(listed.find(mine), std::string::npos);
  EXPECT_EQ(listed.find(other), std::string::npos);
  EXPECT_EQ(ask_as("acme-operator", "GET", "keys?tenant=globex")->text, "[]");
  EXPECT_EQ(ask_as("acme-operator", "GET", "keys/" + mine)->status, 200);
  for (const auto& [method, act] : std::vector<std::pair<std::string, std::string>>{
           {"GET", ""}, {"POST", "/revoke"}, {"POST", "/rotate"}, {"POST", "/expire"}}) {
    const std::string body = act == "/expire" ? R"({"expires":"1d"})" : "";
    EXPECT_TRUE(is_problem(*ask_as("acme-operator", method, "keys/" + other + act, body), 404))
        << act;
  }
  EXPECT_EQ(field(*ask("GET", "/admin/v1/keys/" + other), "revoked"), "(none)");

  // Whether the tenant is there is nothing that he learns.
  for (const char* tenant : {"globex", "nobody"}) {
    EXPECT_TRUE(is_problem(
        *ask_as("acme-operator", "POST", "keys", fmt::format(R"({{"tenant":"{}"}})", tenant)),
        403));
  }
  EXPECT_EQ(ask_as("acme-operator", "POST", "keys", R"({"tenant":"acme"})")->status, 201);
  const std::string line =
      fmt::format(R"({{"digest":"sha256:{}","tenant":"globex"}})", std::string(64, 'a'));
  EXPECT_TRUE(is_problem(*ask_as("acme-operator", "POST", "keys/import", line), 400));
  EXPECT_EQ(ask_as("operator", "POST", "keys/import", line)->status, 200);
}

TEST_F(Rights, OfSpendAndTrailEndThereToo) {
  for (const char* tenant : {"acme", "globex"}) {
    authentication::Identity actor;
    actor.tenant = tenant;
    audit::Record record;
    const std::string id = fmt::format("req_{}", tenant);
    record.id = id;
    record.time = clock_.wall();
    record.actor = &actor;
    std::string written;
    audit::write(record, audit::Phase::kDecision, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kDecision, Money{}, written));
    pipeline::Booking booking;
    booking.id = id;
    booking.tenant = tenant;
    booking.model = "small";
    store_->trail().booked(booking, {9, 4, Money{49}}, {}, clock_.wall());
    written.clear();
    audit::write(record, audit::Phase::kOutcome, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kOutcome, Money{}, written));
  }
  for (const char* question : {"spend", "spend?by=user", "spend?tenant=globex", "audit",
                               "audit?tenant=globex", "audit?id=req_globex", "budgets"}) {
    const std::string text = ask_as("acme-auditor", "GET", question)->text;
    EXPECT_EQ(text.find("globex"), std::string::npos) << question << "\n" << text;
  }
  EXPECT_NE(ask_as("acme-auditor", "GET", "spend")->text.find("acme"), std::string::npos);
  EXPECT_NE(ask_as("acme-auditor", "GET", "audit")->text.find("req_acme"), std::string::npos);
  EXPECT_NE(ask_as("auditor", "GET", "audit")->text.find("req_globex"), std::string::npos);
}

TEST_F(Rights, AreDelegatedNeverAboveOnesOwn) {
  struct Row {
    std::string_view as;
    std::string_view body;
    int status;
  };
  const Row rows[] = {
      {"owner", R"({"name":"x","role":"owner"})", 201},
      {"operator", R"({"name":"x","role":"operator"})", 201},
      {"operator", R"({"name":"x","role":"viewer","tenants":["acme"],"expires":"1d"})", 201},
      {"operator", R"({"name":"x","role":"owner"})", 403},
      {"acme-operator", R"({"name":"x","role":"operator","tenants":["acme"]})", 201},
      {"acme-operator", R"({"name":"x","role":"viewer"})", 403},
      {"acme-operator", R"({"name":"x","role":"viewer","tenants":["globex"]})", 403},
      {"acme-operator", R"({"name":"x","role":"viewer","tenants":["acme","globex"]})", 403},
      {"acme-owner", R"({"name":"x","role":"owner","tenants":["acme"]})", 201},
      {"acme-owner", R"({"name":"x","role":"owner"})", 403},
      {"auditor", R"({"name":"x","role":"viewer"})", 403},
      {"owner", R"({"name":"x","role":"viewer","tenants":["nobody"]})", 400},
      {"owner", R"({"name":"x","role":"viewer","tenants":[]})", 400},
      {"owner", R"({"name":"x","role":"root"})", 400},
      {"owner", R"({"name":"x"})", 400},
      {"owner", R"({"role":"viewer"})", 400},
      {"owner", R"({"name":"x","role":"viewer","rights":["keys:change"]})", 400},
      {"owner", R"({"name":"x","role":"viewer","role":"owner"})", 400},
      {"owner", R"({"name":"x","role":"viewer","expires":"soon"})", 400},
      {"owner", "[]", 400},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(fmt::format("{} {}", row.as, row.body));
    const auto caller = ask_as(row.as, "POST", "tokens", std::string(row.body));
    EXPECT_EQ(caller->status, row.status) << caller->text;
    if (row.status != 201) continue;
    const std::string secret = field(*caller, "secret");
    EXPECT_EQ(administration::read_token(secret), field(*caller, "id"));
    const auto whoami = ask("GET", "/admin/v1/session", {}, bearer(secret));
    EXPECT_EQ(whoami->status, 200);
    EXPECT_EQ(field(*whoami, "credential_id"), field(*caller, "id"));
    // Shown once.
    EXPECT_EQ(ask("GET", "/admin/v1/tokens")->text.find(secret), std::string::npos);
  }
}

// What somebody could not have given he neither sees nor takes away.
TEST_F(Rights, ReachTheTokensOfThoseBelowAlone) {
  const auto make = [&](std::string_view body) {
    return field(*ask("POST", "/admin/v1/tokens", std::string(body)), "id");
  };
  const std::string owner = make(R"({"name":"a","role":"owner"})");
  const std::string all = make(R"({"name":"b","role":"viewer"})");
  const std::string acme = make(R"({"name":"c","role":"operator","tenants":["acme"]})");
  const std::string globex = make(R"({"name":"d","role":"viewer","tenants":["globex"]})");
  const auto sees = [&](std::string_view as, const std::string& id) {
    return ask_as(as, "GET", "tokens")->text.find(id) != std::string::npos;
  };
  EXPECT_TRUE(sees("owner", owner) && sees("owner", globex));
  EXPECT_FALSE(sees("operator", owner));
  EXPECT_TRUE(sees("operator", all));
  EXPECT_TRUE(sees("acme-operator", acme));
  EXPECT_FALSE(sees("acme-operator", all) || sees("acme-operator", globex));

  EXPECT_TRUE(is_problem(*ask_as("operator", "POST", "tokens/" + owner + "/revoke"), 403));
  EXPECT_TRUE(is_problem(*ask_as("acme-operator", "POST", "tokens/" + owner + "/revoke"), 403));
  for (const std::string& id : {all, globex}) {
    EXPECT_TRUE(is_problem(*ask_as("acme-operator", "POST", "tokens/" + id + "/revoke"), 404));
  }
  EXPECT_EQ(ask_as("acme-operator", "POST", "tokens/" + acme + "/revoke")->status, 200);
  EXPECT_EQ(ask_as("owner", "POST", "tokens/" + owner + "/revoke")->status, 200);
  EXPECT_TRUE(is_problem(*ask_as("owner", "POST", "tokens/none/revoke"), 404));
}

TEST_F(Rights, EndWithTheirToken) {
  const auto made =
      ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"viewer","expires":"1h"})");
  const std::string secret = field(*made, "secret");
  const std::string id = field(*made, "id");
  const auto status = [&] { return ask("GET", "/admin/v1/budgets", {}, bearer(secret))->status; };
  EXPECT_EQ(status(), 200);
  EXPECT_NE(ask("GET", "/admin/v1/tokens")->text.find("\"last_used\":\"2026-03-04T05:30:00Z\""),
            std::string::npos);
  clock_.pass(std::chrono::hours(1));
  EXPECT_EQ(status(), 401);
  EXPECT_EQ(api().refusals(Reason::kExpiredCredential), 1U);
  const auto other = ask("POST", "/admin/v1/tokens", R"({"name":"y","role":"viewer"})");
  EXPECT_EQ(ask("GET", "/admin/v1/budgets", {}, bearer(field(*other, "secret")))->status, 200);
  EXPECT_EQ(ask("POST", "/admin/v1/tokens/" + field(*other, "id") + "/revoke")->status, 200);
  EXPECT_EQ(ask("GET", "/admin/v1/budgets", {}, bearer(field(*other, "secret")))->status, 401);
}

// Whoever makes a key or a token is on record with it.
TEST_F(Rights, AreUsedOnRecord) {
  const std::string key = make_key("acme");
  ask_as("acme-operator", "POST", "keys/" + key + "/revoke");
  const std::string text = ask_as("auditor", "GET", "audit?phase=change")->text;
  for (const char* part :
       {R"("action":"key.revoke")", R"("subject":"acme-operator")",
        R"("credential_id":"admin.tokens.acme-operator")", R"("role":"operator")",
        R"("subject":"admin.token")", R"("kind":"admin_token")"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace tollgate::admin
