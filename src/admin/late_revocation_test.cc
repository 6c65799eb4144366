// What becomes of somebody who is let in, and revoked before it is his turn.
#include "admin/testing_api.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {
namespace {

class LateRevocation : public ApiTest {
 protected:
  // Let in by a token of the store, and then not served yet.
  std::unique_ptr<Caller> begin(const std::string& method, const std::string& target,
                                const std::string& body, Headers headers) {
    pipeline::testing::Ask asked;
    asked.method = method;
    asked.target = target;
    asked.body = body;
    asked.headers = std::move(headers);
    auto caller = std::make_unique<Caller>(asked, story_);
    start(api().serve(*caller));
    while (door_.run() || loop_.run()) {
    }
    EXPECT_FALSE(caller->complete());
    return caller;
  }
  void revoke(const std::string& id) {
    const auto database = store_->reader().value();
    ASSERT_TRUE(
        storage::revoke_admin_token(*database, {}, id, storage::MadeTokens::kStay, clock_.wall())
            ->is_known);
  }
};

TEST_F(LateRevocation, ChangesNothingAnyMore) {
  const auto key = ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})");
  const std::string path = "/admin/v1/keys/" + field(*key, "id");
  struct Row {
    std::string target;
    std::string body;
  };
  const Row rows[] = {{"/admin/v1/keys", R"({"tenant":"acme"})"},
                      {path + "/revoke", ""},
                      {path + "/rotate", ""},
                      {path + "/expire", R"({"expires":"1d"})"},
                      {"/admin/v1/tokens", R"({"name":"y","role":"owner"})"}};
  for (const Row& row : rows) {
    const auto made = ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"owner"})");
    const auto caller = begin("POST", row.target, row.body, bearer(field(*made, "secret")));
    revoke(field(*made, "id"));
    const std::size_t before = records("").size();
    answer_all();
    EXPECT_TRUE(is_problem(*caller, 401)) << row.target << caller->text;
    const std::vector<std::string> after = records("");
    ASSERT_EQ(after.size(), before + 1) << row.target;
    EXPECT_NE(after.front().find("admin.refuse"), std::string::npos) << after.front();
  }
  EXPECT_NE(ask("GET", path)->text.find(R"("revoked":null)"), std::string::npos);
}

// Nor does whom the configuration that is in force by then does not let in.
TEST_F(LateRevocation, IsAlsoByTheConfiguration) {
  const std::string person = issued(R"("groups":["admins"])");
  for (const std::string& secret : {token_of("owner"), person}) {
    const auto caller = begin("POST", "/admin/v1/keys", R"({"tenant":"acme"})", bearer(secret));
    const std::shared_ptr<config::Config> next = configuration();
    std::erase_if(next->admin.policy.tokens,
                  [](const administration::FixedToken& token) { return token.name == "owner"; });
    next->admin.policy.oidc.clear();
    administration::derive(next->admin.policy);
    const std::shared_ptr<const config::Config> before = current_->get();
    current_->swap(next);
    answer_all();
    EXPECT_TRUE(is_problem(*caller, 401)) << caller->text;
    current_->swap(before);
    // A change of something else is none of his.
    const auto other = begin("POST", "/admin/v1/keys", R"({"tenant":"acme"})", bearer(secret));
    current_->swap(configuration());
    answer_all();
    EXPECT_EQ(other->status, 201) << other->text;
  }
}

// Nor does who was somebody else when he was let in, or whose token has ended since.
TEST_F(LateRevocation, IsAlsoByGrantAndTime) {
  {
    const auto caller =
        begin("POST", "/admin/v1/keys", R"({"tenant":"acme"})", bearer(token_of("owner")));
    const std::shared_ptr<config::Config> next = configuration();
    for (administration::FixedToken& token : next->admin.policy.tokens) {
      if (token.name == "owner") token.grant.tenants = {"globex"};
    }
    administration::derive(next->admin.policy);
    current_->swap(next);
    answer_all();
    EXPECT_TRUE(is_problem(*caller, 401)) << caller->text;
    current_->swap(configuration());
  }
  const auto person = bearer(issued(R"("groups":["admins"])"));
  const auto in_time = begin("POST", "/admin/v1/keys", R"({"tenant":"acme"})", person);
  clock_.pass(std::chrono::minutes(59));
  answer_all();
  EXPECT_EQ(in_time->status, 201) << in_time->text;
  const auto late = begin("POST", "/admin/v1/keys", R"({"tenant":"acme"})", person);
  clock_.pass(std::chrono::minutes(2));
  answer_all();
  EXPECT_TRUE(is_problem(*late, 401)) << late->text;
}

}  // namespace
}  // namespace tollgate::admin
