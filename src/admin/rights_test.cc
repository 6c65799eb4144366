// Who may ask what: every endpoint, by every role, bound to a tenant and not.
#include <gtest/gtest.h>

#include "admin/testing_tenants.h"
#include "controls/authentication/digest_count.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {
namespace {

using administration::Role;

class Rights : public TenantsTest {
 protected:
  // One that is answered with `status` to whoever may ask it.
  struct Question {
    std::string path;
    std::string body;
    Headers headers;
    int status = 200;
  };
  Question good_question(const EndpointRow& row, const std::string& name) {
    Ids ids{"none", "none"};
    if (row.path.starts_with("keys/*")) ids.key = make_key("acme");
    if (row.path.starts_with("tokens/*")) ids.token = make_token("acme");
    Question made{path_of(row, ids), body_of(row.endpoint, "acme"), bearer(token_of(name)), 200};
    switch (row.endpoint) {
      case Endpoint::kCreateKey:
      case Endpoint::kRotateKey:
      case Endpoint::kCreateToken:
      case Endpoint::kBeginSession:
        made.status = 201;
        break;
      case Endpoint::kReleaseAlertAnswer:
      case Endpoint::kRetireGateway:
        // The store says that there is none of this name; asked it is all the same.
        made.status = 404;
        break;
      case Endpoint::kEndSession:
        made.headers = session_of(name);
        break;
      default:
        break;
    }
    return made;
  }
  // What a page of his own sends.
  Headers session_of(const std::string& name) {
    const auto begun = ask("POST", "/admin/v1/session", {}, bearer(token_of(name)));
    const std::string line = begun->header("set-cookie").value_or("");
    return {{"Cookie", line.substr(0, line.find(';'))},
            {"Sec-Fetch-Site", "same-origin"},
            {"X-Tollgate-Csrf", field(*begun, "csrf")}};
  }

  // How much was changed so far: refusals are on record, too.
  std::size_t changes() { return records({}).size() - records("admin.refuse").size(); }
};

// What is asked is good in every way, so the right alone decides. Each who has it gets what he asks
// for, and for whoever has not nothing is read and nothing is changed.
TEST_F(Rights, AreThoseOfTheTableForEachRole) {
  int allowed_count = 0;
  int forbidden_count = 0;
  for (const EndpointRow& row : endpoints()) {
    for (int i = 0; i < administration::kRoleCount; ++i) {
      const auto role = static_cast<Role>(i);
      for (const bool bound : {false, true}) {
        const std::string name = fmt::format("{}{}", bound ? "acme-" : "", name_of(role));
        SCOPED_TRACE(fmt::format("{} {} as {}", row.method, row.path, name));
        const Question question = good_question(row, name);
        const std::size_t before = changes();
        const auto caller = ask(std::string(row.method), "/admin/v1/" + question.path,
                                question.body, question.headers);
        const bool has_right = !row.right || has(role, *row.right);
        if (has_right && !(bound && row.reach == Reach::kWhole)) {
          ++allowed_count;
          EXPECT_EQ(caller->status, question.status) << caller->text;
          continue;
        }
        ++forbidden_count;
        EXPECT_TRUE(is_problem(*caller, 403)) << caller->text;
        EXPECT_FALSE(caller->body_read());
        EXPECT_EQ(changes(), before);
        EXPECT_EQ(field(*caller, "right"), has_right ? "(none)" : name_of(*row.right));
      }
    }
  }
  EXPECT_GT(allowed_count, 60);
  EXPECT_GT(forbidden_count, 40);
}

TEST_F(Rights, AreNobodysWithoutACredential) {
  for (const EndpointRow& row : endpoints()) {
    const Question question = good_question(row, "owner");
    const std::size_t before = changes();
    const auto caller =
        ask(std::string(row.method), "/admin/v1/" + question.path, question.body, Headers{});
    EXPECT_TRUE(is_problem(*caller, 401)) << row.path;
    EXPECT_EQ(changes(), before) << row.path;
  }
}

TEST_F(Rights, OfOneWhoIsBoundEndAtHisTenants) {
  const std::string mine = make_key("acme");
  const std::string other = make_key("globex");
  const std::string listed = ask_as("acme-operator", "GET", "keys")->text;
  EXPECT_NE(listed.find(mine), std::string::npos);
  EXPECT_EQ(listed.find(other), std::string::npos);
  EXPECT_EQ(ask_as("acme-operator", "GET", "keys?tenant=globex")->text,
            R"({"data":[],"has_more":false,"next":null})");
  EXPECT_TRUE(is_problem(*ask_as("acme-operator", "GET", "keys?after=" + other), 400));
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
  EXPECT_TRUE(is_problem(*ask_as("acme-operator", "POST", "keys/import", line), 403));
  EXPECT_EQ(ask_as("operator", "POST", "keys/import", line)->status, 200);
}

TEST_F(Rights, OfSpendAndTrailEndThereToo) {
  cost::Policy money;
  money.limit = Money{1'000'000};
  money.rule = "budgets.tenant_id";
  for (const char* tenant : {"acme", "globex"}) {
    request({.id = fmt::format("req_{}", tenant), .tenant = tenant});
    spend(money, tenant);
  }
  for (const char* question : {"spend", "spend?by=user", "spend?tenant=globex", "audit",
                               "audit?tenant=globex", "audit?id=req_globex", "budgets"}) {
    const std::string text = ask_as("acme-auditor", "GET", question)->text;
    EXPECT_EQ(text.find("globex"), std::string::npos) << question << "\n" << text;
  }
  EXPECT_NE(ask_as("acme-auditor", "GET", "spend")->text.find("acme"), std::string::npos);
  EXPECT_NE(ask_as("acme-auditor", "GET", "budgets")->text.find("acme"), std::string::npos);
  EXPECT_NE(ask_as("auditor", "GET", "budgets")->text.find("globex"), std::string::npos);
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

// Nobody learns by what it costs, or by what he is told, which tokens there are.
TEST_F(Rights, AreNobodysForAWrongTokenAsForAnUnknownOne) {
  const auto secret_of = [](std::uint8_t id, std::uint8_t rest) {
    std::array<std::uint8_t, 64> random{};
    random[15] = id;
    random[63] = rest;
    return administration::make_token(random).secret;
  };
  const std::string known = secret_of(1, 1);
  administration::TokenRecord record;
  record.id = *administration::read_token(known);
  record.digest = pepper_.digest(known);
  record.name = "known";
  record.created = clock_.wall();
  const auto database = store_->reader();
  ASSERT_TRUE(database);
  ASSERT_EQ(storage::create_admin_token(**database, {}, record, storage::TokenShare::kWhole,
                                        clock_.wall()),
            storage::TokenMade::kDone);
  api();  // It makes some digests for itself.
  const auto told = [&](const std::string& secret) {
    const std::uint64_t before = authentication::digests_made();
    const auto caller = ask("GET", "/admin/v1/budgets", {}, bearer(secret));
    return fmt::format("{} digests, {} {}", authentication::digests_made() - before, caller->status,
                       caller->text);
  };
  const std::string good = told(known);
  EXPECT_TRUE(good.starts_with("1 digests, 200 ")) << good;
  const std::string unknown = told(secret_of(2, 1));
  EXPECT_TRUE(unknown.starts_with("1 digests, 401 ")) << unknown;
  const std::string wrong = secret_of(1, 2);
  ASSERT_EQ(*administration::read_token(wrong), record.id);
  EXPECT_EQ(told(wrong), unknown);
}

// Each change is on record once, with who made it: who had the right to something else as well is
// not taken for him.
TEST_F(Rights, AreUsedOnRecord) {
  const std::string key = make_key("acme");
  ask_as("acme-operator", "POST", "keys/" + key + "/revoke");
  ask_as("operator", "POST", "tokens", R"({"name":"x","role":"viewer"})");
  const std::string_view rows[][3] = {
      {"key.create", R"("subject":"admin.token","credential_id":"admin.token","role":"owner")",
       R"("object":")"},
      {"key.revoke",
       R"("subject":"acme-operator","credential_id":"admin.tokens.acme-operator","role":"operator")",
       R"("object":")"},
      {"admin_token.create",
       R"("subject":"operator","credential_id":"admin.tokens.operator","role":"operator")",
       R"("object":")"},
  };
  for (const auto& [action, author, object] : rows) {
    const std::vector<std::string> found = records(action);
    ASSERT_EQ(found.size(), 1U) << action;
    EXPECT_TRUE(found.front().contains(R"("kind":"admin_token",)" + std::string(author)))
        << found.front();
    EXPECT_EQ(found.front().contains(std::string(object) + key), action.starts_with("key."))
        << found.front();
  }
  // What a viewer may not do is no change, and on record as what it is.
  const std::size_t before = changes();
  ask_as("viewer", "POST", "keys/" + key + "/revoke");
  EXPECT_EQ(changes(), before);
  EXPECT_EQ(records("admin.refuse").size(), 1U);
}

}  // namespace
}  // namespace tollgate::admin
