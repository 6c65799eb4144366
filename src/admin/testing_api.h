// The admin API of a gateway with a store in memory, asked by hand. For the tests of this room.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/admin_api.h"
#include "base/hand_executor.h"
#include "controls/authentication/forged_token_test.h"
#include "identity/testing_web.h"
#include "pipeline/testing_caller.h"
#include "storage/audit_query.h"

namespace tollgate::admin {

inline constexpr std::string_view kToken = "admin-token-of-the-test-0123456789abcdef";
inline constexpr std::string_view kIssuer = "https://login.example.com";
inline constexpr std::string_view kPlaces =
    "https://login.example.com/.well-known/"
    "openid-configuration";
inline constexpr std::string_view kExchange = "https://login.example.com/token";

using Headers = std::vector<std::pair<std::string, std::string>>;
using pipeline::testing::Caller;

inline Headers bearer(std::string_view token) {
  return {{"Authorization", "Bearer " + std::string(token)}};
}

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-admin-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    std::ofstream(folder_ / "keys.json") << key_.jwk();
    config::Store where;
    where.in_memory = true;
    FaultOr<std::unique_ptr<storage::Store>> opened =
        storage::Store::open(where, audit::Policy{}, clock_);
    CHECK(opened.has_value());
    store_ = std::move(*opened);
    current_.emplace(configuration());
    store_->start();
    oidc_.emplace(*current_);
  }
  ~ApiTest() override {
    api_.reset();
    EXPECT_TRUE(store_->stop());
    std::filesystem::remove_all(folder_);
  }

  // Two tenants, an upstream with a secret, and an issuer whose people administer.
  std::shared_ptr<config::Config> configuration() const {
    auto config = std::make_shared<config::Config>();
    config->version = "abc123";
    for (const char* name : {"acme", "globex"}) {
      config::Tenant tenant;
      tenant.name = name;
      config->tenants.push_back(tenant);
    }
    config::Upstream upstream;
    upstream.name = "vllm";
    upstream.credential = config::Secret("sk-upstream-secret");
    upstream.endpoints = {{false, "10.0.0.5", 8000, "/v1"}};
    config->upstreams.push_back(upstream);
    config->admin.policy = policy();
    return config;
  }
  administration::Policy policy() const {
    administration::Policy made;
    for (int i = 0; i < administration::kRoleCount; ++i) {
      const auto role = static_cast<administration::Role>(i);
      made.tokens.push_back(fixed(name_of(role), {role, {}, {}}));
      made.tokens.push_back(fixed(fmt::format("acme-{}", name_of(role)), {role, {"acme"}, {}}));
    }
    administration::OidcPolicy entry;
    entry.name = "corporate";
    entry.bearer.issuer = kIssuer;
    entry.bearer.audiences = {"tollgate-admin"};
    entry.bearer.algorithms = {authentication::Algorithm::kEs256};
    entry.bearer.keys = authentication::KeyOrigin::kFile;
    entry.bearer.keys_at = (folder_ / "keys.json").string();
    entry.bearer.claims.fixed_tenant = administration::kNoTenant;
    entry.bearer.claims.roles = "groups";
    entry.login = entry.bearer;
    entry.client = "browser";
    entry.client_secret = Secret("client-secret");
    entry.login.audiences = {entry.client};
    entry.grants = {{"admins", administration::Role::kOwner, {}},
                    {"staff", administration::Role::kViewer, {}}};
    made.oidc.push_back(std::move(entry));
    administration::derive(made);
    return made;
  }
  static administration::FixedToken fixed(std::string_view name, administration::Grant grant) {
    return {std::string(name), Secret(token_of(name)), std::move(grant)};
  }
  // Of a role, or of one that is bound to acme: "acme-operator".
  static std::string token_of(std::string_view name) {
    return fmt::format("{}-token-of-the-test-0123456789abcdef", name);
  }

  // A token that the issuer signs: `claims` beside its own.
  std::string issued(std::string_view claims, std::string_view audience = "tollgate-admin") const {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch();
    return es256_token(key_, R"({"alg":"ES256","kid":"a"})",
                       fmt::format(R"({{"iss":"{}","aud":"{}","sub":"ada","iat":{},"exp":{},{}}})",
                                   kIssuer, audience, now.count(), now.count() + 3600, claims));
  }

  AdminApi::Parts parts() {
    return {*current_, *store_, pepper_, metrics_, clock_, loop_,
            desk_,     door_,   *oidc_,  web_,     token_};
  }
  AdminApi& api() {
    if (!api_) api_ = std::make_unique<AdminApi>(parts());
    return *api_;
  }
  // Goes on until nobody waits for a desk or the web any more.
  void answer_all() {
    while (desk_.run() || door_.run() || loop_.run() || web_.answer()) {
    }
  }

  std::unique_ptr<Caller> ask(std::string method, std::string target, std::string body = {},
                              Headers headers = bearer(kToken), IpAddress from = {}) {
    pipeline::testing::Ask asked;
    asked.method = std::move(method);
    asked.target = std::move(target);
    asked.body = std::move(body);
    asked.headers = std::move(headers);
    asked.ip = from;
    auto caller = std::make_unique<Caller>(asked, story_);
    start(api().serve(*caller));
    answer_all();
    EXPECT_TRUE(caller->complete());
    return caller;
  }

  // The records of those who administer, newest first; of one action, or of all.
  std::vector<std::string> records(std::string_view action) {
    FaultOr<std::unique_ptr<storage::Database>> reading = store_->reader();
    CHECK(reading.has_value());
    storage::AuditQuery query;
    query.action = action;
    query.phase = audit::Phase::kChange;
    const auto rows = storage::query_audit(**reading, query, 5000);
    CHECK(rows.has_value());
    std::vector<std::string> found;
    for (const storage::AuditRow& row : *rows) found.push_back(row.record);
    return found;
  }

  static std::string field(const Caller& caller, std::string_view name) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    std::string_view text;
    if (parser.parse(caller.text).get(object) != simdjson::SUCCESS ||
        object[name].get(text) != simdjson::SUCCESS) {
      return "(none)";
    }
    return std::string(text);
  }
  static bool is_problem(const Caller& caller, int status) {
    return caller.status == status && caller.content_type == "application/problem+json" &&
           caller.text.find("\"status\":" + std::to_string(status)) != std::string::npos;
  }

  std::filesystem::path folder_;
  const authentication::SigningKey key_ = authentication::SigningKey::make("P-256");
  pipeline::testing::HandClock clock_;
  pipeline::testing::Story story_;
  std::unique_ptr<storage::Store> store_;
  std::optional<config::Current> current_;
  authentication::Pepper pepper_ = pipeline::testing::test_pepper();
  Metrics metrics_;
  HandExecutor loop_;
  HandExecutor desk_;
  HandExecutor door_;
  std::optional<OidcDesk> oidc_;
  identity::testing::HandWeb web_;
  config::Secret token_{std::string(kToken)};
  std::unique_ptr<AdminApi> api_;
};

}  // namespace tollgate::admin
