#include "controls/administration/sessions.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "controls/authentication/base64url.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::administration {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr SessionRules kRules;
constexpr Moment kStart{Instant(hours(1000)), WallTime(hours(500'000))};

Moment after(Duration time) { return {kStart.now + time, kStart.wall + time}; }

Proven proven(std::string_view who, std::optional<WallTime> expires = {}) {
  Proven made;
  made.admin.subject = who;
  made.admin.credential_id = who;
  made.admin.grant.expires = expires;
  return made;
}

Sessions::Random random_of(std::mt19937_64& random) {
  Sessions::Random made;
  for (std::uint8_t& byte : made) byte = static_cast<std::uint8_t>(random());
  return made;
}

TEST(Sessions, EndWhenIdleAtTheirAgeAndWithTheirCredential) {
  std::mt19937_64 random{1};
  Sessions sessions;
  const std::string idle = sessions.begin(random_of(random), proven("ada"), kStart);
  EXPECT_NE(sessions.use(idle, kRules, after(minutes(30) - Duration(1))), nullptr);
  EXPECT_NE(sessions.use(idle, kRules, after(minutes(59))), nullptr);
  EXPECT_EQ(sessions.use(idle, kRules, after(minutes(89))), nullptr);
  EXPECT_EQ(sessions.use(idle, kRules, kStart), nullptr) << "it is gone";

  const std::string old = sessions.begin(random_of(random), proven("ada"), kStart);
  for (int at = 20; at < 480; at += 20) {
    EXPECT_NE(sessions.use(old, kRules, after(minutes(at))), nullptr) << at;
  }
  EXPECT_EQ(sessions.use(old, kRules, after(hours(8))), nullptr);

  const std::string expires =
      sessions.begin(random_of(random), proven("ada", kStart.wall + minutes(5)), kStart);
  EXPECT_NE(sessions.use(expires, kRules, after(minutes(5) - Duration(1))), nullptr);
  EXPECT_EQ(sessions.use(expires, kRules, after(minutes(5))), nullptr);
  EXPECT_EQ(sessions.size(), 0U);
}

TEST(Sessions, EndByHandAndAllOfOne) {
  std::mt19937_64 random{2};
  Sessions sessions;
  const std::string a = sessions.begin(random_of(random), proven("ada"), kStart);
  const std::string b = sessions.begin(random_of(random), proven("ada"), kStart);
  const std::string c = sessions.begin(random_of(random), proven("bob"), kStart);
  sessions.end(a);
  sessions.end("nothing");
  EXPECT_EQ(sessions.use(a, kRules, kStart), nullptr);
  EXPECT_NE(sessions.use(b, kRules, kStart), nullptr);
  sessions.end_all_of("ada");
  EXPECT_EQ(sessions.use(b, kRules, kStart), nullptr);
  EXPECT_NE(sessions.use(c, kRules, kStart), nullptr);
}

TEST(Sessions, AreNotFoundByAnythingElse) {
  std::mt19937_64 random{3};
  Sessions sessions;
  const std::string id = sessions.begin(random_of(random), proven("ada"), kStart);
  const std::string none[] = {"", id + "=", id.substr(1), csrf_of(id), std::string(100'000, 'a')};
  for (const std::string& other : none) EXPECT_EQ(sessions.use(other, kRules, kStart), nullptr);
  EXPECT_GE(id.size(), 43U) << "256 bits";
}

// Whatever happens: nobody has more than his share, all together no more than the bound, and who
// is told to be in force is who began it.
TEST(Sessions, StayWithinTheirBoundsForAnyHistory) {
  std::mt19937_64 random{4};
  Sessions sessions;
  std::map<std::string, std::string> begun;  // Id to who.
  Moment now = kStart;
  for (int step = 0; step < 6000; ++step) {
    SCOPED_TRACE(step);
    const std::string who = "admin" + std::to_string(random() % 300);
    const Duration passed{static_cast<std::int64_t>(random() % 2'000'000)};
    now = {now.now + passed, now.wall + passed};
    begun[sessions.begin(random_of(random), proven(who), now)] = who;
    ASSERT_LE(sessions.size(), Sessions::kSessionsMax);
    if (step % 500 != 0) continue;
    std::map<std::string, std::size_t> share;
    for (const auto& [id, owner] : begun) {
      const Proven* used = sessions.use(id, kRules, now);
      if (used == nullptr) continue;
      ASSERT_EQ(used->admin.subject, owner);
      ASSERT_LE(++share[owner], Sessions::kOfOneMax);
    }
  }
}

// However many of the others log in, an owner stays.
TEST(Sessions, OfWhoeverHasLeastToSayMakeRoom) {
  std::mt19937_64 random{6};
  Sessions sessions;
  Proven owner = proven("owner");
  owner.admin.grant.role = Role::kOwner;
  Proven operator_of_all = proven("operator");
  operator_of_all.admin.grant.role = Role::kOperator;
  const std::string first = sessions.begin(random_of(random), owner, kStart);
  const std::string second = sessions.begin(random_of(random), operator_of_all, kStart);
  const auto begin_many = [&](const Proven& like, Duration at) {
    for (std::size_t i = 0; i < 2 * Sessions::kSessionsMax; ++i) {
      Proven one = like;
      one.admin.credential_id += std::to_string(i / Sessions::kOfOneMax);
      sessions.begin(random_of(random), one, after(at));
    }
    EXPECT_EQ(sessions.size(), Sessions::kSessionsMax);
  };
  Proven bound = proven("bound");
  bound.admin.grant = {Role::kOwner, {"acme"}, {}};
  begin_many(bound, minutes(1));
  EXPECT_TRUE(sessions.is_there(second)) << "whoever is bound to tenants makes room first";
  begin_many(operator_of_all, minutes(2));
  EXPECT_FALSE(sessions.is_there(second));
  EXPECT_TRUE(sessions.is_there(first));
}

TEST(Sessions, OfOneCredentialBeginSoOftenAndNoMore) {
  Sessions sessions;
  Instant now = kStart.now;
  for (std::size_t i = 0; i < Sessions::kOfOneMax; ++i) {
    ASSERT_TRUE(sessions.admit("ada", now)) << i;
  }
  const Expected<void> refused = sessions.admit("ada", now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kRateLimited);
  EXPECT_EQ(refused.error().retry_after, Sessions::kBeginEvery);
  EXPECT_TRUE(sessions.admit("bob", now)) << "another's";
  now += Sessions::kBeginEvery - Duration(1);
  EXPECT_FALSE(sessions.admit("ada", now));
  now += Duration(1);
  EXPECT_TRUE(sessions.admit("ada", now));
  EXPECT_FALSE(sessions.admit("ada", now));
}

// What others may see of a session is of that session, and nothing of it is any of the others.
TEST(Sessions, AreNotKnownByWhatIsDerivedFromThem) {
  const std::string id(43, 'a');
  const std::set<std::string> all = {
      id, csrf_of(id), public_name_of(id),
      authentication::encode_base64url(authentication::digest_of(id))};
  EXPECT_EQ(all.size(), 4U);
  EXPECT_NE(public_name_of(id), public_name_of(id + "a"));
  EXPECT_EQ(public_name_of(id), public_name_of(id));
  EXPECT_EQ(public_name_of(id).size(), 20U);
}

TEST(Csrf, IsBoundToItsSession) {
  EXPECT_TRUE(is_csrf_of("one", csrf_of("one")));
  EXPECT_FALSE(is_csrf_of("one", csrf_of("two")));
  for (const char* shown : {"", "one", "x"}) EXPECT_FALSE(is_csrf_of("one", shown));
  EXPECT_FALSE(is_csrf_of("one", csrf_of("one") + "x"));
}

}  // namespace
}  // namespace tollgate::administration
