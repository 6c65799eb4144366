#include "identity/issuer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "controls/authentication/forged_token_test.h"
#include "identity/testing_web.h"

namespace tollgate::identity {
namespace {

using authentication::KeyOrigin;
using authentication::SigningKey;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HandWeb;
using testing::Running;

constexpr char kIssuer[] = "https://login.example.com";
constexpr char kMetadata[] = "https://login.example.com/.well-known/openid-configuration";
constexpr char kKeys[] = "https://login.example.com/keys";

std::string metadata(std::string_view issuer = kIssuer, std::string_view keys = kKeys) {
  return fmt::format(R"({{"issuer":"{}","jwks_uri":"{}"}})", issuer, keys);
}

const SigningKey& signing_key() {
  static const SigningKey key = SigningKey::make("P-256");
  return key;
}

// JWKs with these ids; of one key, as few look at the points.
std::string key_set(const std::vector<std::string>& ids) {
  std::string all;
  for (const std::string& id : ids) {
    all += (all.empty() ? "" : ",") + signing_key().jwk(fmt::format(R"("kid":"{}")", id));
  }
  return fmt::format(R"({{"keys":[{}]}})", all);
}

struct World {
  World() {
    web.pages[kMetadata] = metadata();
    web.pages[kKeys] = key_set({"a"});
  }
  Issuer issuer(KeyOrigin origin = KeyOrigin::kDiscovery) {
    authentication::JwtPolicy policy;
    policy.name = "corporate";
    policy.issuer = kIssuer;
    policy.keys = origin;
    if (origin == KeyOrigin::kUrl) policy.keys_at = kKeys;
    return Issuer(policy, {web, loop, clock, changes});
  }
  void settle() {
    while (loop.run() || web.answer()) {
    }
  }
  void fetch(Issuer& issuer) {
    issuer.tend();
    settle();
  }

  HandWeb web;
  HandExecutor loop;
  HandExecutor worker;
  pipeline::testing::HandClock clock;
  std::atomic<std::uint64_t> changes = 0;
};

Task<Found> look(Issuer& issuer, Executor& executor) {
  Waiter<Found> waiter(executor);
  const auto submit = [&](Waiter<Found>& waits) { return issuer.look_for(waits); };
  co_return co_await waiter.ask(submit);
}

bool has(const Issuer& issuer, std::string_view id) {
  const auto keys = issuer.keys();
  return keys != nullptr && keys->find(id, authentication::Algorithm::kEs256) != nullptr;
}

// Whether a token is proven by what the issuer has now, with nobody asked.
bool proves(const Issuer& issuer, std::string_view text) {
  authentication::TokenReader reader;
  const Expected<authentication::Token> token = reader.read(text);
  const auto keys = issuer.keys();
  if (!token || keys == nullptr) return false;
  const auto* const key = keys->find(token->key_id, token->algorithm);
  return key != nullptr && check_signature(*token, *key, "authentication.jwt").has_value();
}

TEST(Issuer, FindsItsKeysByDiscovery) {
  World world;
  Issuer issuer = world.issuer();
  EXPECT_EQ(issuer.keys(), nullptr);
  world.fetch(issuer);
  EXPECT_TRUE(has(issuer, "a"));
  EXPECT_EQ(world.web.asked, (std::vector<std::string>{kMetadata, kKeys}));
  EXPECT_EQ(world.changes, 1u);
}

TEST(Issuer, BelievesNoMetadataThatIsNotItsOwn) {
  const std::string rows[] = {
      metadata("https://login.example.com/"),
      metadata("https://evil.example.com"),
      metadata(kIssuer, "http://login.example.com/keys"),
      metadata(kIssuer, ""),
      "[]",
      "",
      R"({"issuer":"https://login.example.com","issuer":"https://login.example.com"})"};
  for (const std::string& page : rows) {
    SCOPED_TRACE(page);
    World world;
    world.web.pages[kMetadata] = page;
    Issuer issuer = world.issuer();
    world.fetch(issuer);
    EXPECT_EQ(issuer.keys(), nullptr);
    EXPECT_FALSE(issuer.last_failure().empty());
    EXPECT_EQ(world.web.asked.size(), 1u);
  }
}

TEST(Issuer, KeepsGoodKeysThroughBadFetchesForADay) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  const Instant good = world.clock.now();
  for (const char* page : {"", "{}", R"({"keys":[]})", "<html>"}) {
    world.clock.pass(Issuer::kRefreshEvery);
    world.web.pages[kKeys] = page;
    world.fetch(issuer);
    EXPECT_TRUE(has(issuer, "a")) << page;
    EXPECT_FALSE(issuer.last_failure().empty());
  }
  world.web.pages.erase(kKeys);
  world.clock.pass(good + Issuer::kStaleMax - world.clock.now() - seconds(1));
  world.fetch(issuer);
  EXPECT_TRUE(has(issuer, "a"));
  const std::uint64_t before = world.changes;
  world.clock.pass(seconds(1));
  world.fetch(issuer);
  EXPECT_EQ(issuer.keys(), nullptr);
  EXPECT_EQ(world.changes, before + 1);
}

// The issuer says how long its keys may be kept; not for ever, and not for no time at all.
TEST(Issuer, FetchesAnewWhenItsKeysAreOldByItsOwnWord) {
  const std::pair<const char*, Duration> rows[] = {
      {"", Issuer::kRefreshEvery},
      {"public", Issuer::kRefreshEvery},
      {"max-age=nonsense", Issuer::kRefreshEvery},
      {"public, max-age=1800", minutes(30)},
      {"max-age=0", Issuer::kRefreshMin},
      {"no-store", Issuer::kRefreshMin},
      {"max-age=604800", Issuer::kRefreshMax},
  };
  for (const auto& [told, expected] : rows) {
    SCOPED_TRACE(told);
    World world;
    world.web.cache_control = told;
    Issuer issuer = world.issuer(KeyOrigin::kUrl);
    world.fetch(issuer);
    world.clock.pass(expected - seconds(1));
    world.fetch(issuer);
    EXPECT_EQ(world.web.asked.size(), 1u);
    world.clock.pass(seconds(1));
    world.fetch(issuer);
    EXPECT_EQ(world.web.asked.size(), 2u);
  }
}

// A fetch that failed is tried again after the cooldown, whatever the last good one said.
TEST(Issuer, TriesAgainSoonAfterAFailure) {
  World world;
  world.web.cache_control = "max-age=3600";
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  world.web.pages.erase(kKeys);
  world.clock.pass(hours(1));
  world.fetch(issuer);
  EXPECT_FALSE(issuer.last_failure().empty());
  world.clock.pass(Issuer::kCooldown);
  world.web.pages[kKeys] = key_set({"b"});
  world.fetch(issuer);
  EXPECT_TRUE(has(issuer, "b"));
}

TEST(Issuer, WhoseTokensAServerProvesFetchesNothing) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kReview);
  world.fetch(issuer);
  EXPECT_EQ(Running<Found>(look(issuer, world.worker)).value(), Found::kUnknown);
  EXPECT_TRUE(world.web.asked.empty());
  EXPECT_EQ(issuer.keys(), nullptr);
}

TEST(Issuer, AllThatWaitShareOneFetch) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  std::vector<std::unique_ptr<Running<Found>>> asking;
  for (int i = 0; i < 100; ++i) {
    asking.push_back(std::make_unique<Running<Found>>(look(issuer, world.worker)));
  }
  EXPECT_FALSE(asking.front()->done());
  world.settle();
  world.worker.run();
  for (const auto& each : asking) {
    ASSERT_TRUE(each->done());
    EXPECT_EQ(each->value(), Found::kFetched);
  }
  EXPECT_EQ(world.web.asked.size(), 1u);
}

TEST(Issuer, BoundsThoseThatWait) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  std::vector<std::unique_ptr<Running<Found>>> asking;
  for (std::size_t i = 0; i < Issuer::kWaitersMax; ++i) {
    asking.push_back(std::make_unique<Running<Found>>(look(issuer, world.worker)));
  }
  const Running<Found> more(look(issuer, world.worker));
  ASSERT_TRUE(more.done());
  EXPECT_EQ(more.value(), Found::kUndecided);
  world.settle();
  world.worker.run();
  EXPECT_TRUE(asking.back()->done());
}

// The flood: 10,000 unknown keys a second, for two minutes. Good tokens are proven all the while,
// also during a fetch, and forged ones of the same key are not.
TEST(Issuer, AFloodOfUnknownKeysFetchesOnceInThirtySeconds) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  const std::size_t first = world.web.asked.size();
  const std::string header = R"({"alg":"ES256","kid":"a"})";
  const std::string good = es256_token(signing_key(), header, R"({"iss":"i"})");
  const std::string forged = es256_token(SigningKey::make("P-256"), header, R"({"iss":"i"})");
  int during_fetches = 0;
  for (int millisecond = 0; millisecond < 120'000; millisecond += 10) {
    world.clock.pass(std::chrono::milliseconds(10));
    for (int i = 0; i < 100; ++i) {
      const Running<Found> asked(look(issuer, world.worker));
      if (!asked.done()) {
        ++during_fetches;
        ASSERT_TRUE(proves(issuer, good));
        ASSERT_FALSE(proves(issuer, forged));
        world.settle();
        world.worker.run();
      }
      ASSERT_TRUE(asked.done());
    }
    ASSERT_TRUE(has(issuer, "a"));
    if (millisecond % 100 == 0) {
      ASSERT_TRUE(proves(issuer, good));
      ASSERT_FALSE(proves(issuer, forged));
    }
  }
  EXPECT_GE(during_fetches, 3);
  EXPECT_LE(world.web.asked.size() - first, 4u);
  EXPECT_GE(world.web.asked.size() - first, 3u);
}

TEST(Issuer, TellsUnknownFromUndecided) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  EXPECT_EQ(Running<Found>(look(issuer, world.worker)).value(), Found::kUnknown);
  // The issuer is out of reach at the next fetch: nobody can tell.
  world.web.pages.erase(kKeys);
  world.clock.pass(Issuer::kCooldown);
  const Running<Found> asked(look(issuer, world.worker));
  world.settle();
  world.worker.run();
  EXPECT_EQ(asked.value(), Found::kUndecided);
  EXPECT_EQ(Running<Found>(look(issuer, world.worker)).value(), Found::kUndecided);
  EXPECT_TRUE(has(issuer, "a"));
}

TEST(Issuer, ANewKeyIsFoundOnceItIsAskedFor) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  world.web.pages[kKeys] = key_set({"a", "b"});
  world.clock.pass(Issuer::kCooldown);
  const Running<Found> asked(look(issuer, world.worker));
  world.settle();
  world.worker.run();
  EXPECT_EQ(asked.value(), Found::kFetched);
  EXPECT_TRUE(has(issuer, "b"));
}

// An issuer shows its new key a moment after the first token of it.
TEST(Issuer, AKeyThatAFetchDidNotBringIsFetchedForAfterTheCooldown) {
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  world.clock.pass(Issuer::kCooldown);
  const Running<Found> first(look(issuer, world.worker));
  world.settle();
  world.worker.run();
  EXPECT_FALSE(has(issuer, "b"));
  world.web.pages[kKeys] = key_set({"a", "b"});
  world.clock.pass(seconds(10));
  EXPECT_EQ(Running<Found>(look(issuer, world.worker)).value(), Found::kUnknown);
  EXPECT_EQ(issuer.until_next(), Issuer::kCooldown - seconds(10));
  world.clock.pass(issuer.until_next());
  const Running<Found> second(look(issuer, world.worker));
  world.settle();
  world.worker.run();
  EXPECT_EQ(second.value(), Found::kFetched);
  EXPECT_TRUE(has(issuer, "b"));
}

// Whatever the issuer answers and whoever asks when: never two fetches within the cooldown while
// keys are known, everybody is answered, and known keys are never lost before their day is over.
TEST(Issuer, HoldsItsPromisesForAnyHistory) {
  std::mt19937_64 random{11};
  World world;
  Issuer issuer = world.issuer(KeyOrigin::kUrl);
  world.fetch(issuer);
  Instant last = world.clock.now();
  Instant good = last;
  std::size_t asked = world.web.asked.size();
  for (int step = 0; step < 3'000; ++step) {
    SCOPED_TRACE(step);
    world.clock.pass(Duration(random() % 40'000'000));
    const bool serves = random() % 3 != 0;
    if (serves) {
      world.web.pages[kKeys] = key_set({"a", random() % 2 == 0 ? "b" : "c"});
    } else {
      world.web.pages.erase(kKeys);
    }
    std::vector<std::unique_ptr<Running<Found>>> asking;
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      asking.push_back(std::make_unique<Running<Found>>(look(issuer, world.worker)));
    }
    if (random() % 2 == 0) issuer.tend();
    world.settle();
    world.worker.run();
    for (const auto& each : asking) ASSERT_TRUE(each->done());
    ASSERT_LE(world.web.asked.size(), asked + 1);
    if (world.web.asked.size() > asked) {
      ASSERT_GE(world.clock.now() - last, Issuer::kCooldown);
      asked = world.web.asked.size();
      last = world.clock.now();
      if (serves) good = last;
    }
    if (world.clock.now() - good < Issuer::kStaleMax) ASSERT_TRUE(has(issuer, "a"));
  }
}

}  // namespace
}  // namespace tollgate::identity
