#include "controls/authentication/authentication.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tollgate::authentication {
namespace {

using namespace std::chrono_literals;

// Computed by other programs: the checksum by zlib, the digest by Python's hmac, under the
// pepper of the bytes 0 to 31.
constexpr std::string_view kKey = "tg_live_AbCdEf012345zyxwvutsrqponmlkjihgfedcba9876540gsgVj";
constexpr std::string_view kKeyDigest =
    "6a44b8de47c29ed4a59af384f52a12d273c1012059b3c40b6ebbf88af5d4821e";

constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::uint8_t byte : digest) {
    for (const int half : {byte >> 4, byte & 15}) text.push_back("0123456789abcdef"[half]);
  }
  return text;
}

Pepper counting_pepper(std::uint8_t first = 0) {
  std::array<std::uint8_t, 32> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return Pepper(bytes);
}

KeyFacts facts_of(const Pepper& pepper, std::string_view secret) {
  KeyFacts facts;
  facts.id = secret.substr(8, kKeyIdLength);
  facts.digest = pepper.digest(secret);
  facts.tenant = "acme";
  return facts;
}

std::array<std::uint8_t, 64> random_bytes(std::mt19937_64& random) {
  std::array<std::uint8_t, 64> bytes;
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

TEST(FindCredential, ReadsEachHeaderAndEachWayToWriteBearer) {
  const CredentialHeaders cases[] = {
      {.authorization = "Bearer secret"},
      {.authorization = "bearer secret"},
      {.authorization = "BEARER   secret"},
      {.x_api_key = "secret"},
      {.api_key = "secret"},
      {.authorization = "Bearer", .api_key = "secret"},
      {.authorization = "Bearer secret", .x_api_key = "secret", .api_key = "secret"},
  };
  for (const CredentialHeaders& headers : cases) {
    SCOPED_TRACE(headers.authorization);
    const auto found = find_credential(headers);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, "secret");
  }
}

TEST(FindCredential, RefusesNoneAnotherSchemeAndTwoThatDiffer) {
  const struct {
    CredentialHeaders headers;
    Reason reason;
  } cases[] = {
      {{}, Reason::kMissingCredential},
      {{.authorization = "Bearer"}, Reason::kMissingCredential},
      {{.authorization = "Bearer "}, Reason::kMissingCredential},
      {{.authorization = "Basic dXNlcjpwdw=="}, Reason::kInvalidCredential},
      {{.authorization = "Basic dXNlcjpwdw==", .x_api_key = "secret"}, Reason::kInvalidCredential},
      {{.authorization = "secret"}, Reason::kInvalidCredential},
      {{.authorization = "Bear er"}, Reason::kInvalidCredential},
      {{.authorization = "Bearersecret"}, Reason::kInvalidCredential},
      {{.authorization = "Bearer\tsecret"}, Reason::kInvalidCredential},
      {{.authorization = " Bearer secret"}, Reason::kInvalidCredential},
      {{.authorization = "Bearer a", .x_api_key = "b"}, Reason::kCredentialConflict},
      {{.authorization = "Bearer a", .api_key = "b"}, Reason::kCredentialConflict},
      {{.x_api_key = "a", .api_key = "A"}, Reason::kCredentialConflict},
      {{.authorization = "Bearer a", .x_api_key = "a", .api_key = "b"},
       Reason::kCredentialConflict},
  };
  for (const auto& [headers, reason] : cases) {
    SCOPED_TRACE(headers.authorization);
    const auto found = find_credential(headers);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().reason, reason);
    EXPECT_FALSE(found.error().rule.empty());
    EXPECT_EQ(found.error().message.find("dXNlcjpwdw"), std::string::npos);
  }
}

TEST(ReadKey, GivesThePublicId) {
  const auto id = read_key(kKey);
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*id, "AbCdEf012345");
}

TEST(ReadKey, RefusesHostileCredentials) {
  const std::string key(kKey);
  std::string with_nul = key;
  with_nul[30] = '\0';
  const std::string cases[] = {
      "",
      "tg_live_",
      std::string(kKeyDigest),  // What the store keeps.
      "tg_live_" + std::string(kKeyDigest),
      key.substr(0, kKeyLength - 1),
      key + "0",
      key + " ",
      " " + key,
      key + std::string(1, '\0'),
      with_nul,
      "TG_LIVE_" + key.substr(8),
      "tg_test_" + key.substr(8),
      "sk-proj-" + key.substr(8),
      key.substr(8),
      "tg_live_" + std::string(50, '0'),
      "tg_live_" + std::string(50, '\xff'),
      "tg_live_AbCdEf01234\xc3\xa9" + key.substr(21),
      "tg_live_' OR 1=1 --                               ",
      "tg_live_../../../../etc/passwd0000000000000000000000000000",
      "tg_live_" + std::string(1 << 20, 'a'),
      std::string(1 << 20, '\0'),
  };
  for (const std::string& secret : cases) {
    SCOPED_TRACE(secret.substr(0, 80));
    const auto id = read_key(secret);
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().reason, Reason::kInvalidCredential);
    EXPECT_LT(id.error().message.size(), 200u);
    if (secret.size() > 20) {
      EXPECT_EQ(id.error().message.find(secret.substr(8, 12)), std::string::npos);
    }
  }
}

TEST(ReadKey, NoticesEveryMistypedCharacter) {
  for (std::size_t i = 0; i < kKey.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string mistyped(kKey);
      if (mistyped[i] == static_cast<char>(byte)) continue;
      mistyped[i] = static_cast<char>(byte);
      ASSERT_FALSE(read_key(mistyped)) << i << ' ' << byte;
    }
  }
}

TEST(Pepper, MakesTheDigestOfRfc2104) {
  EXPECT_EQ(hex(counting_pepper().digest(kKey)), kKeyDigest);
}

TEST(Pepper, GivesOtherDigestsUnderAnotherPepperAndForAnotherSecret) {
  const Pepper pepper = counting_pepper();
  const Pepper other = counting_pepper(1);
  EXPECT_NE(pepper.digest(kKey), other.digest(kKey));
  EXPECT_NE(pepper.digest(kKey), pepper.digest(kKey.substr(1)));
  EXPECT_EQ(hex(pepper.digest(kKey)), kKeyDigest);  // The thread's context keeps nothing.
}

// A thread keeps the key that it used last; that one never answers for another.
TEST(Pepper, GivesTheSameDigestHoweverManyPeppersTakeTurns) {
  const Pepper pepper = counting_pepper();
  const Pepper other = counting_pepper(1);
  const Digest first = pepper.digest("secret");
  const Digest second = other.digest("secret");
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_EQ(pepper.digest("secret"), first);
    EXPECT_EQ(pepper.digest("secret"), first);
    EXPECT_EQ(other.digest("secret"), second);
  }
}

TEST(Pepper, MovesWithItsSecret) {
  Pepper from = counting_pepper();
  const Pepper to = std::move(from);
  EXPECT_EQ(hex(to.digest(kKey)), kKeyDigest);
  EXPECT_NE(hex(from.digest(kKey)), kKeyDigest);  // NOLINT: what is left is wiped.
}

TEST(Verify, AcceptsTheKeyUntilItExpires) {
  const Pepper pepper = counting_pepper();
  KeyFacts facts = facts_of(pepper, kKey);
  EXPECT_TRUE(verify(pepper.digest(kKey), facts, IpAddress{}, kNow));
  facts.expires = kNow + 1us;
  EXPECT_TRUE(verify(pepper.digest(kKey), facts, IpAddress{}, kNow));
  facts.expires = kNow;
  const auto expired = verify(pepper.digest(kKey), facts, IpAddress{}, kNow);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().reason, Reason::kExpiredCredential);
}

TEST(Verify, RefusesARevokedKeyWhateverTheClockSays) {
  const Pepper pepper = counting_pepper();
  KeyFacts facts = facts_of(pepper, kKey);
  for (const WallTime revoked : {kNow - 1h, kNow, kNow + 1h}) {
    facts.revoked = revoked;
    facts.expires = kNow - 24h;  // Expired as well: revoked is what its owner must know.
    const auto verdict = verify(pepper.digest(kKey), facts, IpAddress{}, kNow);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().reason, Reason::kRevokedCredential);
  }
}

TEST(Verify, NeverTakesTheStoredDigestForASecret) {
  const Pepper pepper = counting_pepper();
  const KeyFacts facts = facts_of(pepper, kKey);
  const std::string_view raw(reinterpret_cast<const char*>(facts.digest.data()),
                             facts.digest.size());
  EXPECT_FALSE(verify(pepper.digest(raw), facts, IpAddress{}, kNow));
  EXPECT_FALSE(verify(pepper.digest(hex(facts.digest)), facts, IpAddress{}, kNow));
  EXPECT_FALSE(verify(pepper.digest(""), facts, IpAddress{}, kNow));
}

// Whatever keys are made: each reads back, verifies as itself and as no other.
TEST(MakeKey, MakesKeysThatReadBackForAnyHistory) {
  std::mt19937_64 random{11};
  const Pepper pepper = counting_pepper();
  std::set<std::string> ids;
  std::string previous(kKey);
  for (int step = 0; step < 2'000; ++step) {
    SCOPED_TRACE(step);
    const NewKey key = make_key(random_bytes(random));
    ASSERT_EQ(key.secret.size(), kKeyLength);
    const auto id = read_key(key.secret);
    ASSERT_TRUE(id) << id.error().message;
    ASSERT_EQ(*id, key.id);
    ASSERT_TRUE(ids.insert(key.id).second);
    const KeyFacts facts = facts_of(pepper, key.secret);
    ASSERT_TRUE(verify(pepper.digest(key.secret), facts, IpAddress{}, kNow));
    ASSERT_FALSE(verify(pepper.digest(previous), facts, IpAddress{}, kNow));
    previous = key.secret;
  }
}

// Each of the secret's places takes each of the 62 digits about equally often.
TEST(MakeKey, FavoursNoDigit) {
  constexpr int kKeys = 20'000;
  std::mt19937_64 random{12};
  std::array<std::array<int, 128>, 44> seen{};
  for (int i = 0; i < kKeys; ++i) {
    const NewKey key = make_key(random_bytes(random));
    for (std::size_t place = 0; place < seen.size(); ++place) {
      ++seen[place][static_cast<unsigned char>(key.secret[8 + place])];
    }
  }
  for (const auto& place : seen) {
    double chi_squared = 0;
    int digits = 0;
    for (const int count : place) {
      if (count == 0) continue;
      ++digits;
      const double expected = kKeys / 62.0;
      chi_squared += (count - expected) * (count - expected) / expected;
    }
    EXPECT_EQ(digits, 62);
    EXPECT_LT(chi_squared, 125);  // 61 degrees of freedom: beyond it once in 300,000.
  }
}

// Every random byte that a part of the key is made of changes it.
TEST(MakeKey, UsesAllOfItsRandomness) {
  std::mt19937_64 random{13};
  const std::array<std::uint8_t, 64> bytes = random_bytes(random);
  const std::string secret = make_key(bytes).secret;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::array<std::uint8_t, 64> changed = bytes;
    changed[i] ^= 1;
    EXPECT_NE(make_key(changed).secret, secret) << i;
  }
}

TEST(CredentialKind, IsNamedAsInTheConfiguration) {
  EXPECT_EQ(name_of(CredentialKind::kApiKey), "api_key");
  EXPECT_EQ(credential_kind_named("api_key"), CredentialKind::kApiKey);
  EXPECT_EQ(credential_kind_named("API_KEY"), std::nullopt);
  EXPECT_EQ(credential_kind_named(""), std::nullopt);
}

}  // namespace
}  // namespace tollgate::authentication
