#include "controls/administration/token.h"

#include <gtest/gtest.h>

#include <random>

namespace tollgate::administration {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

authentication::NewKey any_token(std::mt19937_64& random) {
  std::array<std::uint8_t, 64> bytes{};
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return make_token(bytes);
}

TEST(AdminToken, IsReadBackAndNotWhenMistyped) {
  std::mt19937_64 random{3};
  for (int step = 0; step < 1000; ++step) {
    const authentication::NewKey made = any_token(random);
    ASSERT_TRUE(made.secret.starts_with(kTokenPrefix));
    ASSERT_EQ(read_token(made.secret), made.id);
    std::string wrong = made.secret;
    const std::size_t at = kTokenPrefix.size() + random() % (wrong.size() - kTokenPrefix.size());
    wrong[at] = wrong[at] == 'x' ? 'y' : 'x';
    ASSERT_FALSE(read_token(wrong)) << wrong;
    ASSERT_FALSE(read_token(made.secret.substr(1)));
    ASSERT_FALSE(read_token(made.secret.substr(0, made.secret.size() - 1)));
    ASSERT_FALSE(read_token(made.secret + "0"));
  }
  for (const char* text : {"", "tga_", "tga_\xff", "tg_live_"}) EXPECT_FALSE(read_token(text));
}

// A key of a tenant is no admin token under another name, nor the reverse.
TEST(AdminToken, IsNoKeyOfATenant) {
  std::mt19937_64 random{4};
  const authentication::NewKey token = any_token(random);
  EXPECT_FALSE(authentication::read_key(token.secret));
  EXPECT_FALSE(authentication::read_key("tg_live_" + token.secret.substr(kTokenPrefix.size())));
  std::array<std::uint8_t, 64> bytes{};
  const authentication::NewKey key = authentication::make_key(bytes);
  EXPECT_FALSE(read_token(key.secret));
  EXPECT_FALSE(read_token("tga_" + key.secret.substr(authentication::kKeyPrefix.size())));
}

TEST(AdminToken, IsGoodUntilItEndsOrIsRevoked) {
  const std::vector<std::uint8_t> bytes(32, 7);
  const authentication::Pepper pepper(bytes);
  std::mt19937_64 random{5};
  const authentication::NewKey made = any_token(random);
  TokenRecord record;
  record.id = made.id;
  record.digest = pepper.digest(made.secret);
  const authentication::Digest shown = record.digest;
  const authentication::Digest other = pepper.digest(any_token(random).secret);
  const auto reason = [&](const TokenRecord* known, const authentication::Digest& digest) {
    const Expected<void> verdict = verify(known, digest, kNow);
    return verdict ? std::optional<Reason>() : verdict.error().reason;
  };
  EXPECT_EQ(reason(&record, shown), std::nullopt);
  EXPECT_EQ(reason(&record, other), Reason::kInvalidCredential);
  EXPECT_EQ(reason(nullptr, shown), Reason::kInvalidCredential);
  // Not even where nobody's digest is shown.
  EXPECT_EQ(reason(nullptr, {}), Reason::kInvalidCredential);
  record.grant.expires = kNow + Duration(1);
  EXPECT_EQ(reason(&record, shown), std::nullopt);
  record.grant.expires = kNow;
  EXPECT_EQ(reason(&record, shown), Reason::kExpiredCredential);
  record.revoked = kNow;
  EXPECT_EQ(reason(&record, shown), Reason::kRevokedCredential);
  // Who does not hold it learns nothing of how it stands.
  EXPECT_EQ(reason(&record, other), Reason::kInvalidCredential);
  EXPECT_EQ(verify(&record, other, kNow).error().message,
            verify(nullptr, other, kNow).error().message);
}

}  // namespace
}  // namespace tollgate::administration
