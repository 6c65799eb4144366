#include "tokens/count_errors.h"

#include <algorithm>
#include <chrono>
#include <functional>

namespace tollgate::tokens {

namespace {

constexpr std::int64_t kMillion = 1'000'000;

CountError::Seen larger(const CountError::Seen& a, const CountError::Seen& b) {
  return {std::max(a.millionths, b.millionths), std::max(a.tokens, b.tokens)};
}

CountError::Sightings larger(const CountError::Sightings& a, const CountError::Sightings& b) {
  CountError::Sightings both;
  for (std::size_t i = 0; i < CountError::kSightings; ++i) {
    both.millionths[i] = std::max(a.millionths[i], b.millionths[i]);
    both.tokens[i] = std::max(a.tokens[i], b.tokens[i]);
  }
  return both;
}

template <class Figures, class Figure>
void insert(Figures& figures, Figure figure) {
  figures.back() = std::max<Figure>(figures.back(), figure);
  std::ranges::sort(figures, std::greater());
}

std::int64_t week_of(WallTime now) {
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return since.count() / CountError::kWeek;
}

// What of a request that was reported at so much is more than was counted.
CountError::Seen seen_in(Tokens counted, Tokens reported) {
  CountError::Seen seen;
  if (counted <= 0 || reported <= counted) return seen;
  const Tokens more = std::min(reported - counted, kTokensMax);
  if (counted < CountError::kPartFrom) {
    seen.tokens = std::min(more, CountError::kTokensMost);
    return seen;
  }
  seen.tokens = std::min(more, kInputSlack);
  const std::int64_t part = ((more - seen.tokens) * kMillion + counted - 1) / counted;
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
  const Seen often = unpacked(often_.load(std::memory_order_relaxed));
  if (larger(often, seen) == often && week_.load(std::memory_order_relaxed) == week) return false;
  const std::lock_guard lock(mutex_);
  const Seen was = in_force();
  turn_to(week);
  insert(learned_.now.millionths, seen.millionths);
  insert(learned_.now.tokens, seen.tokens);
  put_in_force();
  return in_force() != was;
}

bool CountError::turn(WallTime now) {
  const std::int64_t week = week_of(now);
  if (week_.load(std::memory_order_relaxed) == week) return false;
  const std::lock_guard lock(mutex_);
  const Seen was = in_force();
  turn_to(week);
  put_in_force();
  return in_force() != was;
}

// What a clock learned that was ahead, or that is put back now, counts as learned this week.
void CountError::turn_to(std::int64_t week) {
  if (week > learned_.week) {
    learned_.before = week == learned_.week + 1 ? learned_.now : Sightings{};
    learned_.now = {};
  }
  learned_.week = week;
  week_.store(week, std::memory_order_relaxed);
}

void CountError::put_in_force() {
  often_.store(packed(learned_.now.often()), std::memory_order_relaxed);
  in_force_.store(packed(larger(learned_.now.often(), learned_.before.often())),
                  std::memory_order_relaxed);
}

auto CountError::learned() const -> Learned {
  const std::lock_guard lock(mutex_);
  return learned_;
}

void CountError::take(const Learned& other, WallTime now) {
  const std::lock_guard lock(mutex_);
  turn_to(week_of(now));
  const auto of_week = [&](std::int64_t week) {
    if (week == other.week) return other.now;
    return week == other.week - 1 ? other.before : Sightings{};
  };
  learned_.now = larger(learned_.now, of_week(learned_.week));
  learned_.before = larger(learned_.before, of_week(learned_.week - 1));
  put_in_force();
}

CountError& CountErrors::of(std::string_view model, std::string_view counted_by) {
  const std::lock_guard lock(mutex_);
  for (Named& named : all_) {
    if (named.model == model && named.counted_by == counted_by) return named.error;
  }
  Named& named = all_.emplace_back();
  named.model = model;
  named.counted_by = counted_by;
  return named.error;
}

void CountErrors::turn(WallTime now) {
  const std::lock_guard lock(mutex_);
  for (Named& named : all_) {
    if (named.error.turn(now)) changes_.fetch_add(1, std::memory_order_release);
  }
}

auto CountErrors::all() const -> std::vector<Row> {
  const std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const Named& named : all_) {
    rows.push_back({named.model, named.counted_by, named.error.learned(), named.error.in_force()});
  }
  return rows;
}

}  // namespace tollgate::tokens
