#include "pipeline/guessing.h"

#include <fmt/format.h>

#include <cstdio>

namespace tollgate::pipeline {

namespace {

using authentication::Alarm;

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

}  // namespace

std::string_view secret_of(const Shown& shown) {
  if (!shown.key.empty()) return shown.key;
  return shown.others.token.empty() ? shown.others.cookies : shown.others.token;
}

Expected<void> check_guesses(const authentication::Failures& failures,
                             const authentication::FailurePolicy& policy, const IpAddress& from,
                             const Shown& shown, Instant now) {
  const std::string_view secret = secret_of(shown);
  if (secret.empty() || policy.mode == Mode::kObserve) return {};
  const std::optional<Duration> wait = failures.delay(from, secret, now);
  if (!wait) return {};
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "authentication.failures";
  refusal.message =
      "Authentication has failed too often from this address, so credentials that were not good "
      "from there before are not looked at for now.";
  refusal.retry_after = *wait;
  return std::unexpected(std::move(refusal));
}

void count_guess(authentication::Failures& failures, const authentication::FailurePolicy& policy,
                 const IpAddress& from, const Shown& shown, const Expected<void>& known,
                 Instant now) {
  const std::string_view secret = secret_of(shown);
  if (secret.empty()) return;
  if (known) return failures.succeeded(from, secret);
  // Whoever shows an expired or revoked key has proven to hold it, and does not guess.
  if (known.error().reason != Reason::kInvalidCredential) return;
  const Expected<std::string_view> id = authentication::read_key(shown.key);
  const std::string_view key = id ? *id : std::string_view();
  tell(failures.failed(policy, from, key, now), from, key);
}

}  // namespace tollgate::pipeline
