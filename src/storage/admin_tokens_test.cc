#include "storage/admin_tokens.h"

#include "storage/key_rows.h"
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
  FaultOr<TokenMade> make(const TokenRecord& token, WallTime now = kMorning,
                          TokenShare share = TokenShare::kWhole) {
    return create_admin_token(*database_, ada(), token, share, now);
  }
  // The last letters of their ids.
  std::string page(std::int64_t limit, std::string_view after, const MaySee& may_see = {}) {
    const auto found = query_admin_tokens(*database_, may_see, limit, after);
    EXPECT_TRUE(found) << found.error().message;
    if (!found || !*found) return "none";
    std::string told;
    for (const TokenRecord& each : (*found)->tokens) told += each.id.back();
    return told + ((*found)->has_more ? "+" : "");
  }
  std::unique_ptr<Database> database_ = connect();
};

TEST_P(AdminTokens, AreKeptAsTheyAre) {
  TokenRecord made = token("aaaaaaaaaaa1", Role::kOperator);
  made.grant.tenants = {"acme", "globex"};
  made.grant.expires = kMorning + std::chrono::hours(24);
  ASSERT_EQ(make(made), TokenMade::kDone);
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
  ASSERT_EQ(make(token("aaaaaaaaaaa2")), TokenMade::kDone);
  EXPECT_EQ(page(10, {}), "12");
  EXPECT_FALSE(*find_admin_token(*database_, "nobody"));
  EXPECT_FALSE(make(made)) << "the id is there";
}

// Seen by whoever reads it next, on a connection of its own.
TEST_P(AdminTokens, AreRevokedOnceAndForAll) {
  ASSERT_TRUE(make(token("aaaaaaaaaaa1")));
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
    ASSERT_EQ(AdminTokens::make(made, kMorning - Duration(5)), TokenMade::kDone);
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
  ASSERT_TRUE(make(token("aaaaaaaaaaa1")));
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
  ASSERT_TRUE(make(token("aaaaaaaaaaa1")));
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
  ASSERT_TRUE(make(token("aaaaaaaaaaa1")));
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

TEST_P(AdminTokens, AreListedPageByPage) {
  for (const char* id : {"aaaaaaaaaaa3", "aaaaaaaaaaa1", "aaaaaaaaaaa2"}) {
    ASSERT_TRUE(make(token(id)));
  }
  TokenRecord last = token("aaaaaaaaaaa0", Role::kOwner);
  last.created = kMorning + Duration(1);
  ASSERT_TRUE(make(last));
  EXPECT_EQ(page(2, {}), "12+");
  EXPECT_EQ(page(2, "aaaaaaaaaaa2"), "30");
  EXPECT_EQ(page(4, {}), "1230");
  EXPECT_EQ(page(3, {}), "123+");
  EXPECT_EQ(page(2, "nobody"), "none");
  const MaySee odd = [](const TokenRecord& each) { return each.id.back() % 2 == 1; };
  EXPECT_EQ(page(1, {}, odd), "1+");
  EXPECT_EQ(page(1, "aaaaaaaaaaa1", odd), "3");
  EXPECT_EQ(page(1, "aaaaaaaaaaa2", odd), "none") << "he may not know that it is there";
}

// However many have ended: each look is led by an index, and those that are in force are few.
TEST_P(AdminTokens, ThatHaveEndedHoldNobodyUp) {
  const bool sqlite = GetParam() == Backend::kSqlite;
  const std::string digest = sqlite ? "zeroblob(32)" : "decode(repeat('00', 32), 'hex')";
  const auto end_some = [&](int first, int last) {
    const std::string many = fmt::format(
        fmt::runtime(sqlite ? "WITH RECURSIVE n (i) AS (SELECT {} UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < {}) "
                            : "WITH n (i) AS (SELECT generate_series({}, {})) "),
        first, last);
    ASSERT_TRUE(database_->execute(
        ("INSERT INTO admin_tokens (id, digest, name, role, tenants, created_us, created_by, "
         "revoked_us, ended_us) " +
         many + "SELECT 'old' || i, " + digest +
         ", 'x', 'viewer', '[]', i, 'admin.token', i, i FROM n")
            .c_str()));
  };
  end_some(1, 9'000);
  const WallTime now{Duration(10'000) + std::chrono::minutes(1)};
  // Whoever has a share may end so many within the hour, and an owner still makes one.
  EXPECT_EQ(make(token("aaaaaaaaaaa0"), now, TokenShare::kOfMaker), TokenMade::kTooManyEnded);
  EXPECT_EQ(make(token("aaaaaaaaaaa0"), now), TokenMade::kDone);
  end_some(9'001, 10'000);
  EXPECT_EQ(make(token("aaaaaaaaaaa1"), now), TokenMade::kTooManyEnded);
  const WallTime later = now + kEndedKeptLeast;
  EXPECT_EQ(make(token("aaaaaaaaaaa1"), later), TokenMade::kDone);
  EXPECT_FALSE(*find_admin_token(*database_, "old1")) << "the first leave";
  EXPECT_TRUE(*find_admin_token(*database_, "old10000"));
  EXPECT_EQ(
      revoke_admin_token(*database_, ada(), "admin.token", MadeTokens::kStay, later)->made.size(),
      2U);
}

// Also through makers whose own rows are gone, and beyond as many makers as are kept.
TEST_P(AdminTokens, AreFoundByWhoeverMadeTheirMakers) {
  std::string by = "admin.token";
  WallTime now = kMorning;
  for (int i = 100; i < 180; ++i) {
    TokenRecord next = token("rotates" + std::to_string(i));
    next.created_by = by;
    ASSERT_EQ(make(next, now), TokenMade::kDone);
    if (i > 100) {
      ASSERT_TRUE(revoke_admin_token(*database_, ada(), by, MadeTokens::kStay, now));
    }
    by = next.id;
  }
  ASSERT_TRUE(database_->execute("DELETE FROM admin_tokens WHERE revoked_us IS NOT NULL"));
  for (const char* maker : {"admin.token", "rotates120", "rotates178"}) {
    EXPECT_EQ(revoke_admin_token(*database_, ada(), maker, MadeTokens::kStay, now)->made.size(), 1U)
        << maker;
  }
  const auto makers = [&] {
    auto rows = database_->prepare("SELECT count(*) FROM admin_token_makers").value();
    return rows.step().value() ? rows.integer(0) : 0;
  };
  EXPECT_EQ(makers(), 65);
  ASSERT_TRUE(revoke_admin_token(*database_, ada(), by, MadeTokens::kStay, now));
  EXPECT_EQ(makers(), 0);
}

// Whoever has a share cannot have more by tokens that make tokens; an owner is never held up.
TEST_P(AdminTokens, HaveAShareOfTheirMaker) {
  constexpr auto kMost = static_cast<int>(administration::kTokensOfMakerMax);
  const auto try_to = [&](const std::string& id, const std::string& by, TokenShare share) {
    TokenRecord made = token(id, Role::kOperator);
    made.created_by = by;
    return make(made, kMorning, share).value();
  };
  using enum TokenShare;
  ASSERT_EQ(try_to("first", "corporate/bob", kOfMaker), TokenMade::kDone);
  for (int i = 1; i < kMost; ++i) {
    const std::string by = i % 2 == 0 ? "first" : "corporate/bob";
    ASSERT_EQ(try_to("made" + std::to_string(i), by, kOfMaker), TokenMade::kDone) << i;
  }
  for (const char* by : {"corporate/bob", "first", "made1", "made2"}) {
    EXPECT_EQ(try_to("one-more", by, kOfMaker), TokenMade::kTooManyOfMaker) << by;
  }
  EXPECT_EQ(try_to("other", "corporate/eve", kOfMaker), TokenMade::kDone);
  EXPECT_EQ(try_to("owners", "admin.token", kWhole), TokenMade::kDone);
  ASSERT_TRUE(revoke_admin_token(*database_, ada(), "made7", MadeTokens::kStay, kMorning));
  EXPECT_EQ(try_to("one-more", "first", kOfMaker), TokenMade::kDone);
  // Many together leave room for owners.
  for (int i = 0; i < kAdminTokensMax; ++i) {
    const TokenMade done =
        try_to("all" + std::to_string(i), "x" + std::to_string(i / 90), kOfMaker);
    if (done == TokenMade::kDone) continue;
    EXPECT_EQ(done, TokenMade::kTooMany);
    EXPECT_GT(i, 700);
    break;
  }
  EXPECT_EQ(try_to("owners2", "admin.token", kWhole), TokenMade::kDone);
  EXPECT_EQ(share_of({Role::kOwner, {}, {}}), kWhole);
  EXPECT_EQ(share_of({Role::kOwner, {"acme"}, {}}), kOfMaker);
  EXPECT_EQ(share_of({Role::kOperator, {}, {}}), kOfMaker);
}

// He was let in when he asked; whoever revoked him was faster.
TEST_P(AdminTokens, ChangeNothingOnceTheyHaveEnded) {
  TokenRecord expires = token("expires", Role::kOwner);
  expires.grant.expires = kMorning + std::chrono::hours(1);
  ASSERT_TRUE(make(expires));
  ASSERT_TRUE(make(token("revoked", Role::kOwner)));
  authentication::KeyRecord key;
  key.id = "abc";
  key.tenant = "acme";
  key.created = kMorning;
  ASSERT_TRUE(create_key(*database_, ada(), key));
  ASSERT_TRUE(revoke_admin_token(*connect(), ada(), "revoked", MadeTokens::kStay, kMorning));
  const std::size_t before = changes().size();
  const WallTime late = kMorning + std::chrono::hours(1);
  const auto refused = [](const auto& done) {
    return !done && done.error().kind == FaultKind::kRevoked;
  };
  for (const char* id : {"revoked", "expires"}) {
    const Author author{Author::Kind::kAdminToken, "bob", id, "owner", {}};
    authentication::KeyRecord fresh = key;
    fresh.id = "fresh";
    fresh.created = late;
    EXPECT_TRUE(refused(create_key(*database_, author, fresh)));
    EXPECT_TRUE(refused(revoke_key(*database_, author, "abc", late)));
    EXPECT_TRUE(refused(expire_key(*database_, author, "abc", {.expires = late, .now = late})));
    EXPECT_TRUE(refused(rotate_key(*database_, author, "abc", {fresh, late, {}})));
    EXPECT_TRUE(refused(import_keys(*database_, author, std::vector{fresh}, {.now = late})));
    EXPECT_TRUE(
        refused(create_admin_token(*database_, author, token("fresh"), TokenShare::kWhole, late)));
    EXPECT_TRUE(
        refused(revoke_admin_token(*database_, author, "expires", MadeTokens::kStay, late)));
  }
  EXPECT_EQ(changes().size(), before);
  EXPECT_FALSE(show_key(*database_, "abc").value()->revoked);
}

INSTANTIATE_TEST_SUITE_P(Stores, AdminTokens, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
