// Tokens of a Kubernetes cluster: what its API server says of one (TokenReview,
// authentication.k8s.io/v1).
//
// The server knows what no signature tells: that the pod or the account of a token is gone. Its
// word is asked for besides the claims, never in their place: a token must be good by what it says
// itself, and the server must know it as the token of that very account, for one of our audiences.
// An audience that the server does not give back was not looked at by it.
//
// `authenticated` is left out where it is false, so an answer without it is a verdict. Whatever is
// no TokenReview is an accident: the token is then neither good nor bad, and its caller is told to
// try again.
//
// No I/O. A reader belongs to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/refusal.h"
#include "controls/authentication/jws.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {

inline constexpr std::size_t kTokenReviewBytesMax = std::size_t{128} << 10;

// Whom a token names, which the server must confirm. Views of an arena.
struct ReviewedAccount {
  std::string_view user;  // `sub`
  std::string_view uid;   // `kubernetes.io.serviceaccount.uid`; empty: the token names none.
};
ReviewedAccount account_of(const Token& token, Arena& arena);

// Where `review` is asked, and the question whether `token` is good for one of the audiences.
std::string token_review_url(const TokenReviewPolicy& review);
std::string token_review_body(const JwtPolicy& policy, std::string_view token);

class TokenReviewReader {
 public:
  TokenReviewReader();
  ~TokenReviewReader();

  // Whether `answer` says that the token is good and `account`'s. kInvalidCredential where it says
  // that it is not, kStoreUnavailable for what is no answer.
  Expected<void> read(const JwtPolicy& policy, std::string_view answer,
                      const ReviewedAccount& account);

 private:
  std::unique_ptr<JsonDocument> answer_;
  std::string text_;
};

}  // namespace tollgate::authentication
