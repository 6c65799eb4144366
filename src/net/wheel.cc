#include "net/wheel.h"

#include <algorithm>
#include <bit>

namespace tollgate::net {

namespace {

std::int64_t tick_of(Instant at) { return at.time_since_epoch() / Wheel::kTick; }

// The first tick that is not before `deadline`.
std::int64_t tick_after(Instant deadline) {
  const std::int64_t tick = tick_of(deadline);
  return Instant(tick * Wheel::kTick) < deadline ? tick + 1 : tick;
}

}  // namespace

Wheel::Wheel(Instant now) : done_(tick_of(now)) {}

void Wheel::set(Timer& timer, Instant deadline) {
  timer.deadline_ = deadline;
  if (deadline == Instant::max()) return;
  if (timer.linked() && timer.visit_ <= tick_after(deadline)) return;
  place(timer);
}

void Wheel::place(Timer& timer) {
  const std::int64_t target = std::max(tick_after(timer.deadline_), done_ + 1);
  // What lies beyond one turn of the wheel is looked at on the way.
  timer.visit_ = done_ + 1 + (target - done_ - 1) % kSlots;
  const auto slot = static_cast<std::size_t>(timer.visit_ % kSlots);
  timer.join(slots_[slot]);
  filled_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void Wheel::advance(Instant now) {
  const std::int64_t until = tick_of(now);
  const std::int64_t first = std::max(done_ + 1, until - kSlots + 1);
  if (until <= done_) return;
  Link due;
  for (std::int64_t tick = first; tick <= until; ++tick) {
    const auto slot = static_cast<std::size_t>(tick % kSlots);
    filled_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    due.take_all(slots_[slot]);
  }
  done_ = until;
  while (due.linked()) {
    Timer& timer = static_cast<Timer&>(*due.next);
    timer.unlink();
    if (timer.deadline_ == Instant::max()) continue;
    if (tick_after(timer.deadline_) > until) {
      place(timer);
      continue;
    }
    timer.deadline_ = Instant::max();
    timer.expired();
  }
}

Instant Wheel::next() const {
  for (std::int64_t ahead = 1; ahead <= kSlots;) {
    const auto slot = static_cast<std::size_t>((done_ + ahead) % kSlots);
    const std::uint64_t rest = filled_[slot / 64] >> (slot % 64);
    if (rest != 0) {
      const std::int64_t found = ahead + std::countr_zero(rest);
      return Instant((done_ + std::min(found, kSlots)) * kTick);
    }
    ahead += 64 - static_cast<std::int64_t>(slot % 64);
  }
  return Instant::max();
}

}  // namespace tollgate::net
