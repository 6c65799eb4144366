#include "controls/authentication/token_review.h"

#include <gtest/gtest.h>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

constexpr std::string_view kSub = "system:serviceaccount:search:indexer";

JwtPolicy policy() {
  JwtPolicy made;
  made.name = "cluster";
  made.kind = CredentialKind::kWorkload;
  made.issuer = "https://kubernetes.default.svc.cluster.local";
  made.audiences = {"tollgate", "tollgate-canary"};
  made.keys = KeyOrigin::kReview;
  made.claims.tenant_by_subject = {{"system:serviceaccount:search:*", "search"}};
  made.review.emplace();
  made.review->url = "https://kubernetes.default.svc";
  made.review->token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  return made;
}

ReviewedAccount account() { return {kSub, "a6709f71-30e2-489a-bd19-ade97031b9db"}; }

// As an API server answers: what was asked, and a status.
std::string answer(std::string_view status) {
  return R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":)"
         R"({"creationTimestamp":null,"managedFields":[{"manager":"tollgate","operation":"Update",)"
         R"("fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:audiences":{},"f:token":{}}}}]},)"
         R"("spec":{"token":"eyJ","audiences":["tollgate","tollgate-canary"]},"status":)" +
         std::string(status) + "}";
}

constexpr std::string_view kGood =
    R"({"authenticated":true,"user":{"username":"system:serviceaccount:search:indexer",)"
    R"("uid":"a6709f71-30e2-489a-bd19-ade97031b9db","groups":["system:serviceaccounts",)"
    R"("system:serviceaccounts:search","system:authenticated"],"extra":{)"
    R"("authentication.kubernetes.io/pod-name":["indexer-0"]}},"audiences":["tollgate"]})";

std::string good_with(std::string_view from, std::string_view to) {
  std::string text(kGood);
  text.replace(text.find(from), from.size(), to);
  return answer(text);
}

Expected<void> read(const std::string& text, const ReviewedAccount& whose = account()) {
  TokenReviewReader reader;
  return reader.read(policy(), text, whose);
}

TEST(TokenReview, AsksForTheTokenAndOurAudiences) {
  EXPECT_EQ(token_review_url(*policy().review),
            "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews");
  TokenReviewPolicy behind;
  behind.url = "https://rancher.example.com/k8s/clusters/c-1/";
  EXPECT_EQ(token_review_url(behind),
            "https://rancher.example.com/k8s/clusters/c-1/apis/authentication.k8s.io/v1/"
            "tokenreviews");
  EXPECT_EQ(token_review_body(policy(), "a.b.c"),
            R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":)"
            R"("a.b.c","audiences":["tollgate","tollgate-canary"]}})");
}

TEST(TokenReview, ConfirmsTheAccountThatTheTokenNames) {
  EXPECT_TRUE(read(answer(kGood)));
  EXPECT_TRUE(read(answer(kGood), {kSub, ""}));
  EXPECT_TRUE(read(good_with(R"(["tollgate"])", R"(["other","tollgate-canary"])")));
}

TEST(TokenReview, RefusesWhatTheServerDoesNotVouchFor) {
  struct Row {
    std::string_view from;
    std::string_view to;
  };
  const Row rows[] = {
      {R"("authenticated":true,)", R"("authenticated":false,)"},
      {R"("authenticated":true,)", ""},
      {R"("authenticated":true,)", R"("Authenticated":true,)"},
      {R"("audiences":["tollgate"])", R"("audiences":["https://kubernetes.default.svc"])"},
      {R"("audiences":["tollgate"])", R"("audiences":["tollgate2","tollgat"])"},
      {R"("audiences":["tollgate"])", R"("audiences":[])"},
      {R"("audiences":["tollgate"])", R"("audiences":["tollgate",1])"},
      {R"(,"audiences":["tollgate"])", ""},
      {R"("username":"system:serviceaccount:search:indexer")",
       R"("username":"system:serviceaccount:search:indexer2")"},
      {R"("username":"system:serviceaccount:search:indexer",)", ""},
      {R"("uid":"a6709f71)", R"("uid":"b6709f71)"},
      {R"("uid":"a6709f71-30e2-489a-bd19-ade97031b9db",)", ""},
  };
  for (const Row& row : rows) {
    const Expected<void> verdict = read(good_with(row.from, row.to));
    ASSERT_FALSE(verdict) << row.to;
    EXPECT_EQ(verdict.error().reason, Reason::kInvalidCredential) << row.to;
    EXPECT_EQ(verdict.error().rule, "authentication.jwt.cluster.token_review");
  }
  // What a server says of a token that it does not know.
  const Expected<void> unknown =
      read(answer(R"({"user":{},"error":"[invalid bearer token, token has been invalidated]"})"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, Reason::kInvalidCredential);
  EXPECT_EQ(unknown.error().message.find("invalidated"), std::string::npos);
  // A token without `sub` is no account's, whatever the server calls it.
  EXPECT_FALSE(read(good_with(R"("system:serviceaccount:search:indexer")", "\"\""), {"", ""}));
}

TEST(TokenReview, WhatIsNoAnswerDecidesNothing) {
  const std::string rows[] = {
      "",
      "[]",
      "{}",
      "<html>",
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403})",
      answer("null"),
      answer("\"Success\""),
      answer("[]"),
      good_with(R"("authenticated":true)", R"("authenticated":"true")"),
      good_with(R"("authenticated":true)", R"("authenticated":1)"),
      good_with(R"("authenticated":true)", R"("authenticated":true,"authenticated":true)"),
      good_with(R"("user":{)", R"("users":{)"),
      answer(kGood).replace(answer(kGood).find("k8s.io/v1"), 9, "k8s.io/v2"),
      answer(kGood).replace(answer(kGood).find("TokenReview"), 11, "TokenRequest"),
      answer(kGood) + answer(kGood),
      answer(kGood).substr(0, answer(kGood).size() - 1),
      std::string(kTokenReviewBytesMax + 1, ' '),
  };
  for (const std::string& text : rows) {
    const Expected<void> verdict = read(text);
    ASSERT_FALSE(verdict) << text.substr(0, 600);
    EXPECT_EQ(verdict.error().reason, Reason::kStoreUnavailable) << text.substr(0, 600);
    EXPECT_TRUE(verdict.error().retry_after.has_value());
  }
}

TEST(TokenReview, TakesTheAccountFromTheToken) {
  const SigningKey key = SigningKey::make("P-256");
  const std::pair<std::string, ReviewedAccount> rows[] = {
      {R"({"sub":"system:serviceaccount:a:b","kubernetes.io":{"serviceaccount":{"uid":"u"}}})",
       {"system:serviceaccount:a:b", "u"}},
      {R"({"sub":"system:serviceaccount:a:b"})", {"system:serviceaccount:a:b", ""}},
      {R"({"sub":1,"kubernetes.io":{"serviceaccount":{"uid":1}}})", {"", ""}},
      {R"({"sub":"a","kubernetes.io":"serviceaccount"})", {"a", ""}},
  };
  TokenReader reader;
  for (const auto& [claims, expected] : rows) {
    Arena arena;
    const std::string token = es256_token(key, R"({"alg":"ES256"})", claims);
    const Expected<Token> read = reader.read(token);
    ASSERT_TRUE(read);
    const ReviewedAccount found = account_of(*read, arena);
    EXPECT_EQ(found.user, expected.user) << claims;
    EXPECT_EQ(found.uid, expected.uid) << claims;
  }
}

TEST(TokenReview, ConfigurationMistakesAreTold) {
  const auto field_of = [](const auto& change) {
    JwtPolicy changed = policy();
    change(changed);
    std::vector<PolicyMistake> found = check(changed);
    for (PolicyMistake& each : check(*changed.review)) found.push_back(std::move(each));
    return found.empty() ? std::string() : found.front().field;
  };
  EXPECT_EQ(field_of([](JwtPolicy&) {}), "");
  EXPECT_EQ(field_of([](JwtPolicy& p) { p.kind = CredentialKind::kJwt; }), "kind");
  EXPECT_EQ(field_of([](JwtPolicy& p) { p.review->url = "http://kubernetes.default.svc"; }), "url");
  EXPECT_EQ(field_of([](JwtPolicy& p) { p.review->url = "https://k/?a=b"; }), "url");
  EXPECT_EQ(field_of([](JwtPolicy& p) { p.review->token_file.clear(); }), "token_file");
  EXPECT_EQ(field_of([](JwtPolicy& p) { p.review->kept = std::chrono::seconds(31); }), "keep");
  EXPECT_EQ(field_of([](JwtPolicy& p) {
              p.trust_domain = "example.org";
              p.issuer.clear();
            }),
            "trust_domain");
  JwtPolicy alone = policy();
  alone.review.reset();
  ASSERT_FALSE(check(alone).empty());
  EXPECT_EQ(check(alone).front().field, "token_review");
}

TEST(TokenReview, EverythingThatDecidesIsInTheDigest) {
  const Digest first = digest_of(policy());
  const auto differs = [&](const auto& change) {
    JwtPolicy changed = policy();
    change(changed);
    return digest_of(changed) != first;
  };
  EXPECT_FALSE(differs([](JwtPolicy&) {}));
  EXPECT_TRUE(differs([](JwtPolicy& p) { p.review.reset(); }));
  EXPECT_TRUE(differs([](JwtPolicy& p) { p.review->url += "x"; }));
  EXPECT_TRUE(differs([](JwtPolicy& p) { p.review->token_file += "x"; }));
  EXPECT_TRUE(differs(
      [](JwtPolicy& p) { p.review->certificate_authority = certificate_authority("ca", "pem"); }));
  EXPECT_TRUE(differs([](JwtPolicy& p) { p.review->kept = Duration::zero(); }));
}

}  // namespace
}  // namespace tollgate::authentication
