#include "tokens/count_errors.h"

#include <algorithm>
#include <chrono>

namespace tollgate::tokens {

namespace {

constexpr std::int64_t kMillion = 1'000'000;
CountError::Seen larger(const CountError::Seen& a, const CountError::Seen& b) {
  return {std::max(a.millionths, b.millionths), std::max(a.tokens, b.tokens)};
}

std::int64_t week_of(WallTime now) {
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return since.count() / CountError::kWeek;
}

// What of a request that was reported at so much is more than was counted.
CountError::Seen seen_in(Tokens counted, Tokens reported) {
  CountError::Seen seen;
  if (counted <= 0 || reported <= counted) return seen;
  seen.tokens = std::min(reported - counted, kInputSlack);
  const Tokens beyond = std::min(reported - counted - seen.tokens, kTokensMax);
  const std::int64_t part = (beyond * kMillion + counted - 1) / counted;
  seen.millionths = std::min(part, CountError::kMillionthsMost);
  return seen;
}

}  // namespace

std::uint64_t CountError::packed(const Seen& seen) {
  return static_cast<std::uint64_t>(seen.millionths) << 32 |
         static_cast<std::uint32_t>(seen.tokens);
}

auto CountError::unpacked(std::uint64_t packed) -> Seen {
  return {static_cast<std::int64_t>(packed >> 32),
          static_cast<Tokens>(static_cast<std::uint32_t>(packed))};
}

Tokens CountError::margin(Tokens counted) const {
  const std::uint64_t packed = in_force_.load(std::memory_order_relaxed);
  if (packed == 0) return 0;
  const Seen seen = unpacked(packed);
  const Tokens of = std::clamp<Tokens>(counted, 0, kTokensMax);
  return (of * seen.millionths + kMillion - 1) / kMillion + seen.tokens;
}

bool CountError::learn(Tokens counted, Tokens reported, WallTime now) {
  const Seen seen = seen_in(counted, reported);
  const std::int64_t week = week_of(now);
  const Seen known = unpacked(now_.load(std::memory_order_relaxed));
  const bool is_known = larger(known, seen) == known;
  if (is_known && week_.load(std::memory_order_relaxed) >= week) return false;
  const std::lock_guard lock(mutex_);
  const Learned was = learned_;
  turn(week);
  learned_.now = larger(learned_.now, seen);
  now_.store(packed(learned_.now), std::memory_order_relaxed);
  in_force_.store(packed(larger(learned_.now, learned_.before)), std::memory_order_relaxed);
  return !is_known || (learned_ != was && was != Learned{});
}

// A clock that was put back learns for the week that had begun.
void CountError::turn(std::int64_t week) {
  if (week <= learned_.week) return;
  learned_.before = week == learned_.week + 1 ? learned_.now : Seen{};
  learned_.now = {};
  learned_.week = week;
  week_.store(week, std::memory_order_relaxed);
}

auto CountError::learned() const -> Learned {
  const std::lock_guard lock(mutex_);
  return learned_;
}

void CountError::take(const Learned& other) {
  const std::lock_guard lock(mutex_);
  turn(other.week);
  const auto of_week = [&](std::int64_t week) {
    if (week == other.week) return other.now;
    return week == other.week - 1 ? other.before : Seen{};
  };
  learned_.now = larger(learned_.now, of_week(learned_.week));
  learned_.before = larger(learned_.before, of_week(learned_.week - 1));
  now_.store(packed(learned_.now), std::memory_order_relaxed);
  in_force_.store(packed(larger(learned_.now, learned_.before)), std::memory_order_relaxed);
}

CountError& CountErrors::of(std::string_view model, std::string_view tokenizer) {
  const std::lock_guard lock(mutex_);
  for (Named& named : all_) {
    if (named.model == model && named.tokenizer == tokenizer) return named.error;
  }
  Named& named = all_.emplace_back();
  named.model = model;
  named.tokenizer = tokenizer;
  return named.error;
}

auto CountErrors::all() const -> std::vector<Row> {
  const std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const Named& named : all_) {
    rows.push_back({named.model, named.tokenizer, named.error.learned()});
  }
  return rows;
}

}  // namespace tollgate::tokens
