// Deadlines of one loop on one coarse wheel: setting, moving and clearing one is a store.
//
// A deadline that moves later stays where it is and is looked at again when its slot comes, so
// a connection that sets a deadline for each of its reads costs nothing. Ticks are 10 ms: a
// deadline is told at most a tick late and never early.
#pragma once

#include <array>
#include <cstdint>

#include "base/units.h"
#include "net/links.h"

namespace tollgate::net {

class Wheel;

class Timer : public Link {
 public:
  virtual void expired() = 0;  // Once for each set(). May set it again.

 protected:
  ~Timer() = default;

 private:
  friend class Wheel;
  Instant deadline_ = Instant::max();
  std::int64_t visit_ = 0;  // The tick at which its slot is looked at.
};

class Wheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(10);

  explicit Wheel(Instant now);

  void set(Timer& timer, Instant deadline);
  void clear(Timer& timer) { timer.deadline_ = Instant::max(); }

  // Tells every deadline that is past at `now`.
  void advance(Instant now);

  // When advance() has something to look at; Instant::max() for never. Maybe too early.
  Instant next() const;

 private:
  static constexpr std::int64_t kSlots = 512;

  void place(Timer& timer);

  std::array<Link, kSlots> slots_;
  std::array<std::uint64_t, kSlots / 64> filled_{};
  std::int64_t done_ = 0;  // The last tick looked at.
};

}  // namespace tollgate::net
