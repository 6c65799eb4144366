#include "storage/admin_tokens.h"

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using administration::Role;
using administration::TokenRecord;

TokenRecord token(const std::string& id, Role role = Role::kViewer) {
  TokenRecord made;
  made.id = id;
  made.digest.fill(static_cast<std::uint8_t>(id.back()));
  made.name = "on call \"night\"";
  made.grant.role = role;
  made.created = kMorning;
  made.created_by = "admin.token";
  return made;
}

class AdminTokens : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  std::vector<AuditRow> changes() {
    AuditQuery query;
    query.phase = audit::Phase::kChange;
    auto rows = query_audit(*database_, query, 100);
    EXPECT_TRUE(rows);
    return rows ? *rows : std::vector<AuditRow>();
  }
  std::unique_ptr<Database> database_ = connect();
};

TEST_P(AdminTokens, AreKeptAsTheyAre) {
  TokenRecord made = token("aaaaaaaaaaa1", Role::kOperator);
  made.grant.tenants = {"acme", "globex"};
  made.grant.expires = kMorning + std::chrono::hours(24);
  ASSERT_EQ(create_admin_token(*database_, ada(), made, kMorning), TokenMade::kDone);
  const auto found = find_admin_token(*database_, made.id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->digest, made.digest);
  EXPECT_EQ((*found)->name, made.name);
  EXPECT_EQ((*found)->grant.role, Role::kOperator);
  EXPECT_EQ((*found)->grant.tenants, made.grant.tenants);
  EXPECT_EQ((*found)->grant.expires, made.grant.expires);
  EXPECT_EQ((*found)->created_by, "admin.token");
  EXPECT_FALSE((*found)->revoked);
  EXPECT_FALSE((*found)->last_used);
  ASSERT_EQ(create_admin_token(*database_, ada(), token("aaaaaaaaaaa2"), kMorning),
            TokenMade::kDone);
  EXPECT_EQ(list_admin_tokens(*database_)->size(), 2U);
  EXPECT_FALSE(*find_admin_token(*database_, "nobody"));
  EXPECT_FALSE(create_admin_token(*database_, ada(), made, kMorning)) << "the id is there";
}

// Seen by whoever reads it next, on a connection of its own.
TEST_P(AdminTokens, AreRevokedOnceAndForAll) {
  ASSERT_TRUE(create_admin_token(*database_, ada(), token("aaaaaaaaaaa1"), kMorning));
  const std::unique_ptr<Database> other = connect();
  EXPECT_FALSE((*find_admin_token(*other, "aaaaaaaaaaa1"))->revoked);
  const auto revoke = [&](std::string_view id, WallTime now) {
    return revoke_admin_token(*database_, ada(), id, MadeTokens::kStay, now)->is_known;
  };
  EXPECT_TRUE(revoke("aaaaaaaaaaa1", kMorning));
  EXPECT_EQ((*find_admin_token(*other, "aaaaaaaaaaa1"))->revoked, kMorning);
  EXPECT_TRUE(revoke("aaaaaaaaaaa1", kMorning + Duration(5)));
  EXPECT_EQ((*find_admin_token(*other, "aaaaaaaaaaa1"))->revoked, kMorning);
  EXPECT_FALSE(revoke("nobody", kMorning));
  EXPECT_EQ(changes().size(), 2U) << "made, and revoked once";
}

// Along the whole chain of who made whom, through those that are no longer in force.
TEST_P(AdminTokens, TellWhatTheyMadeAndEndWithIt) {
  const auto make = [&](const std::string& id, const std::string& by,
                        std::optional<WallTime> expires = std::nullopt) {
    TokenRecord made = token(id);
    made.created_by = by;
    made.grant.expires = expires;
    ASSERT_EQ(create_admin_token(*database_, ada(), made, kMorning - Duration(5)),
              TokenMade::kDone);
  };
  make("aaaaaaaaaaa1", "admin.token");
  make("aaaaaaaaaaa2", "aaaaaaaaaaa1");
  make("aaaaaaaaaaa3", "aaaaaaaaaaa2");
  make("aaaaaaaaaaa4", "aaaaaaaaaaa1", kMorning);
  make("aaaaaaaaaaa5", "aaaaaaaaaaa4");
  make("aaaaaaaaaaa6", "admin.token");
  make("aaaaaaaaaaa7", "");
  const auto revoke = [&](std::string_view id, MadeTokens made) {
    std::string told;
    for (const TokenRecord& each :
         revoke_admin_token(*database_, ada(), id, made, kMorning)->made) {
      told += each.id.back();
      told += each.revoked ? "- " : "+ ";
    }
    return told;
  };
  EXPECT_EQ(revoke("", MadeTokens::kAreRevoked), "") << "what commands made is nobody's";
  EXPECT_EQ(revoke("aaaaaaaaaaa2", MadeTokens::kStay), "3+ ");
  EXPECT_EQ(revoke("aaaaaaaaaaa1", MadeTokens::kStay), "3+ 5+ ");
  EXPECT_EQ(revoke("aaaaaaaaaaa1", MadeTokens::kAreRevoked), "3- 5- ");
  EXPECT_EQ(revoke("aaaaaaaaaaa1", MadeTokens::kAreRevoked), "");
  EXPECT_EQ(changes().size(), 7U + 4U) << "each on record, once";
  // Of a credential that is no token of the store.
  EXPECT_EQ(revoke("admin.token", MadeTokens::kAreRevoked), "6- ");
  EXPECT_FALSE((*find_admin_token(*database_, "aaaaaaaaaaa7"))->revoked);
}

// Who did what, before and after; nothing of the secret.
TEST_P(AdminTokens, AreOnRecordWithEachChange) {
  ASSERT_TRUE(create_admin_token(*database_, ada(), token("aaaaaaaaaaa1"), kMorning));
  ASSERT_TRUE(revoke_admin_token(*database_, ada(), "aaaaaaaaaaa1", MadeTokens::kStay, kMorning));
  ASSERT_TRUE(use_admin_token(*database_, token("aaaaaaaaaaa1"), kMorning));
  const std::vector<AuditRow> rows = changes();
  ASSERT_EQ(rows.size(), 2U);
  const std::string& revoked = rows[0].record;
  for (const char* part :
       {R"("action":"admin_token.revoke")", R"("object":"aaaaaaaaaaa1")", R"("subject":"ada")",
        R"("revoked":null)", R"("revoked":"2026-03-04T05:30:00Z")"}) {
    EXPECT_NE(revoked.find(part), std::string::npos) << part << "\n" << revoked;
  }
  EXPECT_NE(rows[1].record.find(R"("action":"admin_token.create")"), std::string::npos);
  EXPECT_EQ(revoked.find("digest"), std::string::npos);
}

TEST_P(AdminTokens, SayToTheMinuteWhenTheyWereUsed) {
  ASSERT_TRUE(create_admin_token(*database_, ada(), token("aaaaaaaaaaa1"), kMorning));
  const auto use = [&](WallTime now) {
    const auto found = find_admin_token(*database_, "aaaaaaaaaaa1");
    EXPECT_TRUE(use_admin_token(*database_, **found, now));
    return (*find_admin_token(*database_, "aaaaaaaaaaa1"))->last_used;
  };
  EXPECT_EQ(use(kMorning), kMorning);
  EXPECT_EQ(use(kMorning + std::chrono::seconds(59)), kMorning);
  EXPECT_EQ(use(kMorning + std::chrono::seconds(60)), kMorning + std::chrono::seconds(60));
}

// What cannot be understood lets nobody in.
TEST_P(AdminTokens, AreRefusedWhereTheyAreDamaged) {
  ASSERT_TRUE(create_admin_token(*database_, ada(), token("aaaaaaaaaaa1"), kMorning));
  for (const char* damage : {"role = 'root'", "tenants = ''", "tenants = '[5]'", "tenants = '{}'",
                             R"(tenants = '[""]')"}) {
    ASSERT_TRUE(database_->execute("UPDATE admin_tokens SET role = 'viewer', tenants = '[]'"));
    ASSERT_TRUE(find_admin_token(*database_, "aaaaaaaaaaa1"));
    ASSERT_TRUE(database_->execute((std::string("UPDATE admin_tokens SET ") + damage).c_str()));
    const auto found = find_admin_token(*database_, "aaaaaaaaaaa1");
    ASSERT_FALSE(found) << damage;
    EXPECT_EQ(found.error().kind, FaultKind::kCorrupt);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, AdminTokens, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
