// What a token costs: found in the cache, and verified anew beside OpenSSL's own verification.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "controls/authentication/forged_token_test.h"
#include "controls/authentication/session_cookie.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::authentication {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
const KnownTenants kTenants({"acme"});

JwtPolicy policy() {
  JwtPolicy made;
  made.name = "corporate";
  made.issuer = "https://login.example.com/";
  made.audiences = {"tollgate"};
  made.algorithms = {Algorithm::kEs256, Algorithm::kRs256, Algorithm::kEdDsa};
  made.claims.tenant = "org_id";
  made.claims.roles = "realm_access.roles";
  return made;
}

// Claims that make a token of about 1 KiB, as Keycloak's are.
std::string claims() {
  std::string made = fmt::format(
      R"({{"exp":1800000300,"iat":1800000000,"jti":"8a2b1c3d-0f0e-4d5c-9b8a-7f6e5d4c3b2a",)"
      R"("iss":"https://login.example.com/","aud":["tollgate","account"],)"
      R"("sub":"f:550e8400-e29b-41d4-a716-446655440000:alice","typ":"Bearer","azp":"notebook",)"
      R"("org_id":"acme","scope":"openid email profile","realm_access":{{"roles":["engineer",)"
      R"("offline_access","uma_authorization"]}},"email":"alice@example.com","name":"{}"}})",
      std::string(250, 'a'));
  return made;
}

constexpr std::string_view kHeader = R"({"alg":"ES256","typ":"JWT","kid":"a"})";

void cached(benchmark::State& state) {
  const SigningKey key = SigningKey::make("P-256");
  const std::string token = es256_token(key, kHeader, claims());
  const JwtPolicy verifier = policy();
  const auto keys = read_key_set(key.jwk(), {.algorithms = verifier.algorithms});
  TokenReader reader;
  Arena arena;
  TokenCache cache(16'384);
  const Digest parts[] = {digest_of(verifier), keys->digest};
  const Digest stamp = stamp_of(parts);
  const Expected<Token> read = reader.read(token);
  cache.keep(digest_of(token), stamp, *verify_token(verifier, *keys, *read, kTenants, kNow, arena),
             kNow);
  for (auto _ : state) {
    arena.reset();
    const auto found = cache.find(digest_of(token), stamp, kNow, arena);
    CHECK(found && found->tenant == "acme");
  }
  state.counters["token_bytes"] = static_cast<double>(token.size());
}
BENCHMARK(cached);

void hash_alone(benchmark::State& state) {
  const std::string token(static_cast<std::size_t>(state.range(0)), 'a');
  for (auto _ : state) benchmark::DoNotOptimize(digest_of(token));
}
BENCHMARK(hash_alone)->Arg(1024);

void es256_verified_anew(benchmark::State& state) {
  const SigningKey key = SigningKey::make("P-256");
  const std::string token = es256_token(key, kHeader, claims());
  const JwtPolicy verifier = policy();
  const auto keys = read_key_set(key.jwk(), {.algorithms = verifier.algorithms});
  TokenReader reader;
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    const Expected<Token> read = reader.read(token);
    CHECK(read && verify_token(verifier, *keys, *read, kTenants, kNow, arena));
  }
}
BENCHMARK(es256_verified_anew);

void es256_openssl_alone(benchmark::State& state) {
  const SigningKey key = SigningKey::make("P-256");
  const std::string text = join_token(kHeader, claims());
  const std::string der = key.sign_der(text, "SHA256");
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  for (auto _ : state) {
    CHECK(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.handle()) == 1);
    CHECK(EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()),
                           der.size(), reinterpret_cast<const unsigned char*>(text.data()),
                           text.size()) == 1);
    EVP_MD_CTX_reset(context.get());
  }
}
BENCHMARK(es256_openssl_alone);

// What a flood of tokens with ids of keys that nobody has costs, one of them.
void unknown_key_refused(benchmark::State& state) {
  const SigningKey key = SigningKey::make("P-256");
  const std::string token =
      es256_token(key, R"({"alg":"ES256","typ":"JWT","kid":"nobody's"})", claims());
  const JwtPolicy verifier = policy();
  const auto keys = read_key_set(key.jwk(), {.algorithms = verifier.algorithms});
  TokenReader reader;
  for (auto _ : state) {
    const Expected<Token> read = reader.read(token);
    CHECK(read && choose_verifier(std::span(&verifier, 1), *read));
    CHECK(keys->find(read->key_id, read->algorithm) == nullptr);
  }
}
BENCHMARK(unknown_key_refused);

void session_cookie_verified(benchmark::State& state) {
  constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
  const std::string cookie =
      hs256_token(kSecret, R"({"alg":"HS256"})",
                  R"({"sub":"alice","org_id":"acme","iat":1800000000,"exp":1800003600})");
  SessionCookiePolicy verifier;
  verifier.name = "web";
  verifier.cookie = "sid";
  verifier.claims.tenant = "org_id";
  const auto keys =
      SessionKeys::create(CookieForm::kSigned, SecretUse::kAsGiven, std::span(&kSecret, 1));
  SessionCookieReader reader;
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    CHECK(reader.read(verifier, *keys, cookie, kTenants, kNow, arena));
  }
}
BENCHMARK(session_cookie_verified);

}  // namespace
}  // namespace tollgate::authentication
