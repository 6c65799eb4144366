// Who asks, for one worker: verdicts on tokens and sessions, kept for a moment, from what the
// Identities know or find out.
//
// A token that was verified a moment ago costs its digest and a look into a table; one of a known
// issuer a signature, and no wait. Only an unknown key, an opaque token or a session in a store
// waits for somebody. All that a request shows is verified, and must name one actor.
//
// Of one loop.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "controls/authentication/token_cache.h"
#include "controls/authentication/token_review.h"
#include "identity/identities.h"
#include "pipeline/ports.h"

namespace tollgate::identity {

class Desk final : public pipeline::Callers {
 public:
  static constexpr std::size_t kVerdictsKept = 8192;
  // A session in a store is believed for so long: what ends it is seen at most so late.
  static constexpr Duration kSessionKept = std::chrono::seconds(1);

  explicit Desk(Identities& identities);  // Outlives it.

  Task<Expected<authentication::Identity>> identify(const pipeline::Presented& presented,
                                                    const config::Config& config, Arena& arena,
                                                    Executor& executor, WallTime wall) override;

 private:
  struct Case;  // One credential of one request.
  using Verdict = Expected<authentication::Identity>;

  void take_over(const config::Config& config);
  Task<Verdict> by_token(const Case& asked, std::string_view token);
  struct Verified;  // What the token itself and the keys of its issuer say.
  std::optional<Verified> verify(const Case& asked, std::string_view token, std::size_t& unknown);
  Task<Verdict> by_review(const Case& asked, std::string_view token, Verified verified);
  Task<Verdict> by_introspection(const Case& asked, std::string_view token);
  Task<FaultOr<std::string>> ask(const Case& asked, const authentication::Digest& credential,
                                 Inquiry& inquiry, WebRequest request);
  Task<Verdict> by_session(const Case& asked, std::size_t place, std::string_view cookie);
  Verdict keep(const Case& asked, const authentication::Digest& credential, Verdict verdict,
               std::optional<Duration> most);

  Identities& identities_;
  Sources sources_;
  bool known_ = false;         // Whether `sources_` are of any configuration.
  std::uint64_t changes_ = 0;  // Of the keys that `stamp_` is of.
  std::vector<std::shared_ptr<const authentication::KeySet>> keys_;  // Of each issuer, or null.
  authentication::Digest stamp_{};
  authentication::TokenCache cache_;
  authentication::TokenReader tokens_;
  authentication::TokenReviewReader reviews_;
  authentication::IntrospectionReader answers_;
  authentication::StoredSessionReader stored_;
  authentication::SessionCookieReader cookies_;
};

}  // namespace tollgate::identity
