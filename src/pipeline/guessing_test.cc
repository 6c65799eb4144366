#include "pipeline/guessing.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "controls/authentication/imported_key.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using std::chrono::seconds;

IpAddress address(std::string_view text) { return *read_address(text); }

class Guessing : public PipelineTest {
 protected:
  explicit Guessing(std::string_view settings = kSettings) : PipelineTest(settings) {}

  // What a request with that secret from there is told.
  std::string told(const std::string& secret, std::string_view from = "192.0.2.1") {
    Ask asked = ask_as(secret, std::string(kHello));
    asked.ip = address(from);
    answer = world.serve(asked);
    return answer->header("x-tollgate-reason").value_or("");
  }
  authentication::KeyRecord& record_of(const std::string& secret) {
    return world.keys.keys.at(std::string(*authentication::read_key(secret)));
  }

  std::string import_key(const std::string& secret) {
    const authentication::ImportedKey key = authentication::imported_key(world.pepper, secret);
    authentication::KeyRecord record;
    record.id = key.id();
    record.digest = key.digest;
    record.tenant = "acme";
    world.keys.keys[record.id] = record;
    return secret;
  }
  std::string wrong() { return "sk-guess-" + std::to_string(++guesses); }

  std::unique_ptr<Caller> answer;
  int guesses = 0;
};

TEST_F(Guessing, IsDelayedUnseenAndToldHowLong) {
  const std::string owner = import_key("sk-owner");
  const std::string newcomer = import_key("sk-newcomer");
  EXPECT_EQ(told(owner), "");
  for (int i = 0; i < 11; ++i) EXPECT_EQ(told(wrong()), "invalid_credential") << i;
  // One is looked at all the same; what is wrong is told of the delay.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(told(wrong()), "rate_limited");
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->header("x-tollgate-rule"), "authentication.failures");
  EXPECT_EQ(last().code, "rate_limited");
  // A right key is not looked at there, unless it was good there before.
  EXPECT_EQ(told(newcomer), "rate_limited");
  EXPECT_EQ(told(owner), "");
  EXPECT_EQ(told(newcomer, "192.0.2.2"), "");
  world.clock.pass(seconds(1));
  EXPECT_EQ(told(newcomer), "");
}

// However a stranger at the same address goes on.
struct TokenFile {
  TokenFile() : path((std::filesystem::temp_directory_path() / "tollgate-XXXXXX").string()) {
    const int file = mkstemp(path.data());
    EXPECT_EQ(::write(file, "token", 5), 5);
    ::close(file);
  }
  ~TokenFile() { std::filesystem::remove(path); }
  std::string path;
};

// Each signed token that is made up is a question to a server, where no key proves it here.
class GuessingUnproven : public Guessing, public ::testing::WithParamInterface<bool> {
 protected:
  GuessingUnproven() : Guessing(settings(GetParam())) {}

  static const std::string& settings(bool proven) {
    static std::string made[2];
    static const TokenFile token;
    made[proven ? 1 : 0] = settings_with(
        "authentication: { api_keys: {} }",
        "authentication:\n  api_keys: {}\n  jwt: [{ name: cluster, issuer: "
        "\"https://cluster.example\", kind: workload, audience: tollgate, fixed_tenant: acme, " +
            std::string(proven ? "jwks_url: \"https://cluster.example/keys\", " : "") +
            "token_review: { url: \"https://cluster.example\", token_file: \"" + token.path +
            "\" } }]");
    return made[proven ? 1 : 0];
  }
};

TEST_P(GuessingUnproven, HoldsBackWhatOnlyAServerProves) {
  for (int i = 0; i < 12; ++i) told(wrong());
  EXPECT_EQ(told("a.b.c"), "rate_limited");  // Wrong ones are told of the delay in any case.
  authentication::Identity known;
  known.tenant = "acme";
  world.callers.known = known;
  // A good one is beyond guessing where a key proves it.
  EXPECT_EQ(told("d.e.f"), GetParam() ? "" : "rate_limited");
}

INSTANTIATE_TEST_SUITE_P(Keys, GuessingUnproven, ::testing::Bool());

TEST_F(Guessing, HoldsNoKeyOfOursBack) {
  import_key("sk-any");
  for (int i = 0; i < 100; ++i) {
    told(wrong());
    EXPECT_EQ(told(world.add_key("acme")), "") << i;
    world.clock.pass(seconds(i % 3));
  }
  // But a wrong one learns no more than that.
  for (int i = 0; i < 3; ++i) told(wrong());
  EXPECT_EQ(told("tg_live_guess"), "rate_limited");
  EXPECT_EQ(answer->status, 429);
}

TEST_F(Guessing, TheSameAgainIsOneGuess) {
  import_key("sk-any");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(told("sk-ended"), "invalid_credential") << i;
  EXPECT_EQ(told(import_key("sk-new")), "");
}

TEST_F(Guessing, IsNotToShowAKeyThatHasEndedOrNone) {
  const std::string ended = world.add_key("acme");
  record_of(ended).revoked = WallTime{};
  for (int i = 0; i < 30; ++i) EXPECT_EQ(told(ended), "revoked_credential") << i;
  // Whose it was is proven, so it is on record.
  EXPECT_NE(last().written.find(R"("actor":{"tenant":"acme")"), std::string::npos);
  const std::string id = record_of(ended).id;
  EXPECT_NE(last().written.find(R"("credential_id":")" + id + '"'), std::string::npos);
  Ask without = ask(std::string(kHello), "/v1/chat/completions");
  without.headers.clear();
  without.ip = address("192.0.2.1");
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(world.serve(without)->header("x-tollgate-reason"), "missing_credential");
  }
  EXPECT_EQ(told(world.add_key("acme")), "");
}

// Anybody may write an id: it is on record as shown, and as nobody's actor.
TEST_F(Guessing, AtTheSecretOfAKeyIsOnRecordWithTheIdThatWasShown) {
  const std::string secret = world.add_key("acme");
  record_of(secret).digest[0] ^= 1;
  EXPECT_EQ(told(secret), "invalid_credential");
  EXPECT_EQ(last().written.find(R"("actor")"), std::string::npos);
  EXPECT_NE(last().written.find("wrong secret was shown with the id " + record_of(secret).id),
            std::string::npos);
  EXPECT_EQ(answer->text.find(record_of(secret).id), std::string::npos);
}

TEST_F(Guessing, AtAKeyFromWhereItIsNotForLooksLikeAnyOther) {
  const std::string secret = world.add_key("acme");
  record_of(secret).scopes.addresses = {*read_address_range("10.0.0.0/8")};
  EXPECT_EQ(told(secret, "10.1.2.3"), "");
  EXPECT_EQ(told(secret), "invalid_credential");
  const std::string here = answer->text.substr(0, answer->text.find("req_"));
  EXPECT_EQ(here.find("address"), std::string::npos);
  EXPECT_NE(last().written.find("address"), std::string::npos);
}

TEST_F(Guessing, TellsNothingOfAKeyThatWasImported) {
  const std::string secret = "sk-of-another-gateway";
  EXPECT_EQ(told(secret), "invalid_credential");
  import_key(secret);
  EXPECT_EQ(told(secret), "");
  const std::string id(authentication::imported_key(world.pepper, secret).id());
  for (const std::string& shown : {secret + "x", id, std::string("sk-")}) {
    EXPECT_EQ(told(shown), "invalid_credential") << shown;
  }
}

TEST_F(Guessing, AtWhatAKeyIsNotForIsRefused) {
  const std::string secret = world.add_key("acme");
  record_of(secret).scopes.routes = {"other"};
  EXPECT_EQ(told(secret), "route_not_allowed");
  record_of(secret).scopes = {};
  record_of(secret).scopes.models = {"other"};
  EXPECT_EQ(told(secret), "model_not_found");
  record_of(secret).scopes = {};
  record_of(secret).scopes.tools = {"search_*"};
  EXPECT_EQ(told(secret), "");
}

TEST_F(Guessing, AtAToolThatAKeyIsNotForIsRefused) {
  const std::string secret = world.add_key("acme");
  const std::string body =
      R"({"model":"small","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function",)"
      R"("function":{"name":"get_weather"}}]})";
  const auto answered = [&](std::vector<std::string> tools) {
    record_of(secret).scopes.tools = std::move(tools);
    answer = world.serve(ask_as(secret, body));
    return answer->header("x-tollgate-reason").value_or("");
  };
  EXPECT_EQ(answered({}), "");
  EXPECT_EQ(answered({"get_*"}), "");
  EXPECT_EQ(answered({"search", "get_weather"}), "");
  EXPECT_EQ(answered({"get_weather2", "get"}), "tool_not_allowed");
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(last().code, "tool_not_allowed");
}

class GuessingObserved : public Guessing {
 protected:
  GuessingObserved()
      : Guessing(
            settings_with("{ api_keys: {} }", "{ api_keys: {}, failures: { mode: observe } }")) {}
};

TEST_F(GuessingObserved, IsRecordedAsWhatItWouldHaveMet) {
  const std::vector<std::string> rule = {"authentication.failures"};
  const std::string owner = import_key("sk-owner");
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(told(wrong()), "invalid_credential");
    EXPECT_EQ(last().observed, std::vector<std::string>()) << i;
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(told(wrong()), "invalid_credential");
    EXPECT_EQ(last().observed, rule);
  }
  // Beside what else would have been refused, in the decision and in the outcome.
  world.ledger.observed = {"limits.tenant_id.requests_per_minute"};
  EXPECT_EQ(told(owner), "");
  const std::vector<std::string> both = {rule[0], "limits.tenant_id.requests_per_minute"};
  EXPECT_EQ(last().observed, both);
  EXPECT_EQ(world.trail.records[world.trail.records.size() - 2].observed, both);
  // It was good from there just now.
  world.ledger.observed.clear();
  EXPECT_EQ(told(owner), "");
  EXPECT_EQ(last().observed, std::vector<std::string>());
}

}  // namespace
}  // namespace tollgate::pipeline::testing
