#include "controls/authentication/code_flow.h"

#include <gtest/gtest.h>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

constexpr std::string_view kIssuer = "https://login.example.com";

std::string metadata(std::string_view authorize, std::string_view exchange,
                     std::string_view more = "", std::string_view issuer = kIssuer) {
  return fmt::format(R"({{"issuer":"{}","authorization_endpoint":"{}","token_endpoint":"{}"{}}})",
                     issuer, authorize, exchange, more);
}

// The access token of OpenID Connect Core 1.0, appendix A.3.
constexpr std::string_view kAccess = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";

TEST(LoginPlaces, AreReadFromTheMetadataOfTheIssuer) {
  const auto places = read_login_places(
      metadata("https://login.example.com/auth", "https://login.example.com/token",
               R"(,"code_challenge_methods_supported":["plain","S256"])"),
      kIssuer);
  ASSERT_TRUE(places) << places.error();
  EXPECT_EQ(places->authorize, "https://login.example.com/auth");
  EXPECT_EQ(places->exchange, "https://login.example.com/token");
  EXPECT_FALSE(places->names_itself);
  EXPECT_TRUE(read_login_places(metadata("http://127.0.0.1:1/a", "http://127.0.0.1:1/t"), kIssuer));
}

TEST(LoginPlaces, TellWhetherAnswersNameTheirIssuer) {
  const auto names_itself = [](std::string_view more) {
    const auto places = read_login_places(
        metadata("https://login.example.com/auth", "https://login.example.com/token", more),
        kIssuer);
    return places && places->names_itself;
  };
  EXPECT_TRUE(names_itself(R"(,"authorization_response_iss_parameter_supported":true)"));
  EXPECT_FALSE(names_itself(R"(,"authorization_response_iss_parameter_supported":false)"));
  EXPECT_FALSE(names_itself(""));
}

TEST(LoginPlaces, AreRefusedWhereTheyAreAnybodys) {
  const std::string good = "https://login.example.com/auth";
  const std::string rows[] = {
      "",
      "[]",
      "{}",
      metadata(good, good, "", "https://evil.example.com"),
      metadata(good, good, R"(,"issuer":"https://login.example.com")"),
      metadata("http://login.example.com/auth", good),
      metadata(good, "http://login.example.com/token"),
      metadata(good, ""),
      metadata("javascript:alert(1)", good),
      metadata(good + R"(\r\nset-cookie: a=b)", good),
      metadata(good + R"(\u0000)", good),
      metadata(good + "#fragment", good),
      metadata(good + "\xc3\xa4", good),
      metadata(good, good, R"(,"code_challenge_methods_supported":["plain"])"),
      metadata(good, good, R"(,"code_challenge_methods_supported":"S256")"),
      std::string(300'000, ' '),
  };
  for (const std::string& row : rows) {
    EXPECT_FALSE(read_login_places(row, kIssuer)) << row.substr(0, 200);
  }
}

TEST(Login, SendsTheBrowserWithAllThatBindsTheAnswer) {
  const LoginPlaces places{"https://login.example.com/auth?p=1", "https://login.example.com/token"};
  // The verifier and challenge of RFC 7636, appendix B.
  const std::string url = authorization_url(
      places, {"toll gate", "http://127.0.0.1:9900/admin/callback", "openid email", "st&te", "n",
               "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"});
  EXPECT_EQ(url,
            "https://login.example.com/auth?p=1&response_type=code&client_id=toll%20gate"
            "&redirect_uri=http%3A%2F%2F127.0.0.1%3A9900%2Fadmin%2Fcallback"
            "&scope=openid%20email&state=st%26te&nonce=n"
            "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
            "&code_challenge_method=S256");
  EXPECT_EQ(exchange_form({"c", "http://a/b", "co+de", "v"}),
            "grant_type=authorization_code&code=co%2Bde&redirect_uri=http%3A%2F%2Fa%2Fb"
            "&client_id=c&code_verifier=v");
  EXPECT_EQ(client_authorization("a", Secret("b c")), "Basic YTpiJTIwYw==");
}

TEST(Login, ReadsTheIdTokenOfAnAnswer) {
  const auto both = read_exchange(R"({"access_token":"a","id_token":"b.c.d"})");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->id_token, "b.c.d");
  EXPECT_EQ(both->access_token, "a");
  EXPECT_EQ(read_exchange(R"({"id_token":"b.c.d"})")->access_token, "");
  for (const std::string& answer :
       {std::string(), std::string("{}"), std::string("[]"), std::string(R"({"id_token":5})"),
        std::string(R"({"id_token":""})"), std::string(R"({"id_token":"a","id_token":"b"})"),
        R"({"id_token":")" + std::string(20'000, 'a') + "\"}", std::string(70'000, ' ')}) {
    EXPECT_FALSE(read_exchange(answer)) << answer.substr(0, 100);
  }
}

TEST(Login, KnowsAnAnswerThatSaysTheCodeIsWrong) {
  EXPECT_TRUE(says_wrong_code(R"({"error":"invalid_grant","error_description":"x"})"));
  for (const std::string& answer :
       {std::string(), std::string("{}"), std::string("invalid_grant"),
        std::string(R"({"error":"invalid_client"})"), std::string(R"({"error":["invalid_grant"]})"),
        std::string(R"({"error":"x","error":"invalid_grant"})"), std::string(70'000, ' ')}) {
    EXPECT_FALSE(says_wrong_code(answer)) << answer.substr(0, 100);
  }
}

TEST(Login, TakesAnIdTokenForItsOwnLoginAlone) {
  const SigningKey key = SigningKey::make("P-256");
  TokenReader reader;
  const auto verdict = [&](std::string_view claims, std::string_view nonce = "n-1") {
    const std::string token = es256_token(key, R"({"alg":"ES256","kid":"a"})", std::string(claims));
    const Expected<Token> read = reader.read(token);
    EXPECT_TRUE(read) << claims;
    return read && check_id_token(*read, {nonce, "tollgate", kAccess}, "admin.oidc").has_value();
  };
  const auto made = [](std::string_view more) {
    return fmt::format(R"({{"iat":1311281970,{}}})", more);
  };
  EXPECT_TRUE(verdict(made(R"("aud":"tollgate","nonce":"n-1")")));
  EXPECT_TRUE(verdict(made(R"("aud":["tollgate"],"nonce":"n-1","azp":"tollgate")")));
  EXPECT_TRUE(verdict(made(R"("aud":["tollgate","x"],"nonce":"n-1","azp":"tollgate")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":"")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":"")"), ""));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":"n-2")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":["n-1"])")));
  EXPECT_FALSE(verdict(made(R"("aud":["tollgate","x"],"nonce":"n-1")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":"n-1","azp":"x")")));
  EXPECT_FALSE(verdict(made(R"("aud":"tollgate","nonce":"n-1","azp":5)")));
  // When it was made is no option of an ID token.
  EXPECT_FALSE(verdict(R"({"aud":"tollgate","nonce":"n-1"})"));
  EXPECT_FALSE(verdict(R"({"iat":"now","aud":"tollgate","nonce":"n-1"})"));
  // The access token and its hash are those of OpenID Connect Core 1.0, appendix A.3.
  EXPECT_TRUE(
      verdict(made(R"("aud":"tollgate","nonce":"n-1","at_hash":"77QmUPtjPfzWtF2AnpK9RQ")")));
  for (const char* other :
       {R"("77QmUPtjPfzWtF2AnpK9RR")", R"("")", "5", "null", R"("77QmUPtjPfzWtF2AnpK9RQ==")"}) {
    EXPECT_FALSE(
        verdict(made(fmt::format(R"("aud":"tollgate","nonce":"n-1","at_hash":{})", other))))
        << other;
  }
}

}  // namespace
}  // namespace tollgate::authentication
