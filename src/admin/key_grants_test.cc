// Which roles keys get from somebody who is bound to a tenant, and what he learns of other tenants'
// keys.
#include "admin/key_grants.h"

#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

constexpr std::string_view kRefused = "tenants.acme.grantable_roles";

class KeyGrants : public ApiTest {
 protected:
  KeyGrants() {
    auto config = configuration();
    for (config::Tenant& tenant : config->tenants) tenant.keys_max = 6;
    config->tenants[0].grantable_roles = {"reader", "writer"};
    current_->swap(config);
  }
  std::unique_ptr<Caller> ask_as(std::string_view name, std::string path, std::string body = {}) {
    return ask("POST", "/admin/v1/" + std::move(path), std::move(body), bearer(token_of(name)));
  }
  std::string make(std::string body) {
    const auto made = ask_as("operator", "keys", std::move(body));
    EXPECT_EQ(made->status, 201) << made->text;
    return field(*made, "id");
  }
  static std::string line(char digit, std::string_view tenant, std::string_view more = {}) {
    return fmt::format(R"({{"digest":"sha256:{}","tenant":"{}"{}}})", std::string(64, digit),
                       tenant, more);
  }
};

TEST_F(KeyGrants, AreWhatTheTenantListsToOneWhoIsBound) {
  struct Row {
    std::string_view as;
    std::string_view roles;
    int status;
  };
  const Row rows[] = {
      {"acme-operator", "[]", 201},
      {"acme-operator", R"(["reader"])", 201},
      {"acme-owner", R"(["reader","writer"])", 201},
      {"acme-operator", R"(["boss"])", 403},
      {"acme-owner", R"(["boss"])", 403},
      {"acme-operator", R"(["reader","boss"])", 403},
      {"acme-operator", R"(["Reader"])", 403},
      {"operator", R"(["boss"])", 201},
  };
  for (const Row& row : rows) {
    const auto made =
        ask_as(row.as, "keys", fmt::format(R"({{"tenant":"acme","roles":{}}})", row.roles));
    EXPECT_EQ(made->status, row.status) << row.as << row.roles << made->text;
    if (row.status == 403) EXPECT_NE(made->text.find(kRefused), std::string::npos) << made->text;
  }
}

TEST_F(KeyGrants, AreNoOthersByAnImport) {
  const std::string good = line('a', "acme", R"(,"roles":["reader"])");
  const auto refused = ask_as("acme-operator", "keys/import",
                              good + "\n" + line('b', "acme", R"(,"roles":["boss"])"));
  EXPECT_TRUE(is_problem(*refused, 403)) << refused->text;
  EXPECT_NE(refused->text.find("line 2: "), std::string::npos) << refused->text;
  EXPECT_NE(refused->text.find(kRefused), std::string::npos) << refused->text;
  EXPECT_EQ(store_->keys().size(), 0U);
  EXPECT_EQ(ask_as("acme-operator", "keys/import", good)->status, 200);
  EXPECT_EQ(ask_as("operator", "keys/import", line('b', "acme", R"(,"roles":["boss"])"))->status,
            200);
}

// The new secret would be his, and a later end would be given by him.
TEST_F(KeyGrants, AreNoOthersByARotationOrALaterEnd) {
  const std::string boss = make(R"({"tenant":"acme","roles":["boss"],"expires":"2d"})");
  const std::string reader = make(R"({"tenant":"acme","roles":["reader"],"expires":"2d"})");
  const auto refused = ask_as("acme-operator", "keys/" + boss + "/rotate");
  EXPECT_TRUE(is_problem(*refused, 403)) << refused->text;
  EXPECT_NE(refused->text.find(kRefused), std::string::npos);
  EXPECT_EQ(refused->text.find("secret"), std::string::npos);
  for (const char* later : {"3d", "never"}) {
    const std::string body = fmt::format(R"({{"expires":"{}"}})", later);
    EXPECT_TRUE(is_problem(*ask_as("acme-operator", "keys/" + boss + "/expire", body), 403));
    EXPECT_EQ(ask_as("acme-operator", "keys/" + reader + "/expire", body)->status, 200);
  }
  // What ends it he may do.
  EXPECT_EQ(ask_as("acme-operator", "keys/" + boss + "/expire", R"({"expires":"1d"})")->status,
            200);
  EXPECT_EQ(ask_as("acme-operator", "keys/" + boss + "/revoke")->status, 200);
  EXPECT_EQ(ask_as("acme-operator", "keys/" + reader + "/rotate")->status, 201);
}

TEST_F(KeyGrants, EndWithTheRotation) {
  const std::string old = make(R"({"tenant":"acme"})");
  EXPECT_EQ(ask_as("operator", "keys/" + old + "/rotate", R"({"overlap":"1h"})")->status, 201);
  for (const char* later : {"2h", "never"}) {
    const auto refused =
        ask_as("owner", "keys/" + old + "/expire", fmt::format(R"({{"expires":"{}"}})", later));
    EXPECT_TRUE(is_problem(*refused, 409));
    EXPECT_NE(refused->text.find("This key was rotated"), std::string::npos) << refused->text;
  }
  EXPECT_EQ(ask_as("owner", "keys/" + old + "/expire", R"({"expires":"10m"})")->status, 200);
}

TEST_F(KeyGrants, EndWhereTheTenantIsFull) {
  for (int i = 0; i < 6; ++i) make(R"({"tenant":"acme"})");
  const auto refused = ask_as("operator", "keys", R"({"tenant":"acme"})");
  EXPECT_TRUE(is_problem(*refused, 409));
  EXPECT_NE(refused->text.find("keys_max"), std::string::npos) << refused->text;
  const auto imported = ask_as("operator", "keys/import", line('a', "acme"));
  EXPECT_TRUE(is_problem(*imported, 409));
  EXPECT_NE(imported->text.find("keys_max"), std::string::npos) << imported->text;
  make(R"({"tenant":"globex"})");
}

// Who is bound to acme learns by an import whether a digest is new to the gateway, and pays for
// that with a key on record. Whose a known one is, and which line it is, he is not told; and where
// he has no room for a key he is told nothing at all.
TEST_F(KeyGrants, TellNothingOfKeysOfOthers) {
  ASSERT_EQ(
      ask_as("operator", "keys/import", line('a', "acme") + "\n" + line('b', "globex"))->status,
      200);
  std::string told;
  for (const char digit : {'a', 'b'}) {
    for (const std::string& body :
         {line(digit, "acme"), line('c', "acme") + "\n" + line(digit, "acme"),
          line(digit, "acme") + "\n" + line('c', "acme")}) {
      const auto refused = ask_as("acme-operator", "keys/import", body);
      EXPECT_TRUE(is_problem(*refused, 409)) << refused->text;
      if (told.empty()) told = refused->text;
      EXPECT_EQ(refused->text, told);
    }
  }
  EXPECT_EQ(told.find("line"), std::string::npos) << told;
  EXPECT_EQ(store_->keys().size(), 2U);
  const auto made = ask_as("acme-operator", "keys/import", line('c', "acme"));
  EXPECT_EQ(made->status, 200) << made->text;
  EXPECT_NE(made->text.find(R"("imported":1,"known_before":0)"), std::string::npos) << made->text;

  for (int i = 0; i < 4; ++i) make(R"({"tenant":"acme"})");
  told.clear();
  for (const char digit : {'a', 'b', 'c', 'd'}) {
    const auto refused = ask_as("acme-operator", "keys/import", line(digit, "acme"));
    EXPECT_TRUE(is_problem(*refused, 409));
    if (told.empty()) told = refused->text;
    EXPECT_EQ(refused->text, told) << digit;
  }
}

// Whoever reaches all tenants is told that a line would take a key away from another.
TEST_F(KeyGrants, TellWhoReachesAllOfConflicts) {
  ASSERT_EQ(ask_as("operator", "keys/import", line('b', "globex"))->status, 200);
  const auto refused =
      ask_as("operator", "keys/import", line('a', "acme") + "\n\n" + line('b', "acme"));
  EXPECT_TRUE(is_problem(*refused, 409));
  EXPECT_NE(refused->text.find("line 3: Another tenant"), std::string::npos) << refused->text;
  EXPECT_EQ(store_->keys().size(), 1U);
  const auto again =
      ask_as("operator", "keys/import", line('a', "acme") + "\n" + line('b', "globex"));
  EXPECT_NE(again->text.find(R"("imported":1,"known_before":1)"), std::string::npos) << again->text;
}

}  // namespace
}  // namespace tollgate::admin
