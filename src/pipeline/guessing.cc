#include "pipeline/guessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "controls/authentication/jws.h"

namespace tollgate::pipeline {

namespace {

using authentication::Alarm;

constexpr std::string_view kRule[] = {"authentication.failures"};

// The id is public, and of the shape that we make: no bytes of a caller's choice reach the log.
void tell(Alarm alarm, const IpAddress& from, std::string_view key) {
  switch (alarm) {
    case Alarm::kNone:
      return;
    case Alarm::kAddress:
      return fmt::print(stderr, "tollgate: authentication fails too often from {}; it is delayed\n",
                        format_address(from));
    case Alarm::kKey:
      return fmt::print(stderr,
                        "tollgate: authentication fails too often for the key {}, last from {}\n",
                        key, format_address(from));
    case Alarm::kAll:
      return fmt::print(stderr, "tollgate: authentication fails too often in all, last from {}\n",
                        format_address(from));
  }
}

Refusal refuse_delayed(Duration wait) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = kRule[0];
  refusal.message =
      "Authentication has failed too often from this address, so credentials that were not good "
      "from there before are refused for now.";
  refusal.retry_after = wait;
  return refusal;
}

// A key that is proven to be held (expired, revoked) is no guess, nor is what may pass later. Two
// actors are: who holds one of the credentials would learn that the other is good.
authentication::LookEnd end_of(const Expected<void>& known) {
  if (known) return authentication::LookEnd::kGood;
  const Refusal& refusal = known.error();
  const bool wrong =
      refusal.reason == Reason::kInvalidCredential || refusal.reason == Reason::kCredentialConflict;
  return wrong && !refusal.retry_after ? authentication::LookEnd::kWrong
                                       : authentication::LookEnd::kUndecided;
}

}  // namespace

Guesses::Guesses(authentication::Failures& failures, const config::Config& config,
                 const IpAddress& from, const Shown& shown, Arena& arena)
    : failures_(failures), policy_(config.authentication.failures) {
  const authentication::Policy& policy = config.authentication;
  const auto all = arena.make<std::string_view>(2 + policy.sessions.size());
  std::size_t first = 0;          // Those that can be guessed stand before it,
  std::size_t last = all.size();  // …all others behind it.
  if (!shown.key.empty()) {
    const bool ours = shown.key.starts_with(authentication::kKeyPrefix);
    all[ours ? --last : first++] = shown.key;
  }
  if (!shown.others.token.empty()) {
    // Where no key proves a token here, each that is made up is a question to a server.
    const bool proves =
        !policy.jwt.empty() && std::ranges::none_of(policy.jwt, [](const auto& each) {
          return each.keys == authentication::KeyOrigin::kReview;
        });
    const bool is_signed = proves && authentication::looks_like_token(shown.others.token);
    all[is_signed ? --last : first++] = shown.others.token;
  }
  for (const authentication::SessionPolicy& each : policy.sessions) {
    const Expected<std::string_view> cookie =
        authentication::find_cookie(shown.others.cookies, each.cookie.cookie);
    if (!cookie || cookie->empty()) continue;
    all[each.in_store() ? first++ : --last] = *cookie;
  }
  guess_.from = from;
  guess_.guessable = all.first(first);
  guess_.others = all.subspan(last);
  if (const Expected<std::string_view> id = authentication::read_key(shown.key)) guess_.key = *id;
}

Expected<void> Guesses::begin(Instant now) {
  const std::expected<authentication::Look, Duration> may = failures_.begin(policy_, guess_, now);
  if (may) {
    look_ = *may;
    return {};
  }
  if (policy_.mode != Mode::kObserve) return std::unexpected(refuse_delayed(may.error()));
  observed_ = true;
  return {};
}

Expected<void> Guesses::end(Expected<void> known, Instant now) {
  const authentication::Judged judged = failures_.end(policy_, guess_, look_, end_of(known), now);
  tell(judged.alarm, guess_.from, guess_.key);
  if (!judged.delay) return known;
  if (policy_.mode != Mode::kObserve) return std::unexpected(refuse_delayed(*judged.delay));
  observed_ = true;
  return known;
}

std::span<const std::string_view> Guesses::observed() const {
  if (observed_) return kRule;
  return {};
}

}  // namespace tollgate::pipeline
