// An unknown key costs what a wrong secret of a known one does, so that no answer tells by its time
// which ids there are. Counted, as no clock can tell.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "controls/authentication/digest_count.h"
#include "controls/authentication/imported_key.h"
#include "pipeline/identify.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

// Counts how often it is asked.
class CountedKeys final : public KeyStore {
 public:
  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const override {
    ++finds;
    return fixed.find(id, arena);
  }
  void used(const authentication::KeyFacts& key, WallTime now) override { fixed.used(key, now); }
  bool holds_imported() const override { return fixed.holds_imported(); }
  bool current() const override { return true; }
  void watch(KeyWatcher&) override {}
  void unwatch(KeyWatcher&) override {}

  FixedKeys fixed;
  mutable int finds = 0;
};

using Random = std::array<std::uint8_t, 64>;

Random random_bytes(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  Random made{};
  for (std::uint8_t& byte : made) byte = static_cast<std::uint8_t>(random());
  return made;
}

class EqualWork : public ::testing::Test {
 protected:
  EqualWork() {
    config_ = load_settings(kSettings);
    for (const char* state : {"good", "revoked", "expired"}) {
      const auto made = authentication::make_key(random_bytes(number_of(state)));
      authentication::KeyRecord record;
      record.id = made.id;
      record.digest = pepper_.digest(made.secret);
      record.tenant = "acme";
      if (state == std::string_view("revoked")) record.revoked = WallTime{};
      if (state == std::string_view("expired")) record.expires = WallTime{};
      keys_.fixed.keys[made.id] = record;
    }
  }
  static std::uint64_t number_of(std::string_view state) {
    return state == "good" ? 1 : state == "revoked" ? 2 : 3;
  }
  // Another secret of the same id.
  static std::string wrong(std::string_view state) {
    Random random = random_bytes(number_of(state));
    random.back() ^= 1;
    return authentication::make_key(random).secret;
  }
  static std::string right(std::string_view state) {
    return authentication::make_key(random_bytes(number_of(state))).secret;
  }
  void import(std::string_view secret) {
    authentication::KeyRecord record;
    const auto made = authentication::imported_key(pepper_, secret);
    record.id = std::string(made.id());
    record.digest = made.digest;
    record.tenant = "acme";
    keys_.fixed.keys[record.id] = record;
  }

  struct Work {
    std::uint64_t digests = 0;
    int finds = 0;
    std::string words;
    bool operator==(const Work&) const = default;
  };
  Work work_of(std::string_view secret) {
    const std::uint64_t digests = authentication::digests_made();
    const int finds = keys_.finds;
    Arena arena;
    authentication::Identity proven;
    const auto known =
        identify_key({keys_, pepper_}, *config_, secret, IpAddress{}, WallTime{}, arena, proven);
    return {authentication::digests_made() - digests, keys_.finds - finds,
            known ? "good" : known.error().message};
  }

  std::shared_ptr<const config::Config> config_;
  const authentication::Pepper pepper_ = test_pepper();
  CountedKeys keys_;
};

TEST_F(EqualWork, IsDoneForUnknownKeysAndForWrongSecrets) {
  const Work good = work_of(right("good"));
  EXPECT_EQ(good.words, "good");
  EXPECT_EQ(good.digests, 1U);
  EXPECT_EQ(good.finds, 1);
  const Work unknown = work_of(authentication::make_key(random_bytes(99)).secret);
  EXPECT_EQ(unknown.digests, 1U);
  EXPECT_EQ(unknown.finds, 1);
  for (const char* state : {"good", "revoked", "expired"}) {
    const std::string secrets[] = {wrong(state), right(state)};
    ASSERT_EQ(*authentication::read_key(secrets[0]), *authentication::read_key(secrets[1]));
    EXPECT_EQ(work_of(wrong(state)), unknown) << state << ", and in the same words";
  }
  // Who has proven to hold a key is told what is wrong with it, for the same work.
  for (const char* state : {"revoked", "expired"}) {
    const Work ended = work_of(right(state));
    EXPECT_NE(ended.words, unknown.words);
    EXPECT_EQ(ended.digests, 1U);
    EXPECT_EQ(ended.finds, 1);
  }
}

// Where secrets of any shape may be keys that were imported, all of them cost the same, too.
TEST_F(EqualWork, IsDoneForSecretsOfAnyShapeWhereKeysWereImported) {
  import("sk-of-another-gateway-0123456789");
  const Work good = work_of("sk-of-another-gateway-0123456789");
  EXPECT_EQ(good.words, "good");
  const Work unknown = work_of("sk-of-another-gateway-9876543210");
  EXPECT_EQ(unknown.digests, good.digests);
  EXPECT_EQ(unknown.finds, good.finds);
  EXPECT_GE(unknown.digests, 1U);
  EXPECT_EQ(work_of("sk"), unknown);
  EXPECT_EQ(work_of(std::string(200, 'x')), unknown);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
