// A key set belongs to all loops at once.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "controls/authentication/forged_token_test.h"
#include "controls/authentication/session_cookie.h"

namespace tollgate::authentication {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 50;

TEST(VerificationKey, ProvesForManyThreadsAtOnce) {
  struct Signed {
    SigningKey key;
    KeySet set;
    std::string signature;
  };
  std::vector<Signed> all;
  for (const char* type : {"RSA", "P-256", "ED25519"}) {
    const SigningKey key = SigningKey::make(type);
    auto set = read_key_set(key.jwk(), {.algorithms = public_algorithms()});
    ASSERT_TRUE(set);
    all.push_back({key, std::move(*set),
                   key.sign("text", std::string_view(type) == "ED25519" ? nullptr : "SHA256")});
  }
  const std::string_view secret = "0123456789abcdef0123456789abcdef";
  const auto secrets =
      SessionKeys::create(CookieForm::kSigned, SecretUse::kAsGiven, std::span(&secret, 1));
  const std::string cookie = hs256_token(secret, R"({"alg":"HS256"})", "{}");
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      TokenReader reader;
      for (int round = 0; round < kRounds; ++round) {
        for (const Signed& each : all) {
          const VerificationKey& key = each.set.keys.front();
          if (!key.proves("text", bytes_of(each.signature))) ++wrong;
          if (key.proves("texT", bytes_of(each.signature))) ++wrong;
        }
        const Expected<Token> token = reader.read(cookie);
        if (!token || !secrets->prove(token->signed_text, bytes_of(token->signature))) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tollgate::authentication
