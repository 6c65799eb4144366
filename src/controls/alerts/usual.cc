#include "controls/alerts/usual.h"

#include <algorithm>
#include <cmath>

namespace tollgate::alerts {

namespace {

constexpr Duration kNear = std::chrono::minutes(15);  // To the next hour or the one before.
constexpr std::int64_t kHoursMax = 14 * 24;           // Of rest that are learned one by one.
constexpr std::uint32_t kWellKnown = 3;
constexpr double kPeakKept = 0.8;  // Of a peak, with the next hour like it.
constexpr double kBurstKept = 0.995;
constexpr double kLeastOfMean = 0.2;  // Usual at any hour, as a part of what is usual over all.
constexpr double kLargeCost = 3;      // A dear request, by what one is on average.

std::int64_t hour_of(WallTime time) {
  return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}

// Of an hour since the epoch, which began on a Thursday.
std::size_t slot_of(std::int64_t hour) {
  const std::int64_t weekday = (hour / 24 + 4) % 7;  // 0 is Sunday.
  const bool weekend = weekday == 0 || weekday == 6;
  return static_cast<std::size_t>(hour % 24 + (weekend ? 24 : 0));
}

// How unlikely it is that independent costs sum up to `spent`, as the exponent of a bound of the
// probability.
double surprise(double spent, double mean, double squares) {
  if (spent <= mean) return 0;
  if (squares <= 0 || mean <= 0) return Usual::kSurprise;  // There is nothing usually.
  const double large = kLargeCost * squares / mean;
  const double u = large * (spent - mean) / squares;
  return squares / (large * large) * ((1 + u) * std::log1p(u) - u);
}

}  // namespace

Usual::Usual(const Rule& rule, WallTime now)
    : windows_{std::chrono::seconds(10), std::chrono::minutes(1), rule.over},
      longest_(std::max<std::int64_t>(1, rule.over.count() / 30)),
      hour_(hour_of(now) + 1) {}

std::array<double, kWindows> Usual::sums(std::int64_t now_us) {
  return {seconds_.sum(now_us), minute_.sum(now_us), longest_.sum(now_us)};
}

void Usual::add(double usd, double squares, WallTime now) {
  end_hours(now);
  const std::int64_t now_us = now.time_since_epoch().count();
  seconds_.add(now_us, usd);
  minute_.add(now_us, usd);
  longest_.add(now_us, usd);
  if (hour_of(now) < hour_) return;  // The hour began before it was looked at.
  usd_ += usd;
  squares_ += squares;
  const std::array<double, kWindows> all = sums(now_us);
  for (std::size_t i = 0; i < all.size(); ++i) peak_[i] = std::max(peak_[i], all[i]);
}

void Usual::end_hours(WallTime now) {
  const std::int64_t hour = hour_of(now);
  hour_ = std::max(hour_, hour - kHoursMax);
  for (; hour_ < hour; ++hour_) learn(hour_);
}

void Usual::learn(std::int64_t hour) {
  Learned::Slot& slot = learned_.slots[slot_of(hour)];
  const bool capped = slot.hours >= kWellKnown;
  const auto at_most = [&](double value, double usual) {
    return capped && usual > 0 ? std::min(value, kLearnedAtMost * usual) : value;
  };
  const double part = std::max(kForgets, 1.0 / (slot.hours + 1));
  const double usd = at_most(usd_, slot.usd);
  const double squares = at_most(squares_, slot.squares);
  slot.usd += static_cast<float>(part * (usd - slot.usd));
  slot.squares += static_cast<float>(part * (squares - slot.squares));
  for (std::size_t i = 0; i < peak_.size(); ++i) {
    const double peak = at_most(peak_[i], slot.peak[i]);
    slot.peak[i] = static_cast<float>(std::max(peak, kPeakKept * slot.peak[i]));
    learned_.before.peak[i] = static_cast<float>(peak);
  }
  for (std::size_t i = 0; usd_ > 0 && i < peak_.size(); ++i) {
    const double mean = usd_ / 3600 * std::chrono::duration<double>(windows_[i]).count();
    const double burst = std::min(kBurstMost, peak_[i] / mean);
    learned_.burst[i] =
        static_cast<float>(std::max(burst, kBurstKept * static_cast<double>(learned_.burst[i])));
  }
  ++slot.hours;
  learned_.before.usd = static_cast<float>(usd);
  learned_.before.squares = static_cast<float>(squares);
  ++learned_.before.hours;
  usd_ = squares_ = 0;
  peak_ = {};
}

Usual::Expected Usual::expected(WallTime now) const {
  Expected made;
  made.known = learned_.before.hours > 0;
  if (!made.known) return made;
  double usd = 0;
  double squares = 0;
  const auto take = [&](const Learned::Slot& slot, double part) {
    usd = std::max(usd, part * slot.usd);
    squares = std::max(squares, part * slot.squares);
    for (std::size_t i = 0; i < made.peak.size(); ++i) {
      made.peak[i] = std::max(made.peak[i], part * slot.peak[i]);
    }
  };
  bool well_known = true;
  for (const WallTime near : {now - kNear, now + kNear}) {
    const Learned::Slot& slot = learned_.slots[slot_of(hour_of(near))];
    well_known &= slot.hours >= kWellKnown;
    take(slot, 1);
  }
  if (!well_known) take(learned_.before, 1);
  Learned::Slot mean;
  double hours = 0;
  for (const Learned::Slot& slot : learned_.slots) {
    if (slot.hours == 0) continue;
    ++hours;
    mean.usd += slot.usd;
    mean.squares += slot.squares;
    for (std::size_t i = 0; i < mean.peak.size(); ++i) {
      mean.peak[i] = std::max(mean.peak[i], slot.peak[i]);
    }
  }
  if (hours > 0) {
    mean.usd = static_cast<float>(mean.usd / hours);
    mean.squares = static_cast<float>(mean.squares / hours);
    take(mean, well_known ? kLeastOfMean : 1);
  }
  made.usd = usd / 3600;
  for (std::size_t i = 0; i < made.peak.size(); ++i) {
    const double mean = made.usd * std::chrono::duration<double>(windows_[i]).count();
    made.peak[i] = std::max(made.peak[i], learned_.burst[i] * mean);
  }
  made.squares = squares / 3600;
  return made;
}

std::optional<Usual::Finding> Usual::judge(const Rule& rule, WallTime now) {
  const double at_least = static_cast<double>(rule.at_least.micro_usd) / 1e6;
  const std::array<double, kWindows> all = sums(now.time_since_epoch().count());
  if (*std::ranges::max_element(all) < at_least) return std::nullopt;
  end_hours(now);
  const Expected usual = expected(now);
  if (!usual.known) {
    if (!rule.newcomers) return std::nullopt;
    const double most = static_cast<double>(rule.newcomers->micro_usd) / 1e6;
    if (all.back() < most) return std::nullopt;
    return Finding{rule.over, all.back(), 0, true};
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double seconds = std::chrono::duration<double>(windows_[i]).count();
    const double mean = usual.usd * seconds;
    const bool is_much = all[i] >= at_least && all[i] >= rule.times_usual * mean &&
                         all[i] >= kBeyondPeak * usual.peak[i];
    if (!is_much || surprise(all[i], mean, usual.squares * seconds) < kSurprise) continue;
    return Finding{windows_[i], all[i], mean, false};
  }
  return std::nullopt;
}

}  // namespace tollgate::alerts
