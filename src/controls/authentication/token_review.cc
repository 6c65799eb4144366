#include "controls/authentication/token_review.h"

#include "base/check.h"
#include "base/json_writer.h"
#include "controls/authentication/claim_reading.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kVersion = "authentication.k8s.io/v1";
constexpr std::string_view kKind = "TokenReview";
constexpr std::string_view kPath = "/apis/authentication.k8s.io/v1/tokenreviews";

// Whether the server vouches; nothing where that is not to be told from what it sent.
std::optional<bool> is_authenticated(const dom::object& status) {
  dom::element found;
  if (status.at_key("authenticated").get(found) != simdjson::SUCCESS) return false;
  bool authenticated = false;
  if (found.get(authenticated) != simdjson::SUCCESS) return std::nullopt;
  return authenticated;
}

}  // namespace

ReviewedAccount account_of(const Token& token, Arena& arena) {
  CHECK(token.claims != nullptr);
  const dom::object& claims = token.claims->object();
  ReviewedAccount account;
  account.user = arena.copy(text_member(claims, "sub").value_or(""));
  std::string_view uid;
  const auto found = find_claim(claims, "kubernetes.io.serviceaccount.uid");
  if (found && found->get(uid) == simdjson::SUCCESS) account.uid = arena.copy(uid);
  return account;
}

std::string token_review_url(const TokenReviewPolicy& review) {
  std::string url = review.url;
  while (url.ends_with('/')) url.pop_back();
  return url.append(kPath);
}

std::string token_review_body(const JwtPolicy& policy, std::string_view token) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.key("apiVersion");
  json.value(kVersion);
  json.key("kind");
  json.value(kKind);
  json.key("spec");
  json.begin_object();
  json.key("token");
  json.value(token);
  json.key("audiences");
  json.begin_array();
  for (const std::string& audience : policy.audiences) json.value(audience);
  json.end_array();
  json.end_object();
  json.end_object();
  return body;
}

TokenReviewReader::TokenReviewReader() : answer_(std::make_unique<JsonDocument>()) {}
TokenReviewReader::~TokenReviewReader() = default;

Expected<void> TokenReviewReader::read(const JwtPolicy& policy, std::string_view answer,
                                       const ReviewedAccount& account) {
  const std::string rule = "authentication.jwt." + policy.name + ".token_review";
  if (answer.size() > kTokenReviewBytesMax) return std::unexpected(refuse_unasked(rule));
  text_.assign(answer);
  const std::optional<dom::object> review = answer_->read(text_);
  dom::object status;
  if (!review || text_member(*review, "apiVersion") != kVersion ||
      text_member(*review, "kind") != kKind ||
      review->at_key("status").get(status) != simdjson::SUCCESS) {
    return std::unexpected(refuse_unasked(rule));
  }
  const std::optional<bool> authenticated = is_authenticated(status);
  if (!authenticated) return std::unexpected(refuse_unasked(rule));
  if (!*authenticated) {
    return refuse_claims(rule, "The cluster does not vouch for the token. Get a new one.");
  }
  // From here on the server vouches for the token. Is it for us, and whose does it say it is?

  if (!has_audience(status, policy.audiences, "audiences")) {
    return refuse_claims(rule, "The cluster does not say that the token is for this gateway.");
  }
  dom::object user;
  if (status.at_key("user").get(user) != simdjson::SUCCESS) {
    return std::unexpected(refuse_unasked(rule));
  }
  const std::string_view uid = text_member(user, "uid").value_or("");
  if (account.user.empty() || text_member(user, "username") != account.user ||
      (!account.uid.empty() && uid != account.uid)) {
    return refuse_claims(rule, "The cluster knows the token as that of another account.");
  }
  return {};
}

}  // namespace tollgate::authentication
