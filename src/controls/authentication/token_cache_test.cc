#include "controls/authentication/token_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tollgate::authentication {
namespace {

using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'800'000'000)};
const Digest kStamp = digest_of("stamp");

Identity identity(std::string_view subject, WallTime expires = kNow + seconds(3600)) {
  static constexpr std::string_view kRoles[] = {"engineer", "ops"};
  static constexpr std::string_view kScopes[] = {"chat"};
  Identity made;
  made.tenant = "acme";
  made.subject = subject;
  made.credential_kind = CredentialKind::kWorkload;
  made.credential_id = "corporate/x";
  made.verifier = "corporate";
  made.roles = kRoles;
  made.scopes = kScopes;
  made.expires = expires;
  return made;
}

TEST(TokenCache, HandsOutTheWholeIdentity) {
  TokenCache cache(16);
  Arena arena;
  Identity kept = identity("alice");
  kept.certificate = digest_of("certificate");
  cache.keep(digest_of("token"), kStamp, kept, kNow);
  const auto found = cache.find(digest_of("token"), kStamp, kNow, arena);
  ASSERT_TRUE(found);
  cache.clear();  // What was handed out is in the arena.
  EXPECT_EQ(found->tenant, "acme");
  EXPECT_EQ(found->subject, "alice");
  EXPECT_EQ(found->credential_kind, CredentialKind::kWorkload);
  EXPECT_EQ(found->credential_id, "corporate/x");
  EXPECT_EQ(found->verifier, "corporate");
  ASSERT_EQ(found->roles.size(), 2u);
  EXPECT_EQ(found->roles[1], "ops");
  ASSERT_EQ(found->scopes.size(), 1u);
  EXPECT_EQ(found->scopes[0], "chat");
  EXPECT_EQ(found->expires, kept.expires);
  EXPECT_EQ(found->certificate, kept.certificate);
  EXPECT_FALSE(cache.find(digest_of("token"), kStamp, kNow, arena));
}

// The whole digest and the whole stamp: beginnings that are the same find nothing.
TEST(TokenCache, FindsNothingForAnotherTokenOrStamp) {
  TokenCache cache(16);
  Arena arena;
  const Digest token = digest_of("token");
  cache.keep(token, kStamp, identity("alice"), kNow);
  for (std::size_t at = 0; at < token.size(); ++at) {
    Digest other = token;
    other[at] ^= 1;
    EXPECT_FALSE(cache.find(other, kStamp, kNow, arena)) << at;
    other = kStamp;
    other[at] ^= 1;
    EXPECT_FALSE(cache.find(token, other, kNow, arena)) << at;
  }
  EXPECT_TRUE(cache.find(token, kStamp, kNow, arena));
}

TEST(TokenCache, KeepsAVerdictForAMinuteAndNeverBeyondItsToken) {
  TokenCache cache(16);
  Arena arena;
  const Digest token = digest_of("token");
  cache.keep(token, kStamp, identity("alice"), kNow);
  EXPECT_TRUE(cache.find(token, kStamp, kNow + seconds(60) - Duration(1), arena));
  EXPECT_FALSE(cache.find(token, kStamp, kNow + seconds(60), arena));
  EXPECT_FALSE(cache.find(token, kStamp, kNow - Duration(1), arena));  // A clock that leapt.
  cache.keep(token, kStamp, identity("alice", kNow + seconds(5)), kNow);
  EXPECT_TRUE(cache.find(token, kStamp, kNow + seconds(5) - Duration(1), arena));
  EXPECT_FALSE(cache.find(token, kStamp, kNow + seconds(5), arena));
  const Digest stale = digest_of("stale");
  cache.keep(stale, kStamp, identity("alice", kNow), kNow);  // Passes within its leeway.
  EXPECT_FALSE(cache.find(stale, kStamp, kNow, arena));
}

TEST(TokenCache, StampsDifferByEachPartAndTheirOrder) {
  const Digest a = digest_of("a");
  const Digest b = digest_of("b");
  const Digest ab[] = {a, b};
  const Digest ba[] = {b, a};
  EXPECT_NE(stamp_of(ab), stamp_of(ba));
  EXPECT_NE(stamp_of(ab), stamp_of(std::span(ab).first(1)));
}

// For any history: what is found is what was kept last for that token, in its time.
TEST(TokenCache, NeverAnswersWithAnothersIdentityForAnyHistory) {
  std::mt19937_64 random{41};
  TokenCache cache(32);
  EXPECT_EQ(cache.capacity(), 32u);
  std::map<std::pair<int, int>, std::pair<std::string, WallTime>> kept;
  Arena arena;
  WallTime now = kNow;
  int found = 0;
  for (int step = 0; step < 20'000; ++step) {
    arena.reset();
    now += Duration(random() % 1'000'000);
    const int token = static_cast<int>(random() % 64);
    const int stamp = static_cast<int>(random() % 2);
    const Digest digest = digest_of(std::to_string(token));
    const Digest stamp_digest = digest_of("stamp" + std::to_string(stamp));
    if (random() % 3 == 0) {
      const std::string subject = std::to_string(token) + "/" + std::to_string(step);
      const WallTime expires = now + seconds(random() % 90);
      cache.keep(digest, stamp_digest, identity(subject, expires), now);
      if (expires > now) {
        for (const int each : {0, 1}) kept.erase({token, each});
        kept[{token, stamp}] = {subject, std::min(expires, now + TokenCache::kTimeToLive)};
      }
      continue;
    }
    const auto answer = cache.find(digest, stamp_digest, now, arena);
    if (!answer) continue;
    ++found;
    const auto expected = kept.find({token, stamp});
    ASSERT_NE(expected, kept.end());
    ASSERT_EQ(answer->subject, expected->second.first);
    ASSERT_LT(now, expected->second.second);
  }
  EXPECT_GT(found, 1000);
}

// A row that is full gives up what would have died first, and what is kept last is always there.
TEST(TokenCache, MakesRoomForWhatIsNew) {
  TokenCache cache(TokenCache::kWays);
  Arena arena;
  for (int i = 0; i < 100; ++i) {
    const Digest token = digest_of(std::to_string(i));
    cache.keep(token, kStamp, identity("alice"), kNow + Duration(i));
    ASSERT_TRUE(cache.find(token, kStamp, kNow + Duration(i), arena));
    if (i >= 3) {
      ASSERT_TRUE(cache.find(digest_of(std::to_string(i - 3)), kStamp, kNow + Duration(i), arena));
    }
  }
  EXPECT_EQ(cache.capacity(), TokenCache::kWays);
}

}  // namespace
}  // namespace tollgate::authentication
