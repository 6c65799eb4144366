// Whoever is bound to one tenant sees nothing of another, whatever he asks.
#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

// In every text that is globex's.
constexpr std::string_view kMark = "wallmark";

class Walls : public ApiTest {
 protected:
  Walls() {
    auto config = configuration();
    for (const char* name : {"acme", "wallmark-globex"}) {
      config::Tenant tenant;
      tenant.name = name;
      tenant.roles = {fmt::format("{}-role", name)};
      cost::Policy budget;
      budget.scope = limits::Scope::kTenantId;
      budget.rule = fmt::format("tenants.{}.budget", name);
      budget.limit = {1'000'000};
      tenant.budget = budget;
      if (name == std::string_view("acme")) config->tenants.clear();
      config->tenants.push_back(tenant);
    }
    for (int i = 0; i < administration::kRoleCount; ++i) {
      const auto role = static_cast<administration::Role>(i);
      config->admin.policy.tokens.push_back(
          fixed(fmt::format("wallmark-{}", name_of(role)), {role, {"wallmark-globex"}, {}}));
    }
    current_->swap(config);
    fill();
  }

  std::unique_ptr<Caller> ask_as(std::string_view name, const std::string& method,
                                 const std::string& path, std::string body = {}) {
    return ask(method, "/admin/v1/" + path, std::move(body), bearer(token_of(name)));
  }

  // A key, an imported one, a token, a request and its record, spend: of globex, by its own people.
  void fill() {
    const auto key = ask_as("wallmark-owner", "POST", "keys",
                            R"({"tenant":"wallmark-globex","user":"wallmark-eve",)"
                            R"("name":"wallmark laptop","scopes":{"routes":["wallmark-route"]}})");
    ASSERT_EQ(key->status, 201) << key->text;
    key_ = field(*key, "id");
    const auto token = ask_as("wallmark-owner", "POST", "tokens",
                              R"({"name":"wallmark night","role":"viewer",)"
                              R"("tenants":["wallmark-globex"]})");
    ASSERT_EQ(token->status, 201) << token->text;
    admin_token_ = field(*token, "id");
    authentication::Identity actor;
    actor.tenant = "wallmark-globex";
    actor.subject = "wallmark-eve";
    audit::Record record;
    record.id = "req_wallmark";
    record.time = clock_.wall();
    record.actor = &actor;
    record.route = "wallmark-route";
    std::string written;
    audit::write(record, audit::Phase::kDecision, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kDecision, Money{}, written));
    pipeline::Booking booking;
    booking.id = record.id;
    booking.tenant = actor.tenant;
    booking.user = actor.subject;
    booking.key_id = "wallmark-key";
    booking.route = record.route;
    booking.model = "wallmark-model";
    store_->trail().booked(booking, {9, 4, Money{49}}, {}, clock_.wall());
    written.clear();
    audit::write(record, audit::Phase::kOutcome, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kOutcome, Money{}, written));
  }

  std::string key_;
  std::string admin_token_;
};

// With parameters, and with ids of globex's where there are any. None of them bears the mark, so
// that what is found in an answer came from the store.
TEST_F(Walls, HideAllOfOtherTenantsFromWhoIsBound) {
  std::vector<std::pair<std::string, std::string>> questions;
  for (const EndpointRow& row : endpoints()) {
    std::string path(row.path);
    if (const std::size_t star = path.find('*'); star != std::string::npos) {
      path.replace(star, 1, path.starts_with("tokens") ? admin_token_ : key_);
    }
    questions.emplace_back(row.method, path);
  }
  for (const char* more :
       {"keys?state=active", "keys?user=%77allmark-eve", "keys?tenant=%77allmark-globex",
        "spend?by=total", "spend?by=user", "spend?by=key", "spend?by=route", "spend?by=model",
        "spend?by=hour", "spend?tenant=%77allmark-globex", "audit?phase=change",
        "audit?phase=decision", "audit?id=req_%77allmark", "audit?tenant=%77allmark-globex",
        "audit?user=%77allmark-eve", "audit?action=key.create", "audit?actor=%77allmark-owner"}) {
    questions.emplace_back("GET", more);
  }
  questions.emplace_back("GET", "keys?after=" + key_);
  questions.emplace_back("GET", "audit?object=" + key_);
  questions.emplace_back("GET", "audit?object=" + admin_token_);
  for (int i = 0; i < administration::kRoleCount; ++i) {
    const std::string as = fmt::format("acme-{}", name_of(static_cast<administration::Role>(i)));
    for (const auto& [method, path] : questions) {
      const auto caller = ask_as(as, method, path);
      EXPECT_EQ(caller->text.find(kMark), std::string::npos)
          << as << " " << method << " " << path << "\n"
          << caller->text;
      for (const std::string& id : {key_, admin_token_}) {
        EXPECT_EQ(caller->text.find(id), std::string::npos) << as << " " << method << " " << path;
      }
    }
  }
  // It is all there, and untouched, for whoever it is of.
  for (const char* there : {"keys", "tokens", "spend?by=user", "audit?id=req_wallmark"}) {
    EXPECT_NE(ask_as("wallmark-owner", "GET", there)->text.find(kMark), std::string::npos) << there;
  }
  EXPECT_EQ(field(*ask_as("wallmark-owner", "GET", "keys/" + key_), "revoked"), "(none)");
  EXPECT_EQ(ask_as("wallmark-owner", "GET", "tokens")->text.find("\"revoked\":\"2"),
            std::string::npos);
}

}  // namespace
}  // namespace tollgate::admin
