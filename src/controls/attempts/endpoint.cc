#include "controls/attempts/endpoint.h"

#include <algorithm>
#include <bit>

namespace tollgate::attempts {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr int kDoublingsMax = 20;

}  // namespace

State Endpoint::state(Instant now) const {
  if (!open_.load(kRelaxed)) return State::kClosed;
  return now < until_.load(kRelaxed) ? State::kOpen : State::kHalfOpen;
}

bool Endpoint::available(Tokens tokens, Instant now) const {
  if (host_->unwell.load(kRelaxed) || now < alone_.load(kRelaxed)) return false;
  if (now < left_until_.load(kRelaxed) && tokens > left_.load(kRelaxed)) return false;
  const State is = state(now);
  return is == State::kClosed || (is == State::kHalfOpen && now >= probing_.load(kRelaxed));
}

Instant Endpoint::available_from(Tokens tokens, Instant now) const {
  Instant from = std::max(now, alone_.load(kRelaxed));
  if (tokens > left_.load(kRelaxed)) from = std::max(from, left_until_.load(kRelaxed));
  if (open_.load(kRelaxed)) {
    from = std::max({from, until_.load(kRelaxed), probing_.load(kRelaxed)});
  }
  return from;
}

bool Endpoint::is_ill(Instant now) const {
  return host_->unwell.load(kRelaxed) || state(now) != State::kClosed;
}

bool Endpoint::begin(const BreakerPolicy& policy, Tokens tokens, Instant now, Visit& visit) {
  visit = {};
  if (host_->unwell.load(kRelaxed) || now < alone_.load(kRelaxed)) return false;
  const State is = state(now);
  if (is == State::kOpen) return false;
  if (is == State::kHalfOpen) {
    Instant before = probing_.load(kRelaxed);
    if (now < before) return false;
    if (!probing_.compare_exchange_strong(before, now + policy.open_max, kRelaxed)) return false;
    visit.probes = true;
    visit.until = now + policy.open_max;
  }
  left_.fetch_sub(tokens, kRelaxed);
  host_->tokens.fetch_add(tokens, kRelaxed);
  host_->requests.fetch_add(1, kRelaxed);
  return true;
}

void Endpoint::answers(Visit& visit, Instant now) {
  if (visit.answers) return;
  visit.answers = true;
  visit.served = served_.load(kRelaxed);
  visit.row = in_a_row_.exchange(0, kRelaxed);
  visit.silent = silent_.exchange(0, kRelaxed);
  if (!open_.load(kRelaxed) || !visit.probes) return;
  last_.store(1, kRelaxed);
  closed_.store(now, kRelaxed);
  open_.store(false, kRelaxed);
}

void Endpoint::judge(const BreakerPolicy& policy, Visit& visit, Ending ending, Instant now) {
  switch (ending) {
    case Ending::kAnswered:
      return served(visit, now);
    case Ending::kFailed:
      return failed(policy, visit, now);
    case Ending::kSilent:
      // Of one that is slow now and then others are answered meanwhile.
      if (visit.probes || silent_.fetch_add(1, kRelaxed) + 1 >= policy.consecutive_failures) {
        failed(policy, visit, now);
      }
      return;
    case Ending::kUnknown:
      // Nor does a first byte say anything whose caller left behind it.
      if (!visit.answers || visit.served != served_.load(kRelaxed)) return;
      in_a_row_.fetch_add(visit.row, kRelaxed);
      silent_.fetch_add(visit.silent, kRelaxed);
      return;
  }
}

void Endpoint::end(Tokens tokens, const Visit& visit) {
  host_->tokens.fetch_sub(tokens, kRelaxed);
  host_->requests.fetch_sub(1, kRelaxed);
  Instant own = visit.until;
  if (visit.probes) probing_.compare_exchange_strong(own, Instant{}, kRelaxed);
}

double Endpoint::note(bool failed) {
  std::uint64_t before = last_.load(kRelaxed);
  std::uint64_t after = 0;
  do {
    after = (before << 1U) | (failed ? 1U : 0U);
    const int endings = std::bit_width(after) - 1;
    if (endings > kWindow) {
      constexpr std::uint64_t kMark = std::uint64_t{1} << kWindow;
      after = (after & (kMark - 1)) | kMark;
    }
  } while (!last_.compare_exchange_weak(before, after, kRelaxed));
  const int endings = std::bit_width(after) - 1;
  const int failures = std::popcount(after) - 1;
  return endings < kLeast ? 0 : static_cast<double>(failures) / endings;
}

void Endpoint::failed(const BreakerPolicy& policy, const Visit& visit, Instant now) {
  const bool often = note(true) >= policy.failed_share;
  // Its first byte ended the row that its end goes on with, if nothing else was served meanwhile.
  const bool is_last_word = !visit.answers || visit.served == served_.load(kRelaxed);
  const int before = visit.answers && is_last_word ? visit.row : 0;
  const int in_a_row = in_a_row_.fetch_add(before + 1, kRelaxed) + before + 1;
  const bool is_silent = silent_.load(kRelaxed) >= policy.consecutive_failures;
  const bool is_open = open_.load(kRelaxed);
  // What was on its way when it opened says nothing new.
  if (is_open && !visit.probes) return;
  const bool was_closed_by_it = visit.probes && visit.answers && is_last_word;
  const bool is_enough = in_a_row >= policy.consecutive_failures || often || is_silent;
  if (!is_open && !is_enough && !was_closed_by_it) return;
  const int trips = std::min(trips_.fetch_add(1, kRelaxed), kDoublingsMax);
  const Duration open = std::min(policy.open_max, policy.open * (std::int64_t{1} << trips));
  until_.store(now + open, kRelaxed);
  open_.store(true, kRelaxed);
  opened_.fetch_add(1, kRelaxed);
}

void Endpoint::served(Visit& visit, Instant now) {
  answers(visit, now);
  (void)note(false);
  in_a_row_.store(0, kRelaxed);
  served_.fetch_add(1, kRelaxed);
  if (!open_.load(kRelaxed)) trips_.store(0, kRelaxed);
}

void Endpoint::leave_alone(Instant until) {
  Instant before = alone_.load(kRelaxed);
  while (before < until && !alone_.compare_exchange_weak(before, until, kRelaxed)) {
  }
}

void Endpoint::told_left(Tokens tokens, Instant until) {
  left_.store(tokens, kRelaxed);
  left_until_.store(until, kRelaxed);
}

double Endpoint::weight(const BreakerPolicy& policy, Instant now) const {
  const Instant back = std::max(closed_.load(kRelaxed), host_->well_since.load(kRelaxed));
  if (back == Instant{} || policy.slow_start <= Duration{}) return 1;
  const double part =
      std::chrono::duration<double>(now - back) / std::chrono::duration<double>(policy.slow_start);
  return std::clamp(part, kLeastWeight, 1.0);
}

}  // namespace tollgate::attempts
