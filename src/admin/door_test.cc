// Who is let in while others guess, while the store is slow, and while issuers are silent.
#include "admin/door.h"

#include <gtest/gtest.h>

#include <random>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

class DoorTest : public ApiTest {
 protected:
  int status(std::string_view token, const IpAddress& from) {
    return ask("GET", "/admin/v1/budgets", {}, bearer(token), from)->status;
  }
  std::string stored_token() {
    return field(*ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"viewer"})"), "secret");
  }
  // Somebody guesses there until he is delayed.
  void guess_from(const IpAddress& from) {
    for (int i = 0; i < 11; ++i) EXPECT_EQ(status(fmt::format("guess-{}", i), from), 401) << i;
    // The one a second that is looked at is told of the delay, too.
    EXPECT_EQ(status("one more", from), 429);
    EXPECT_EQ(status("another", from), 429);
  }
  // Of the right shape and checksum, and nobody's.
  static std::string made_up_token(int seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    std::array<std::uint8_t, 64> bytes;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return administration::make_token(bytes).secret;
  }

  const IpAddress here_ = *read_address("10.0.0.1");
  const IpAddress there_ = *read_address("10.0.0.2");
};

// Ten guesses, then each waits; who was good from there before goes on, and so do others.
TEST_F(DoorTest, DelaysGuessesByAddress) {
  EXPECT_EQ(status(token_of("viewer"), here_), 200);
  guess_from(here_);
  const auto delayed = ask("GET", "/admin/v1/budgets", {}, bearer("a third"), here_);
  EXPECT_TRUE(is_problem(*delayed, 429));
  EXPECT_NE(delayed->header("retry-after").value_or("0"), "0");
  EXPECT_EQ(status(token_of("viewer"), here_), 200);
  EXPECT_EQ(status("guess", there_), 401);
  EXPECT_EQ(status(kToken, there_), 200);
  EXPECT_EQ(api().refusals(Reason::kInvalidCredential), 12U);
  EXPECT_EQ(api().refusals(Reason::kRateLimited), 3U);
}

// A new credential from the address of one who guesses without end: what nobody can guess is
// looked at at once, anything else in its turn.
TEST_F(DoorTest, LetsInWhoIsNewBesideOneWhoGuesses) {
  const std::string stored = stored_token();
  guess_from(here_);
  EXPECT_EQ(status(stored, here_), 200);
  EXPECT_EQ(status(issued(R"("groups":["staff"])"), here_), 200);
  int tries = 0;
  while (status(token_of("operator"), here_) != 200) {
    ASSERT_LT(++tries, 100);
    clock_.pass(std::chrono::milliseconds(170));
    // He is as quick, and comes after.
    (void)status(fmt::format("more-{}", tries), here_);
    clock_.pass(std::chrono::milliseconds(170));
  }
}

// Who shows what is beyond guessing and is wrong hears of the delay, and makes it no longer.
TEST_F(DoorTest, TellsWhoIsWrongOfTheDelay) {
  for (int i = 0; i < 11; ++i) EXPECT_EQ(status(made_up_token(i), here_), 401) << i;
  for (int i = 11; i < 40; ++i) {
    const auto caller = ask("GET", "/admin/v1/budgets", {}, bearer(made_up_token(i)), here_);
    EXPECT_TRUE(is_problem(*caller, 429)) << i;
    EXPECT_EQ(caller->header("retry-after"), "1");
  }
  std::string forged = issued(R"("groups":["staff"])");
  forged[forged.size() - 4] = forged[forged.size() - 4] == 'A' ? 'B' : 'A';
  EXPECT_EQ(status(forged, here_), 429);
  EXPECT_EQ(status(forged, there_), 401);
}

// A token that somebody chose is a guess like any other, however much it looks like a signed one.
TEST_F(DoorTest, HoldsBackGuessesThatLookSigned) {
  auto config = configuration();
  config->admin.policy.tokens.push_back(fixed("dotted", {administration::Role::kViewer, {}, {}}));
  config->admin.policy.tokens.back().token = Secret("my.own.token-of-thirty-two-characters");
  current_->swap(config);
  guess_from(here_);
  EXPECT_EQ(status("my.own.token-of-thirty-two-characters", here_), 429);
  EXPECT_EQ(status("my.own.token-of-thirty-two-characters", there_), 200);
}

// Whoever is to be known waits for no question that takes long, and for no issuer.
TEST_F(DoorTest, LooksUpTokensWhileTheDeskAndTheIssuerAreSlow) {
  const std::string stored = stored_token();
  const auto begin = [&](std::string target, Headers headers) {
    pipeline::testing::Ask asked;
    asked.method = "GET";
    asked.target = std::move(target);
    asked.headers = std::move(headers);
    auto caller = std::make_unique<Caller>(asked, story_);
    start(api().serve(*caller));
    return caller;
  };
  const auto slow = begin("/admin/v1/audit", bearer(kToken));
  const auto login = begin("/admin/login", {});
  ASSERT_FALSE(slow->complete());
  ASSERT_FALSE(login->complete());
  // Neither the desk nor the web answers from here on.
  const auto ready = begin("/readyz", {});
  ASSERT_TRUE(ready->complete());
  EXPECT_EQ(ready->status, 200);
  const auto known = begin("/admin/v1/session", bearer(stored));
  while (door_.run() || loop_.run()) {
  }
  ASSERT_TRUE(known->complete());
  EXPECT_EQ(known->status, 200);
  EXPECT_FALSE(slow->complete());
  EXPECT_FALSE(login->complete());
  answer_all();
  EXPECT_EQ(slow->status, 200);
}

TEST_F(DoorTest, KnowsWhenATokenWasLastUsedAlsoThroughItsSession) {
  const std::string stored = stored_token();
  const auto begun = ask("POST", "/admin/v1/session", {}, bearer(stored));
  ASSERT_EQ(begun->status, 201);
  const std::string line = begun->header("set-cookie").value_or("");
  const Headers cookie = {{"Cookie", line.substr(0, line.find(';'))}};
  const auto used = [&] {
    return ask("GET", "/admin/v1/tokens")->text.contains(R"("last_used":"2026-03-04T05:45:00Z")");
  };
  clock_.pass(std::chrono::minutes(15));
  EXPECT_FALSE(used());
  EXPECT_EQ(ask("GET", "/admin/v1/session", {}, cookie)->status, 200);
  EXPECT_TRUE(used());
}

// The first token is of the snapshot as all else is.
TEST_F(DoorTest, TakesTheFirstTokenFromTheConfigurationInForce) {
  auto config = configuration();
  config->admin.token = Secret("the-token-of-the-configuration-0123456789");
  EXPECT_EQ(status("the-token-of-the-configuration-0123456789", here_), 401);
  current_->swap(config);
  EXPECT_EQ(status("the-token-of-the-configuration-0123456789", here_), 200);
  EXPECT_EQ(status(kToken, there_), 401);
}

}  // namespace
}  // namespace tollgate::admin
