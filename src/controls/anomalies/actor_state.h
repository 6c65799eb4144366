// How one actor, or all that use one route, behaved so far, in less than a kilobyte.
//
// Each figure is held against the actor's own history, or the route's while the actor has little of
// its own; where neither has enough nothing is said. What an actor does always is no anomaly.
//
//   rates     how often something is so, as two means that forget at different paces: the last 16
//             requests or so against the last 256.
//   drifts    the sum by which the logarithm of a figure lies above its mean, three quarters of a
//             deviation taken off each time (CUSUM, Page 1954); one request counts three at most,
//             so no single large one is a shift.
//   known     the models, routes and agents of late, eight of each.
//   hours     how many requests each hour of the week had.
//
// A plain value: no clock, no I/O, no pointers, so that it is written to a file as it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/money.h"
#include "base/units.h"
#include "controls/anomalies/features.h"
#include "controls/anomalies/signs.h"

namespace tollgate::anomalies {

// Requests from which on a history is held against what comes.
inline constexpr std::uint32_t kOwnHistory = 100;
inline constexpr std::uint32_t kRouteHistory = 500;
// Two texts are near from so few bits on: words that point 28 degrees apart, as those of texts do
// that share nine in ten. Of unrelated texts one pair in a hundred million is.
inline constexpr int kNearBits = 10;

// What is known of a request before it is held.
struct Asked {
  Features features;
  std::uint64_t actor = 0;  // Hashes, never 0.
  std::uint64_t route = 0;
  std::uint32_t model = 0;
  std::uint32_t agent = 0;  // 0: it names none.
  WallTime now{};
};

// …and once it has ended.
struct Ended {
  Tokens input = 0;  // 0: not known.
  Money cost;
  bool refused = false;  // By another control than this one.
  bool failed = false;   // By the upstream.
};

struct Rate {
  float fast = 0;
  float slow = 0;
  void add(bool so);
};
enum class Figure : std::uint8_t { kVariant, kRefused, kFailed, kEncoded, kRepetitive, kEven };
inline constexpr std::size_t kFigureCount = 6;

// Of the logarithm to the base 2 of a figure.
struct Drift {
  float mean = 0;
  float variance = 0;
  float sum = 0;
  std::uint32_t count = 0;

  // How many deviations it lies above the mean, -3 to 3. `scale` is whose mean that is.
  float deviation(const Drift& scale, float value) const;
  void add(const Drift& scale, float value);
  bool has_shifted() const;
};

struct Known {
  static constexpr std::size_t kPlaces = 8;
  std::array<std::uint32_t, kPlaces> names{};
  std::array<std::uint32_t, kPlaces> hours{};  // When each was there last, since the epoch.
  float novelty = 0;                           // How often a new one comes.
  // Whether it is new here.
  bool add(std::uint32_t name, std::uint32_t hour);
};

struct ActorState {
  static constexpr std::size_t kRing = 24;
  static constexpr std::size_t kHours = 7 * 24;

  std::uint64_t name = 0;
  std::int64_t first_seconds = 0;  // Since the epoch.
  std::int64_t last_seconds = 0;
  std::uint32_t requests = 0;
  // What was asked last: of the same place, the sketch and which text exactly.
  std::uint32_t ring_next = 0;
  std::array<std::uint64_t, kRing> ring{};
  std::array<std::uint32_t, kRing> ring_exact{};
  // Templates of this hour, a bit for each, and how many there are in an hour that has any.
  std::array<std::uint64_t, 4> templates{};
  std::uint32_t templates_hour = 0;
  std::uint32_t templates_hours = 0;
  float templates_mean = 0;
  std::array<Rate, kFigureCount> rates{};
  Drift tokens;
  Drift spend;
  Known models;
  Known routes;
  Known agents;
  std::array<std::uint8_t, kHours> hours{};
  // Where it is slowed down: until when, and when the next may pass. Microseconds since the epoch.
  std::int64_t slow_until = 0;
  std::int64_t slow_next = 0;
};
static_assert(sizeof(ActorState) <= 1024);
static_assert(std::is_trivially_copyable_v<ActorState>);

// The signs of a request in what its actor and its route did before; then it is of that history.
Signs observe(ActorState& actor, ActorState& route, const Asked& asked);
// How it ended.
void learn(ActorState& actor, ActorState& route, const Ended& ended);

}  // namespace tollgate::anomalies
