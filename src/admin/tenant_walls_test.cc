// Whoever is bound to one tenant sees nothing of another, whatever he asks.
#include <gtest/gtest.h>

#include "admin/testing_tenants.h"

namespace tollgate::admin {
namespace {

// In every text that is globex's.
constexpr std::string_view kMark = "wallmark";

class Walls : public TenantsTest {
 protected:
  Walls() {
    auto config = configuration();
    config->tenants.clear();
    for (const char* name : {"acme", "wallmark-globex"}) {
      config::Tenant tenant;
      tenant.name = name;
      tenant.roles = {fmt::format("{}-role", name)};
      tenant.keys_max = 1000;
      cost::Policy budget;
      budget.scope = limits::Scope::kTenantId;
      budget.rule = fmt::format("tenants.{}.budget", name);
      budget.limit = {1'000'000};
      tenant.budget = budget;
      config->tenants.push_back(tenant);
    }
    cost::Policy budget;
    budget.scope = limits::Scope::kUserId;
    budget.rule = "budgets.people";
    budget.limit = {1'000'000};
    config->budgets = {budget};
    for (int i = 0; i < administration::kRoleCount; ++i) {
      const auto role = static_cast<administration::Role>(i);
      config->admin.policy.tokens.push_back(
          fixed(fmt::format("wallmark-{}", name_of(role)), {role, {"wallmark-globex"}, {}}));
    }
    config_ = config;
    current_->swap(config);
    fill();
  }

  // A key, an imported one, a token, a request and its record, spend, budgets: of globex, by its
  // own people.
  void fill() {
    const auto key = ask_as("wallmark-owner", "POST", "keys",
                            R"({"tenant":"wallmark-globex","user":"wallmark-eve",)"
                            R"("name":"wallmark laptop","scopes":{"routes":["wallmark-route"]}})");
    ASSERT_EQ(key->status, 201) << key->text;
    theirs_.key = field(*key, "id");
    known_line_ = fmt::format(R"({{"digest":"sha256:{}","tenant":)", std::string(64, 'd'));
    const auto imported = ask_as("wallmark-owner", "POST", "keys/import",
                                 known_line_ + R"("wallmark-globex","name":"wallmark old"})");
    ASSERT_EQ(imported->status, 200) << imported->text;
    const auto token = ask_as("wallmark-owner", "POST", "tokens",
                              R"({"name":"wallmark night","role":"viewer",)"
                              R"("tenants":["wallmark-globex"]})");
    ASSERT_EQ(token->status, 201) << token->text;
    theirs_.token = field(*token, "id");
    request({"req_wallmark", "wallmark-globex", "wallmark-eve", "wallmark-key", "wallmark-route",
             "wallmark-model"});
    spend(*config_->tenants.back().budget, "wallmark-globex");
    spend(config_->budgets.front(), "wallmark-globex/wallmark-eve");
    spend(*config_->tenants.front().budget, "acme");
    spend(config_->budgets.front(), "acme/ada");
  }

  // All that can be asked, with globex's ids where there are any and bodies that would be good.
  // None bears the mark, so what is found in an answer came from the store.
  struct Question {
    std::string method;
    std::string path;
    std::string body = {};
  };
  std::vector<Question> questions() {
    std::vector<Question> all;
    for (const EndpointRow& row : endpoints()) {
      all.push_back(
          {std::string(row.method), path_of(row, theirs_), body_of(row.endpoint, "acme")});
    }
    for (const char* more :
         {"keys?state=active", "keys?user=%77allmark-eve", "keys?tenant=%77allmark-globex",
          "spend?by=total", "spend?by=user", "spend?by=key", "spend?by=route", "spend?by=model",
          "spend?by=hour", "spend?tenant=%77allmark-globex", "audit?phase=change",
          "audit?phase=decision", "audit?id=req_%77allmark", "audit?tenant=%77allmark-globex",
          "audit?user=%77allmark-eve", "audit?action=key.create", "audit?actor=%77allmark-owner"}) {
      all.push_back({"GET", more});
    }
    all.push_back({"GET", "keys?after=" + theirs_.key});
    all.push_back({"GET", "audit?object=" + theirs_.key});
    all.push_back({"GET", "audit?object=" + theirs_.token});
    all.push_back({"POST", "keys/import", known_line_ + R"("acme"})"});
    all.push_back({"POST", "tokens/" + theirs_.token + "/revoke", R"({"with_made":true})"});
    all.push_back({"POST", "keys/" + theirs_.key + "/expire", R"({"expires":"never"})"});
    return all;
  }
  // What is globex's, as its owner sees it.
  std::string theirs() {
    std::string all;
    for (const char* path :
         {"keys", "tokens", "budgets", "spend?by=user", "audit?phase=decision"}) {
      const auto caller = ask_as("wallmark-owner", "GET", path);
      EXPECT_EQ(caller->status, 200) << caller->text;
      EXPECT_TRUE(caller->text.contains(kMark)) << path << "\n" << caller->text;
      all += caller->text;
    }
    return all;
  }

  std::shared_ptr<config::Config> config_;
  Ids theirs_;
  std::string known_line_;  // Of an import, up to its tenant.
};

TEST_F(Walls, HideAllOfOtherTenantsFromWhoIsBound) {
  const std::string before = theirs();
  int answered = 0;
  int hidden = 0;
  for (int i = 0; i < administration::kRoleCount; ++i) {
    const std::string as = fmt::format("acme-{}", name_of(static_cast<administration::Role>(i)));
    for (const Question& question : questions()) {
      SCOPED_TRACE(fmt::format("{} {} {} {}", as, question.method, question.path, question.body));
      const auto caller = ask_as(as, question.method, question.path, question.body);
      EXPECT_FALSE(caller->text.contains(kMark)) << caller->text;
      for (const std::string& id : {theirs_.key, theirs_.token}) {
        EXPECT_FALSE(caller->text.contains(id)) << caller->text;
      }
      // Nothing that he asks is refused for its form, but for what is of a session alone, and for a
      // page that begins behind what is not there for him.
      const bool is_form = question.path == "session" || question.path.contains("after=");
      EXPECT_TRUE(caller->status != 400 || is_form) << caller->text;
      answered += caller->status < 300 ? 1 : 0;
      hidden += caller->status == 404 ? 1 : 0;
    }
  }
  EXPECT_GT(answered, 50);
  EXPECT_GE(hidden, 16) << "ids of globex's are not there";
  EXPECT_EQ(theirs(), before) << "it is all there, and untouched, for whoever it is of";
}

// Of budgets each sees those of his tenant and of its users, with what was spent, and no others.
TEST_F(Walls, StandBetweenBudgets) {
  const std::string mine = ask_as("acme-viewer", "GET", "budgets")->text;
  EXPECT_TRUE(mine.contains(R"("acme")")) << mine;
  EXPECT_TRUE(mine.contains("acme/ada")) << mine;
  EXPECT_FALSE(mine.contains(kMark)) << mine;
  const std::string other = ask_as("wallmark-viewer", "GET", "budgets")->text;
  EXPECT_TRUE(other.contains(R"("wallmark-globex")")) << other;
  EXPECT_TRUE(other.contains("wallmark-globex/wallmark-eve")) << other;
  EXPECT_FALSE(other.contains("acme")) << other;
  const std::string all = ask_as("viewer", "GET", "budgets")->text;
  EXPECT_TRUE(all.contains("acme/ada") && all.contains("wallmark-globex/wallmark-eve")) << all;
}

}  // namespace
}  // namespace tollgate::admin
